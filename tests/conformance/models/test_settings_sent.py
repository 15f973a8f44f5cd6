"""Settings on the wire: what each adapter sends of them, over a real socket with the real SDK, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.provider import KEY, Provider
from support.provider_faults import FAULTS
from support.settled import Question, machine_with

from fsm_orch import CallFailed, Limits, Message, ModelSettings, Runner, StartError
from fsm_orch.models import Model, Request

pytest.importorskip("openai", reason="OpenAI's models need the extra `openai`")
pytest.importorskip("anthropic", reason="Anthropic's models need the extra `anthropic`")

from fsm_orch.models.anthropic import MessagesModel
from fsm_orch.models.openai import COMPATIBLE, OPENAI, OPENAI_URL, ChatModel, Profile, ResponsesModel

Build = Callable[..., Model]


def responses(url: str, name: str = "gpt-4.1-mini") -> Model:
    return ResponsesModel(name, api_key=KEY, base_url=url if url == OPENAI_URL else f"{url}/v1")


def chat(url: str, name: str = "gpt-4.1-mini", profile: Profile = OPENAI) -> Model:
    return ChatModel(name, api_key=KEY, base_url=url if url == OPENAI_URL else f"{url}/v1", profile=profile)


def compatible(url: str) -> Model:
    return chat(url, "llama4", COMPATIBLE)


def messages(url: str, name: str = "claude-opus-4-6") -> Model:
    return MessagesModel(name, api_key=KEY, base_url=url)


def thinking(url: str) -> Model:
    return responses(url, "gpt-5-mini")


def chat_thinking(url: str) -> Model:
    return chat(url, "gpt-5-mini")


SENT = [
    (responses, {"temperature": 0.25, "top_p": 0.5}, {"temperature": 0.25, "top_p": 0.5}),
    (thinking, {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    (chat, {"temperature": 0, "top_p": 0.5, "seed": 7}, {"temperature": 0, "top_p": 0.5, "seed": 7}),
    (chat_thinking, {"reasoning_effort": "high", "seed": 7}, {"reasoning_effort": "high", "seed": 7}),
    (compatible, {"temperature": 1.5, "top_p": 0.5, "seed": 7}, {"temperature": 1.5, "top_p": 0.5, "seed": 7}),
    (messages, {"reasoning_effort": "max"}, {"output_config": {"effort": "max"}}),
]


@pytest.mark.parametrize(("build", "chosen", "sent"), SENT)
def test_what_is_sent_is_what_was_set(build: Build, chosen: dict[str, Any], sent: dict[str, Any]) -> None:
    """A run's request has its settings by the provider's names, and differs in nothing else from one without."""
    plain, made = machine_with(), machine_with(ModelSettings(timeout_s=9, **chosen))
    limits = Limits(tokens=20_000)
    with Provider() as provider:
        for machine in (plain, made):
            result = Runner(machine, model=build(provider.url), limits=limits, retry=None).run_sync(Question(query="?"))
            assert result.landing is None
        without, body = (received.body for received in provider.completions)

    for name, value in sent.items():
        told = {**without[name], **value} if isinstance(without.get(name), dict) else value
        assert told == body.pop(name)
        without.pop(name, None)
    assert without == body


REFUSED = [
    (responses(OPENAI_URL), {"seed": 7}, "seed=7: the Responses API has none"),
    (responses(OPENAI_URL), {"reasoning_effort": "low"}, "reasoning_effort='low': it does not reason"),
    (responses(OPENAI_URL, "gpt-5-mini"), {"temperature": 0}, r"temperature=0\.0: a reasoning model takes none"),
    (responses(OPENAI_URL, "o4-mini"), {"top_p": 0.5}, r"top_p=0\.5: a reasoning model takes none"),
    (responses(OPENAI_URL, "gpt-5.1"), {"temperature": 0}, "or set reasoning_effort='none'"),
    (responses("http://localhost"), {"seed": 7}, "the Responses API has none"),
    (chat(OPENAI_URL, "gpt-5-mini"), {"temperature": 0}, "a reasoning model takes none"),
    (compatible("http://localhost"), {"reasoning_effort": "low"}, "the profile 'compatible' does not take it"),
    (messages("http://localhost"), {"seed": 7}, "seed=7: Anthropic's API has none"),
    (messages("http://localhost"), {"temperature": 0.5, "top_p": 0.5}, r"temperature=.*; top_p=.* has none"),
    (messages("http://localhost"), {"reasoning_effort": "minimal"}, "the API knows low, medium"),
    (messages("http://localhost", "claude-haiku-4-5"), {"reasoning_effort": "low"}, "this model has none; those from"),
    (messages("http://localhost", "claude-sonnet-4-20250514"), {"reasoning_effort": "low"}, "this model has none"),
]


@pytest.mark.parametrize(("model", "chosen", "why"), REFUSED, ids=lambda said: str(said)[:40])
def test_what_a_provider_lacks(model: Model, chosen: dict[str, Any], why: str) -> None:
    """No run starts with a setting that its provider lacks: the state, the model, the setting and the fix are named."""
    with pytest.raises(StartError, match=rf"'ask' has settings that '{model.name}' does not take \(.*{why}.*leave"):
        Runner(machine_with(ModelSettings(**chosen)), model=model)


TAKEN = [
    (responses(OPENAI_URL, "gpt-5.1"), {"temperature": 0, "reasoning_effort": "none"}),
    (responses(OPENAI_URL, "gpt-5-chat-latest"), {"temperature": 0}),
    (chat(OPENAI_URL, "gpt-4o"), {"temperature": 0, "seed": 1}),
    (ResponsesModel("gpt-5.1", api_key=KEY, effort="none"), {"temperature": 0}),
    (messages("http://localhost", "claude-sonnet-4-6"), {"reasoning_effort": "low"}),
    (messages("http://localhost", "claude-haiku-5-5"), {"reasoning_effort": "low"}),
    (responses(OPENAI_URL, "a-model-to-come"), {"temperature": 0, "reasoning_effort": "low"}),
    (
        ChatModel(
            "x",
            api_key=KEY,
            base_url="http://localhost",
            profile=Profile(name="mine", cap="max_tokens", output="none", takes=frozenset({"reasoning_effort"})),
        ),
        {"reasoning_effort": "low"},
    ),
]


@pytest.mark.parametrize(("model", "chosen"), TAKEN, ids=lambda said: str(said)[:40])
def test_what_a_model_takes(model: Model, chosen: dict[str, Any]) -> None:
    """What a model takes, or nobody knows it not to take, is left to it."""
    Runner(machine_with(ModelSettings(**chosen)), model=model)


@pytest.mark.parametrize("build", [responses, chat, compatible, messages])
async def test_timeout(build: Build) -> None:
    """A call takes no longer than its settings say, and then it has failed for now, and may have been billed."""
    asked = Request(
        messages=(Message(role="user", content="?"),), max_output_tokens=20, settings=ModelSettings(timeout_s=0.05)
    )
    with Provider(FAULTS["silence"]) as provider, pytest.raises(CallFailed, match=r"no reply within 0\.05 s") as caught:
        await build(provider.url).complete(asked)

    assert ("timeout", True, False) == (caught.value.reason, caught.value.transient, caught.value.unsent)
