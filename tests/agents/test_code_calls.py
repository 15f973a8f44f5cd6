"""Functions with a model: an async function that declares calls asks it as often, and is bounded like any agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from fsm_orch import (
    CallDenied,
    CallFailed,
    Context,
    DefinitionError,
    Final,
    Limits,
    Machine,
    Message,
    Runner,
    RunResult,
    ScriptedModel,
    StartError,
    State,
    Visit,
)
from fsm_orch.kernel import records
from fsm_orch.limits import CallLimits
from fsm_orch.proof import prove
from fsm_orch.testing import AdversarialModel, Tape, TheoremChecker, tapes, virtual_time


class Text(Context):
    """A text, and what was made of it."""

    text: str
    short: str | None = None
    left: tuple[int, ...] = ()


def said(content: str) -> tuple[Message, ...]:
    return (Message(role="user", content=content),)


async def shorten(visit: Visit[Text]) -> Any:
    """Shorten a text, and once more what came of it, as long as calls are left."""
    text, left = visit.context.text, [visit.calls_left()]
    while visit.calls_left():
        text = (await visit.model.ask(said(text))).text
        left.append(visit.calls_left())
    return {Text.short: text, Text.left: tuple(left)}


async def ask_on(visit: Visit[Text]) -> Any:
    """Ask as often as nobody denies it."""
    left = []
    try:
        while True:
            await visit.model.ask(said("?"))
            left.append(visit.calls_left())
    except CallDenied as error:
        return {Text.short: str(error), Text.left: tuple(left)}


async def ask_none(visit: Visit[Text]) -> Any:
    await visit.model.ask(said("?"))


def plain(visit: Visit[Text]) -> Any:
    visit.model  # noqa: B018


def machine(function: Callable[[Any], Any], **options: Any) -> type[Machine[Text]]:
    """Make a machine of one function."""

    class Made(Machine[Text]):
        """Work on a text."""

        work = State(function, initial=True, reads=Text.text, writes=(Text.short, Text.left), **options)
        done, landed = Final(), Final(fallback=True)
        worked = work.to(done)

    return Made


def run(made: type[Machine[Text]], model: Any = None, **options: Any) -> RunResult[Text]:
    with virtual_time() as loop:
        return loop.run(Runner(made, model=model, **options).run(Text(text="long")))


def test_asks_the_model() -> None:
    """It asks the runner's model, each time as a call of its visit, and sees how many are left."""
    model = ScriptedModel(["shorter", "short"])
    result = run(machine(shorten, calls=2, max_input_tokens=50, max_output_tokens=20), model)

    assert ("short", (2, 1, 0)) == (result.context.short, result.context.left)
    assert ["long", "shorter"] == [request.messages[0].content for request in model.requests]
    assert {20} == {request.max_output_tokens for request in model.requests}
    assert 2 == sum(isinstance(record, records.CallSettled) for record in result.records)
    assert sum(len(text) for text in ("long", "shorter", "shorter", "short")) == result.charged_tokens


def test_no_more_calls_than_declared() -> None:
    """A call beyond those that it declares is denied and not sent, and the function may go on without it."""
    model = ScriptedModel(["a"] * 9)
    result = run(machine(ask_on, calls=2), model)

    assert (result.landing, (1, 0), 2) == (None, result.context.left, len(model.requests))
    assert "calls" in str(result.context.short)


def test_retries_are_calls() -> None:
    """What fails for now is tried again as a further call."""
    model = ScriptedModel([CallFailed("overloaded", transient=True), "short"])
    result = run(machine(shorten, calls=2), model)

    assert ("short", (2, 0)) == (result.context.short, result.context.left)


def test_bounds() -> None:
    """Its grant and worst case are those of its calls: proved before a run, and what a run needs to start."""
    made = machine(shorten, calls=3, max_input_tokens=100, max_output_tokens=20)
    proof = prove(made)

    assert (3, CallLimits(max_input_tokens=100, max_output_tokens=20)) == (
        made.work.spec.calls,  # type: ignore[attr-defined]
        made.work.spec.call_limits,  # type: ignore[attr-defined]
    )
    assert 360 == proof.certificate.bounds["tokens"].bound
    assert not proof.exploration.broken
    with pytest.raises(StartError, match="the first call of 'work' may take 120 tokens; the limit is 119"):
        Runner(made, model=ScriptedModel([]), limits=Limits(tokens=119))
    with pytest.raises(StartError, match="State 'work' needs a model"):
        Runner(made)


@settings(max_examples=150, deadline=None)
@given(tapes())
def test_adversaries(tape: Tape) -> None:
    """Whatever the model does, every theorem holds of a function that asks it."""
    runner = Runner(machine(shorten, calls=3), model=AdversarialModel(tape))
    with virtual_time() as loop:
        result = loop.run(runner.run(Text(text="long")))

    TheoremChecker(runner.compiled).follow_all(result.journal)


def test_plain_function() -> None:
    """A plain def cannot wait for a model, so the class does not build with calls for one."""
    with pytest.raises(DefinitionError, match=r"FSM125[\s\S]*'work' declares calls=1 for plain, a plain def") as caught:
        machine(plain, calls=1)
    (finding,) = caught.value.findings

    assert "write async def plain(visit), or leave calls out" == finding.fix


@pytest.mark.parametrize(
    ("function", "fix"),
    [
        (ask_none, r": declare them, work = State\(ask_none, calls=1, ...\)"),
        (plain, r": make plain an async def, and declare them, work = State\(plain, calls=1, ...\)"),
    ],
)
def test_without_calls(function: Callable[[Any], Any], fix: str) -> None:
    """A function without calls that asks for a model is told that it has none, and what to write."""
    result = run(machine(function))

    assert result.error is not None
    with pytest.raises(Exception, match=f"The agent of 'work' declares no calls, so it has no model{fix}"):
        raise result.error


def test_none_left() -> None:
    """A function without calls has none left."""

    async def look(visit: Visit[Text]) -> Any:
        return {Text.short: "", Text.left: (visit.calls_left(),)}

    look.__qualname__ = "look"

    assert (0,) == run(machine(look)).context.left


def test_wrong_options() -> None:
    """Caps without calls, calls of an agent that says its own, and caps that are none are refused where they stand."""
    with pytest.raises(TypeError, match="max_output_tokens are of calls, and the state declares none: say calls=1"):
        State(shorten, max_output_tokens=5)
    with pytest.raises(TypeError, match="says its own reads, writes, attempts and calls"):
        State(machine_agent(), calls=1)
    with pytest.raises(ValidationError, match="max_input_tokens"):
        State(shorten, calls=1, max_input_tokens=-1)
    with pytest.raises(DefinitionError, match="FSM123"):
        machine(shorten, calls=-1)


def machine_agent() -> Any:
    from fsm_orch import LLMAgent

    return LLMAgent("Answer.")


def test_digest() -> None:
    """Calls and their caps are in the digest; a function without calls has the digest that it had."""
    digests = {
        machine(shorten, **options).definition.digest
        for options in ({}, {"calls": 1}, {"calls": 2}, {"calls": 2, "max_input_tokens": 5})
    }

    assert 4 == len(digests)
    assert machine(shorten, calls=0).definition.digest in digests
