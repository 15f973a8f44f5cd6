"""Summaries: what leaves a window is told in short, kept with the reply, and seen by its agent alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Message,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Window,
    to_json,
)
from fsm_orch.kernel import records
from fsm_orch.kernel.codec import input_from_json
from fsm_orch.models import Request
from fsm_orch.testing import AdversarialModel, Tape, TheoremChecker, tapes, virtual_time

WINDOW = Window(messages=2, chars=400, summary=True)
LIMITS = Limits(tokens=60_000)


class Chat(Context):
    """A question and its answer."""

    query: str
    answer: str | None = None


def machine(window: Window = WINDOW, **options: Any) -> type[Machine[Chat]]:
    """Make a machine of one agent with a window."""
    options = {"calls": 3, "max_input_tokens": 1_000, "max_output_tokens": 200} | options

    class Talk(Machine[Chat]):
        """Answer."""

        ask = State(
            LLMAgent("Answer.", must_not="guess", reads=Chat.query, writes=Chat.answer, window=window, **options),
            initial=True,
        )
        done, landed = Final(), Final(fallback=True)
        answered = ask.to(done)

    return Talk


def words(*contents: str) -> tuple[Message, ...]:
    """Make a conversation of a user and somebody else."""
    return tuple(
        Message(role="assistant" if place % 2 else "user", content=content, agent="other" if place % 2 else None)
        for place, content in enumerate(contents)
    )


@pytest.fixture(name="go")
def _go() -> Iterator[Any]:
    with virtual_time() as loop:

        def go(made: type[Machine[Chat]], model: Any, said: tuple[Message, ...], **options: Any) -> RunResult[Chat]:
            runner = Runner(made, model=model, limits=LIMITS, **options)
            result = loop.run(runner.run(Chat(query="now"), messages=said))
            TheoremChecker(runner.compiled).follow_all(result.journal)
            return result

        yield go


def is_sum(request: Request) -> bool:
    return request.messages[0].content.startswith("Sum up")


def shown(request: Request) -> str:
    return "\n".join(message.content for message in request.messages[1:])


GOOD = {"answer": "yes"}
FIVE = words("one", "two", "three", "four", "five")


def test_what_leaves_is_summed_up(go: Any) -> None:
    """What is out of the window is told to the model to sum up, and the reply is asked for with the summary instead."""
    model = ScriptedModel(["one to three", GOOD])
    result = go(machine(), model, FIVE)
    summed, asked = model.requests

    assert (True, False) == (is_sum(summed), is_sum(asked))
    assert "user: one\nassistant: two\nuser: three" == shown(summed)
    assert ["What was said before, in short: one to three", "four", "five"] == [
        message.content for message in asked.messages[1:-1]
    ]
    assert {"system", "user", "assistant"} == {m.role for request in model.requests for m in request.messages}
    assert (None, "yes") == (result.landing, result.context.answer)


def test_it_is_committed_with_the_reply(go: Any) -> None:
    """It is a message of role `summary` in the run's journal, counted in the record of the handoff."""
    result = go(machine(), ScriptedModel(["one to three", GOOD]), FIVE)
    (kept,) = [said for said in result.messages if said.role == "summary"]
    (hop,) = [record for record in result.records if isinstance(record, records.HandedOff)]

    assert ("one to three", "ask") == (kept.content, kept.agent)
    assert (1, 1) == (hop.messages, hop.summaries)
    assert list(result.journal) == [input_from_json(to_json(event)) for event in result.journal]
    assert 2 == sum(isinstance(record, records.CallSettled) for record in result.records)


def test_the_next_run_goes_on_from_it(go: Any) -> None:
    """The next run shows the summary, sums up only what has left the window since, and what was asked is not lost."""
    first = go(machine(), ScriptedModel(["one to three", GOOD]), FIVE)
    model = ScriptedModel(["one to five", GOOD])
    second = go(machine(), model, first.messages)
    third = ScriptedModel(["one to now", GOOD])
    go(machine(), third, second.messages)

    assert "summary of what came before: one to three\nassistant: four\nuser: five" == shown(model.requests[0])
    assert "What was said before, in short: one to five" in shown(model.requests[1])
    assert "now" in shown(third.requests[0])


def test_nothing_left_nothing_summed(go: Any) -> None:
    """While everything fits into the window no call is made for a summary."""
    model = ScriptedModel([GOOD])
    go(machine(), model, words("one", "two"))

    assert 1 == len(model.requests)


def test_at_most_so_much_at_a_time(go: Any) -> None:
    """A request tells of as many messages as fit into `max_input_tokens`; the next visit goes on with the rest."""
    said = words(*(f"{number} " + "x" * 96 for number in range(12)))
    model = ScriptedModel(["first", GOOD])
    made = machine(max_input_tokens=700)
    first = go(made, model, said)
    again = ScriptedModel(["second", GOOD])
    go(made, again, first.messages)
    sums = model.requests[0], again.requests[0]
    told = [[number for number in range(12) if f": {number} x" in shown(request)] for request in sums]

    assert told[0] == list(range(len(told[0])))
    assert 0 < len(told[0]) < 10
    assert told[1][0] == len(told[0])


def test_a_message_that_is_too_long_is_cut(go: Any) -> None:
    """One message that does not fit by itself is cut, and counts as told."""
    model = ScriptedModel(["long", GOOD])
    result = go(machine(), model, words("y" * 5_000, "two", "three"))

    assert "[...]" in shown(model.requests[0])
    assert "y" * 100 in shown(model.requests[0])
    assert ["long"] == [said.content for said in result.messages if said.role == "summary"]


@pytest.mark.parametrize("line", [CallFailed("bad_request", unsent=True), CallFailed("overloaded", transient=True), ""])
def test_without_it_the_visit_goes_on(go: Any, line: Any) -> None:
    """Where it cannot be made, or is empty, the reply is asked for without it, and a call is always left for that."""
    model = ScriptedModel([line, GOOD])
    result = go(machine(calls=2), model, FIVE)

    assert result.landing is None
    assert not [said for said in result.messages if said.role == "summary"]
    assert ["four", "five"] == [message.content for message in model.requests[-1].messages[1:-1]]


def test_a_repair_keeps_it(go: Any) -> None:
    """A refused reply is repaired with the summary that was made, and no other is made."""
    model = ScriptedModel(["one to three", "no JSON", GOOD])
    result = go(machine(), model, FIVE)

    assert [True, False, False] == [is_sum(request) for request in model.requests]
    assert all("in short: one to three" in shown(request) for request in model.requests[1:])
    assert ["one to three"] == [said.content for said in result.messages if said.role == "summary"]


def test_no_call_no_summary(go: Any) -> None:
    """The last call of a visit is for the reply, whatever became of those before."""
    model = ScriptedModel([CallFailed("bad_request", unsent=True), "no JSON", GOOD])
    result = go(machine(), model, FIVE)

    assert [True, False, False] == [is_sum(request) for request in model.requests]
    assert result.landing is None
    with pytest.raises(ValueError, match="a window with a summary takes a call of its own: give the agent calls=2"):
        machine(calls=1)
    with pytest.raises(ValueError, match="a window with a summary shows 200 characters or more, not 199"):
        Window(chars=199, summary=True)


SEEN = list[tuple[Message, ...]]()


async def look(visit: Any) -> Any:
    """Note what is seen of the conversation."""
    SEEN.append(visit.messages)


def test_nobody_else_sees_it() -> None:
    """It may tell of fields that another agent does not read, so no other agent sees it, whatever its window."""
    SEEN.clear()

    class Two(Machine[Chat]):
        """Ask, and look."""

        ask = State(
            LLMAgent("Answer.", must_not="guess", reads=Chat.query, writes=Chat.answer, window=WINDOW, calls=3),
            initial=True,
        )
        look_on = State(look)
        again = State(LLMAgent("Say more.", must_not="guess", writes=Chat.answer, window=WINDOW))
        done, landed = Final(), Final(fallback=True)
        flow = ask >> look_on >> again >> done

    model = ScriptedModel(["one to three", GOOD, "mine", GOOD])
    with virtual_time() as loop:
        result = loop.run(Runner(Two, model=model, limits=LIMITS).run(Chat(query="now"), messages=FIVE))

    assert [FIVE] == SEEN
    assert "one to three" not in shown(model.requests[2])
    assert ["ask", "again"] == [said.agent for said in result.messages if said.role == "summary"]


@given(st.text(max_size=20))
def test_a_mark_of_nobody(until: str) -> None:
    """A summary whose mark nobody made is no reason to fail: all is to be told once more, or what it marks is found."""
    made = Message(role="summary", agent="ask", content="s", until=until)

    assert WINDOW.untold([*FIVE, made], agent="ask") == FIVE[:3]


def test_digest() -> None:
    """A window that sums up is another one; that it does not is in no digest."""
    plain = machine(Window(messages=2, chars=400))

    assert plain.definition.digest != machine().definition.digest
    assert plain.definition.digest == machine(Window(messages=2, chars=400, summary=False)).definition.digest


SAID = st.lists(st.builds(lambda n: Message(role="user", content=f"said {n}"), st.integers(0, 9)), max_size=12)


@given(SAID, SAID, st.data())
def test_everything_is_shown_told_or_left(before: list[Message], after: list[Message], data: st.DataObject) -> None:
    """Each message is in the view, told of by the summary, or still to be told of; whatever was lost or shown since."""
    window = Window(messages=3, chars=400, summary=True)
    left = window.untold(before, agent="ask")
    if not left:
        assert len(before) <= 3
        return
    number = data.draw(st.integers(1, len(left)))
    made = Message(role="summary", agent="ask", content="s", until=window.mark(before, number, agent="ask"))
    new = [replace(said, content=f"new {place}") for place, said in enumerate(after)]
    lost, at = data.draw(st.integers(0, number)), data.draw(st.integers(len(before) - 3, len(before)))
    whole = [*before[lost:at], *new[:1], *before[at:], made, *new[1:]]

    plain, shown = [said for said in whole if said is not made], window.view(whole, agent="ask")
    untold = window.untold(whole, agent="ask")
    if not lost:
        assert [*before[:number], *untold, *shown[1:]] == plain
    assert all(said in (*before[:number], *untold, *shown) for said in plain)
    assert sum(len(said.content) for said in shown) <= window.chars
    assert "What was said before, in short: s" == shown[0].content


@settings(max_examples=150, deadline=None)
@given(tapes(), st.integers(2, 4), st.integers(0, 9))
def test_adversaries(tape: Tape, calls: int, many: int) -> None:
    """Whatever the model does, every theorem holds of an agent that sums up, and it makes no more calls than it may."""
    runner = Runner(machine(calls=calls), model=AdversarialModel(tape), limits=LIMITS)
    with virtual_time() as loop:
        result = loop.run(runner.run(Chat(query="now"), messages=words(*map(str, range(many)))))

    TheoremChecker(runner.compiled).follow_all(result.journal)
