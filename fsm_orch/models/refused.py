"""Which settings a provider's models do not take, and what to do about it. No SDK is needed to know that."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..settings import ModelSettings

_REASONING = re.compile(r"(ft:)?(o\d|gpt-5)(?!-chat)")
"""Models of OpenAI that think before they answer."""

_MAY_REST = re.compile(r"(ft:)?gpt-5\.\d")
"""Those of them that sample as others do once they do not think: https://platform.openai.com/docs/guides/latest-model"""

_PLAIN = re.compile(r"(ft:)?(gpt-3|gpt-4|chatgpt|gpt-5-chat)")
"""Models of OpenAI that do not think."""

_WITHOUT_EFFORT = re.compile(r"claude-(2|3|haiku-4|sonnet-4-[0-5]|opus-4-[0-4])")
"""Models of Anthropic that refuse an effort: https://platform.claude.com/docs/en/build-with-claude/effort"""

_SAMPLING = ("temperature", "top_p")


def not_taken(settings: ModelSettings, why: Mapping[str, str]) -> str | None:
    """Return what of some settings is not taken, and why; None if all is.

    Args:
        why: by the name of a setting, why nothing but its default is taken.
    """
    found = [f"{name}={value!r}: {why[name]}" for name, value in settings.chosen.items() if name in why]
    return "; ".join(found) or None


def by_openai(model: str, settings: ModelSettings) -> dict[str, str]:
    """Return which settings a model of OpenAI does not take, with the reasons."""
    why: dict[str, str] = {}
    if _PLAIN.match(model):
        why["reasoning_effort"] = "it does not reason"
    thinks = not (_MAY_REST.match(model) and settings.reasoning_effort == "none")
    if _REASONING.match(model) and thinks:
        may = ", or set reasoning_effort='none'" if _MAY_REST.match(model) else ""
        why |= dict.fromkeys(_SAMPLING, f"a reasoning model takes none{may}")
    return why


NO_SEED = {"seed": "the Responses API has none; Chat Completions does: 'openai-chat:...'"}
"""Of OpenAI's Responses API."""

BY_LOCAL = {"reasoning_effort": "it does not reason"}
"""Which settings a local model does not take."""

TAKEN_BY_CHAT = frozenset({"temperature", "top_p", "seed"})
"""What servers of Chat Completions know by OpenAI's names."""


def by_chat(profile: str, taken: Collection[str] = TAKEN_BY_CHAT) -> dict[str, str]:
    """Return which settings a server of Chat Completions does not take, with the reasons.

    Args:
        profile: the name of how it speaks.
        taken: the settings that it knows.
    """
    return all_but({*taken, "timeout_s"}, f"the profile {profile!r} does not take it")


def by_anthropic(model: str, settings: ModelSettings) -> dict[str, str]:
    """Return which settings a model of the Messages API does not take, with the reasons."""
    # older models do take a temperature, but newer ones refuse it, and the SDK has dropped its name
    why: dict[str, str] = dict.fromkeys((*_SAMPLING, "seed"), "Anthropic's API has none")
    if settings.reasoning_effort in ("none", "minimal"):
        why["reasoning_effort"] = "the API knows low, medium, high, xhigh and max"
    if _WITHOUT_EFFORT.match(model):
        why["reasoning_effort"] = "this model has none; those from Opus 4.5 and Sonnet 4.6 on do"
    return why


_SAMPLED = frozenset({"google", "google-cloud", "groq", "litellm", "mistral", "ollama", "vllm"})
"""Providers of pydantic-ai whose models are known to be sent the sampling and the seed."""


def by_bridge(name: str, settings: ModelSettings) -> dict[str, str]:
    """Return which settings a model of pydantic-ai does not take, with the reasons.

    Args:
        name: pydantic-ai's, such as `google:gemini-2.5-flash`.
    """
    provider, _, model = name.partition(":")
    if provider == "anthropic":
        why = by_anthropic(model, settings)
    elif provider in ("openai", "openai-responses"):
        why = NO_SEED | by_openai(model, settings)
    elif provider == "openai-chat":
        why = by_openai(model, settings)
    else:
        taken = TAKEN_BY_CHAT if provider in _SAMPLED else ()
        why = all_but({*taken, "timeout_s"}, f"nothing is known of what 'pydantic-ai:{provider}' makes of it")
    return {"reasoning_effort": "the bridge does not carry it"} | why


def not_taken_by(name: str, settings: ModelSettings) -> str | None:
    """Return what of some settings the model of a name does not take, as its adapter would: None if it takes all.

    Args:
        name: `provider:model`; of several, with a comma between two, the first that does not take all.
    """
    for one in name.split(","):
        provider, _, model = one.partition(":")
        if why := not_taken(settings, _by_provider(provider, model, settings)):
            return f"{one}: {why}" if "," in name else why
    return None


def _by_provider(provider: str, model: str, settings: ModelSettings) -> Mapping[str, str]:
    match provider:
        case "local":
            return BY_LOCAL
        case "openai":
            return NO_SEED | by_openai(model, settings)
        case "openai-chat":
            return by_openai(model, settings)
        case "anthropic":
            return by_anthropic(model, settings)
        case "pydantic-ai":
            return by_bridge(model, settings)
        case _:
            return by_chat(provider)


def all_but(taken: Collection[str], why: str) -> dict[str, str]:
    """Return every setting that is not among those taken, with one reason."""
    return {name: why for name in ModelSettings.__pydantic_fields__ if name not in taken}
