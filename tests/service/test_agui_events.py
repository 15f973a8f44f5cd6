"""Runs as the events of AG-UI: each parses by the protocol's own types, in a legal order, and what is seen is true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ag_ui.core import ActivityMessage, RunErrorEvent, UserMessage
from hypothesis import given, settings
from support.agui_client import Client
from support.asking import Both, Claim, Pair, Refunds
from support.chatting import ROUTED, Talk, Telling, followed, numbered, said
from support.speaking import Speaking

from fsm_orch import CallFailed, MemoryStore, Runner, RunResult, Usage
from fsm_orch.define.changes import shown
from fsm_orch.kernel.records import CallSettled
from fsm_orch.run.following import Followed
from fsm_orch.service.agui_events import AguiEvents
from fsm_orch.service.chat import answer_of
from fsm_orch.service.problems import Problem
from fsm_orch.testing import Tape, runs, tapes, virtual_time
from machines.shop import ShopFloor

ASKED = [UserMessage(id="u1", content="hi"), ActivityMessage(id="a1", activity_type="x", content={})]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """An event loop on virtual time, shared by all examples."""
    with virtual_time() as runner:
        yield runner


def translation(result: RunResult[Any], *, field: str = "answer", **options: Any) -> AguiEvents:
    options = {"messages": ASKED, "shown": lambda context: {field: shown(context)[field]}, **options}
    return AguiEvents("t", "r", result.run_id, field=field, **options)


def seen(events: Sequence[Followed], result: RunResult[Any], **options: Any) -> Client:
    """Give what a user sees of a run."""
    telling = translation(result, **options)
    told = [*telling.begun(), *(each for event in events for each in telling.heard(event)), *telling.ended(result)]
    return Client().read(told)


def check(client: Client, result: RunResult[Any]) -> None:
    """Check what a user sees against the run that it is of."""
    assert (answer_of(result, "answer") or "") == client.text
    assert len(client.texts) == bool(client.text)
    assert [hop._asdict() for hop in result.path] == [
        {name: activity[name] for name in ("source", "handoff", "target")} for activity in client.activities.values()
    ]
    assert [hop.source for hop in result.path] == client.steps
    assert {"answer": answer_of(result, "answer")} == client.state
    assert client.end is not None
    assert ("t", "r", result.run_id) == (client.end.thread_id, client.end.run_id, client.end.result["run_id"])
    is_cancelled = result.landing is not None and result.landing.reason == "cancelled"
    assert ("cancelled" if is_cancelled else "success") == client.end.outcome.type
    settled = [each.usage for each in result.records if isinstance(each, CallSettled) and each.usage is not None]
    used = sum(settled, Usage())
    assert [used.total_tokens] * bool(settled) == [each.total_tokens for each in client.end.usage or ()]


@settings(max_examples=200)
@given(tapes())
def test_what_is_seen_is_what_happened(loop: asyncio.Runner, tape: Tape) -> None:
    """Whatever a model does, the text that stands is the answer, steps are states, and activities handoffs."""
    events, result = loop.run(followed(Telling(tape)))

    check(seen(events, result), result)


def test_text_is_taken_back_now_and_then(loop: asyncio.Runner) -> None:
    """Among some runs are such as take text back and tell it anew, and such as land after it."""
    ends = set()
    for seed in range(150):
        events, result = loop.run(followed(Telling(Tape(bytes((seed * n * n + n) % 251 for n in range(1, 120))))))
        client = seen(events, result)
        check(client, result)
        ends.add((client.taken_back > 0, result.landing is not None))

    assert {(False, False), (False, True), (True, False), (True, True)} == ends


@settings(max_examples=50)
@given(runs(ShopFloor))
def test_runs_without_pieces(result: RunResult[Any]) -> None:
    """A run that is followed by its records alone is told at its end, whole."""

    check(seen(numbered(result.records), result), result)


@settings(max_examples=50)
@given(runs(Both))
def test_machines_inside(result: RunResult[Any]) -> None:
    """What happens in the machines inside a run is no step of it."""
    client = seen(numbered(result.records), result, field="one")

    assert [hop.source for hop in result.path] == client.steps


async def test_text_is_taken_back() -> None:
    """By a snapshot of the messages as the client has them, without it; the better text is another message."""
    disconnected = CallFailed("disconnected", unsent=False, transient=True)
    events, result = await followed(Speaking([ROUTED, said("We open"), said("It is open")], fails={2: disconnected}))
    client = seen(events, result)

    assert 1 == client.taken_back
    assert [f"{result.run_id}:answer:2"] == list(client.texts)
    assert "It is open" == client.text
    start = client.kinds.index("TEXT_MESSAGE_START")
    assert client.kinds[start:].index("TEXT_MESSAGE_END") < client.kinds[start:].index("MESSAGES_SNAPSHOT")


async def test_text_that_went_on_elsewhere() -> None:
    """If the answer is not what was told here, which another process may have written, that is taken back too."""
    events, _ = await followed(Speaking([ROUTED, said("We open")]))
    _, other = await followed(Speaking([ROUTED, said("It is open")]))
    _, longer = await followed(Speaking([ROUTED, said("We open at nine")]))

    assert ("It is open", 1) == (seen(events, other).text, seen(events, other).taken_back)
    assert ("We open at nine", 0, 1) == (
        seen(events, longer).text, seen(events, longer).taken_back, len(seen(events, longer).texts)
    )  # fmt: skip


async def test_nothing_of_the_context_is_seen() -> None:
    """But for the answer, unless the application shows more."""
    events, result = await followed(Speaking([ROUTED, said("yes")]), "my number is 4711")
    telling = translation(result)
    told = [*telling.begun(), *(each for event in events for each in telling.heard(event)), *telling.ended(result)]
    wire = b"".join(told).decode()

    assert "4711" not in wire
    assert Talk(text="").secret not in wire
    assert "yes" in wire


async def test_a_run_that_waits_is_interrupted() -> None:
    """By each question, with the form of its answer, and when it expires; not with what it is about."""
    result = await Runner(Refunds, wall_clock=lambda: 0.0).run(Claim(query="for a broken cup"))
    client = seen(numbered(result.records), result, field="receipt")
    (question,) = result.waiting

    assert client.end is not None
    (interrupt,) = client.end.outcome.interrupts
    assert (question.key, "question", "Pay this back?") == (interrupt.id, interrupt.reason, interrupt.message)
    assert dict(question.form) == interrupt.response_schema
    assert "1970-01-01T01:00:00+00:00" == interrupt.expires_at
    assert {"state": "approve"} == interrupt.metadata
    assert "cup" not in interrupt.model_dump_json()
    assert (["approve"], "", "approve") == (client.steps, client.text, client.end.result["state"])


async def test_a_run_that_waits_for_two() -> None:
    """Both are told at once."""
    result = await Runner(Both).run(Pair(query="q"))
    client = seen(numbered(result.records), result, field="one")

    assert [question.key for question in result.waiting] == [each.id for each in client.end.outcome.interrupts]
    assert 2 == len(result.waiting)


async def test_a_run_that_goes_on() -> None:
    """It begins in the state in which it stood, tells what is new, and counts its own tokens alone."""
    runner = Runner(Refunds, store=MemoryStore())
    before = await runner.run(Claim(query="q"))
    after = await runner.resume(before.run_id, {"handoff": "yes", "note": "fine"})
    events = numbered(after.records)[len(before.records) :]
    client = seen(events, after, field="receipt", state="approve")

    assert ["approve", "refund"] == client.steps
    assert ["yes", "done"] == [activity["handoff"] for activity in client.activities.values()]
    assert "success" == client.end.outcome.type


async def test_an_error_ends_the_stream() -> None:
    """At any time, with its code, and what was used by then."""
    events, result = await followed(Speaking([ROUTED, said("yes")]))
    for n in range(len(events)):
        telling = translation(result)
        told = [*telling.begun(), *(each for event in events[:n] for each in telling.heard(event))]
        client = Client().read([*told, *telling.failed(Problem("store_away"))])

        assert isinstance(client.end, RunErrorEvent)
        assert ("store_away", False) == (client.end.code, "password" in client.end.message)
