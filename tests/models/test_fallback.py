"""Fallbacks: whose turn it is, what bounds them, and what they are called."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import CallFailed, Fallback, LLMAgent, Message, ModelSettings, ModelUnavailable, Price, ScriptedModel
from fsm_orch.amounts import FREE, Dearest, dearest
from fsm_orch.models import Request
from fsm_orch.models.prices import price_by_name
from fsm_orch.models.registry import checked, opened, resolve
from fsm_orch.testing import virtual_time

ASKED = Request(messages=(Message(role="user", content="hello"),), max_output_tokens=9)
DOWN = CallFailed("overloaded", transient=True)
GONE = CallFailed("bad_request", unsent=True)


def model(name: str, *lines: Any, **options: Any) -> ScriptedModel:
    """Make a model that says its name, after some lines."""
    return ScriptedModel([*lines, *[name] * 99], name=f"scripted:{name}", **options)


def fallback(*models: ScriptedModel, rest_s: float = 30.0) -> Fallback:
    """Make a fallback that is ready."""
    made = Fallback(*models, rest_s=rest_s)
    assert opened(made) is made
    return made


async def said(asked: Fallback) -> str:
    """Return what is answered, or how the request failed."""
    try:
        return (await asked.complete(ASKED)).text
    except CallFailed as error:
        return error.reason


async def after(asked: Fallback, *waits: float) -> list[str]:
    """Ask after each of some seconds."""
    told = []
    for wait in waits:
        await asyncio.sleep(wait)
        told.append(await said(asked))
    return told


@pytest.mark.parametrize(
    ("lines", "waits", "expected"),
    [
        ([[], []], [0, 0], ["a", "a"]),
        ([[DOWN], []], [0, 0, 29, 1], ["overloaded", "b", "b", "a"]),
        ([[GONE], []], [0, 0], ["bad_request", "a"]),
        ([[DOWN, DOWN], [DOWN]], [0, 1, 1, 0, 28, 1], ["overloaded", "overloaded", "overloaded", "b", "b", "b"]),
        ([[CallFailed("rate_limit", transient=True, retry_after_s=60.0)], []], [0, 59, 1], ["rate_limit", "b", "a"]),
        ([[CallFailed("rate_limit", transient=True, retry_after_s=1.0)], []], [0, 29, 1], ["rate_limit", "b", "a"]),
    ],
)
def test_turns(lines: list[list[Any]], waits: list[float], expected: list[str]) -> None:
    """Who failed for now rests for its time, or longer if it asks; while all rest, who is back first is asked."""
    first, second = (model(name, *ahead) for name, ahead in zip("ab", lines, strict=True))
    with virtual_time() as loop:
        assert expected == loop.run(after(fallback(first, second), *waits))


def test_given_up() -> None:
    """A model that is not heard of before its time is over rests; one that was given up before that does not."""

    async def asked(seconds: float) -> str:
        slow = fallback(model("a", delay_s=99), model("b"))
        task = asyncio.ensure_future(slow.turn(lambda: 10.0).complete(ASKED))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return slow.turn().name

    with virtual_time() as loop:
        assert ["scripted:a", "scripted:b"] == [loop.run(asked(seconds)) for seconds in (9, 10)]


PRICES = st.builds(
    lambda dear, output, cheap: Price(dear, output, min(dear, cheap)), *[st.integers(0, 9)] * 3
) | st.builds(Price, st.integers(0, 9), st.integers(0, 9))


@given(st.lists(PRICES, min_size=2, max_size=4), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_dearest(prices: list[Price], read: int, written: int, cached: int) -> None:
    """The dearest price is no less than that of any of the models for any usage, and on each side one of theirs."""
    named = {f"m:{number}": price for number, price in enumerate(prices)}
    top, cached = dearest(named), min(cached, read)
    for name, price in named.items():
        own = price.amount(read, written, cached_input_tokens=cached)
        assert own.cost <= top.amount(read, written, cached_input_tokens=cached).cost
        assert own == top.of(name).amount(read, written, cached_input_tokens=cached)
    assert (max(price.input for price in prices), max(price.output for price in prices)) == (top.input, top.output)
    assert top.of("m:none") is top.of(None) is top


async def test_bounds() -> None:
    """Its bound is the largest of its models', its price the dearest of each side, and none where one is not known."""

    class Wordy(ScriptedModel):
        async def count(self, request: Request) -> int:
            return 1_000

    cheap, dear = model("a", price=Price(1, 9, 0)), Wordy([], name="scripted:b", price=Price(2, 3))
    made = fallback(cheap, dear)

    assert 1_000 == await made.count(ASKED)
    assert Dearest(2, 9, 2, (("scripted:a", Price(1, 9, 0)), ("scripted:b", Price(2, 3)))) == made.price
    assert fallback(cheap, model("c", price=None)).price is None
    assert fallback(model("a"), model("c")).price is FREE


def test_names() -> None:
    """A fallback is named by its models, with a comma between two; its price is known by name, without a key."""
    named = "openai:gpt-5-mini,anthropic:claude-haiku-4-5"
    price = Fallback("openai:gpt-5-mini", "anthropic:claude-haiku-4-5").price

    assert named == checked("openai:gpt-5-mini, anthropic:claude-haiku-4-5")
    assert isinstance(price, Dearest)
    assert price == price_by_name(named)
    assert price_by_name("compatible:ours,openai:gpt-5-mini") is None
    assert (price.input, price.output) == tuple(
        max(getattr(price_by_name(one), side) for one in named.split(",")) for side in ("input", "output")
    )


@pytest.mark.parametrize("models", [(), ("openai:a",), ("openai:a", "openai:a"), ("openai:a,openai:b", "openai:c")])
def test_no_fallback(models: tuple[str, ...]) -> None:
    """A fallback is two models or more, each by itself and once."""
    with pytest.raises(ValueError, match="a fallback is two models or more"):
        Fallback(*models)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("openai:a,openai:a", "a fallback is two models or more"),
        ("openai:a,nobody:b", r"No model 'nobody:b'\. Name one as provider:model"),
        ("openai:a,", "No model ''"),
    ],
)
def test_no_name(name: str, why: str) -> None:
    """What is no name of a fallback is refused like any other that is none."""
    with pytest.raises(ModelUnavailable, match=why):
        checked(name)


def test_all_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fallback one of whose models cannot be had is refused at once, and not when it is needed."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ModelUnavailable, match="ANTHROPIC_API_KEY"):
        resolve("openai:gpt-5-mini,anthropic:claude-haiku-4-5")


def test_settings() -> None:
    """A fallback takes the settings that all of its models take; the one that does not is named."""
    pytest.importorskip("anthropic", reason="Anthropic's models need the extra `anthropic`")
    from fsm_orch.models.anthropic import MessagesModel

    made = Fallback(model("a"), MessagesModel("claude-opus-4-6", api_key="sk"))
    opened(made)

    assert made.objection(ModelSettings(reasoning_effort="low")) is None
    assert "anthropic:claude-opus-4-6: seed=1: Anthropic's API has none" == made.objection(ModelSettings(seed=1))


def test_of_an_agent() -> None:
    """An agent names the models of a fallback; one with more to it is the runner's."""
    named = LLMAgent("Answer.", model=Fallback("openai:a", "local:b"))

    assert "openai:a,local:b" == named.spec.model
    for more in (Fallback("openai:a", "local:b", rest_s=5), Fallback("openai:a", model("b"))):
        with pytest.raises(TypeError, match="give this one to the Runner"):
            LLMAgent("Answer.", model=more)
