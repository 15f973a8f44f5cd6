"""Models by name: `provider:model`. Each provider is imported when it is first named, and not before."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ModelUnavailable
from .base import Model


def _local(model: str) -> Model:
    from .local import load  # noqa: PLC0415 - loads a native library

    return load(model)


def _openai(model: str) -> Model:
    try:
        from .openai import open_responses  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise _missing("openai") from error
    return open_responses(model)


def _openai_chat(model: str) -> Model:
    try:
        from .openai import open_chat  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise _missing("openai") from error
    return open_chat(model)


def _compatible(model: str) -> Model:
    try:
        from .openai import open_compatible  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise _missing("openai") from error
    return open_compatible(model)


def _anthropic(model: str) -> Model:
    try:
        from .anthropic import open_messages  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise _missing("anthropic") from error
    return open_messages(model)


def _missing(extra: str) -> ModelUnavailable:
    return ModelUnavailable(f"Models of this provider need some packages; run: pip install 'fsm_orch[{extra}]'")


_PROVIDERS: dict[str, Callable[[str], Model]] = {
    "local": _local,
    "openai": _openai,
    "openai-chat": _openai_chat,
    "compatible": _compatible,
    "anthropic": _anthropic,
}


def resolve(name: str) -> Model:
    """Give the model of a name.

    Args:
        name: `provider:model`, such as `local:smollm2`.

    Raises ModelUnavailable: if the provider or the model is not known, or something it needs is missing.
    """
    provider, _, model = checked(name).partition(":")
    return _PROVIDERS[provider](model)


def checked(name: str) -> str:
    """Give a name back that may be a model's, without asking its provider.

    Raises ModelUnavailable: if the provider is not known, or no model is named.
    """
    provider, _, model = name.partition(":")
    if provider not in _PROVIDERS or not model:
        known = ", ".join(f"{known}:..." for known in _PROVIDERS)
        raise ModelUnavailable(f"No model {name!r}. Name one as provider:model; providers: {known}")
    return name
