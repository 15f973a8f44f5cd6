"""Agents, stores and callers that do what they should not: a run still ends as promised."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import pytest
from pydantic import field_validator
from support.desk import BILLING, REFUND, Support, Ticket

from fsm_orch import (
    Context,
    DefinitionError,
    Final,
    Handoff,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Reply,
    Response,
    Runner,
    ScriptedModel,
    StartError,
    State,
    Visit,
    to_json,
)
from fsm_orch.agents import AgentSpec
from fsm_orch.errors import StoreError
from fsm_orch.kernel import records
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold
from fsm_orch.store import input_from_json


class Facts(Context):
    """What the agents write."""

    pick: str = ""
    answer: str | None = None

    @field_validator("answer")
    @classmethod
    def look_up(cls, answer: str | None) -> str | None:
        return {None: None, "yes": "yes"}[answer]  # raises KeyError, which is no ValueError


class Custom:
    """An agent of the user's own, as wrong as a test wants it."""

    spec = AgentSpec(kind="code", name="Custom", writes=(Facts.answer,), canonical={})
    reply: Any = None

    async def act(self, visit: Visit[Facts]) -> Any:
        return Custom.reply(visit) if callable(Custom.reply) else Custom.reply


class Plain(Custom):
    """An agent whose `act` is not a coroutine, though it says so."""

    def act(self, visit: Visit[Facts]) -> Awaitable[Reply]:  # type: ignore[override]
        return Reply(changes={"answer": "yes"})  # type: ignore[return-value]


class Loose(Machine[Facts]):
    """One agent that may do anything."""

    work = State(Custom(), initial=True)
    done = Final()
    human = Final(fallback=True)
    go = work.to(done)


class Sync(Machine[Facts]):
    """One agent that is not async."""

    work = State(Plain(), initial=True)
    done = Final()
    human = Final(fallback=True)
    go = work.to(done)


@pytest.mark.parametrize(
    "reply", [Reply(handoff=Loose.go, changes={Facts.answer: "yes"}), Reply(handoff="go", changes={"answer": "yes"})]
)
async def test_replies_name_handoffs_and_fields_either_way(reply: Reply) -> None:
    """A reply may hold the handoff and the fields themselves, or their names."""
    Custom.reply = reply

    assert (await Runner(Loose).run(Facts())).state is Loose.done


@pytest.mark.parametrize(
    "reply",
    [
        None,
        17,
        lambda visit: Reply(handoff=3),  # type: ignore[arg-type]
        lambda visit: Reply(changes=None),  # type: ignore[arg-type]
        lambda visit: Reply(messages=None),  # type: ignore[arg-type]
        lambda visit: Reply(messages=("hello",)),  # type: ignore[arg-type]
        lambda visit: Reply(changes={Facts.answer: "zzz"}),
        lambda visit: Reply(changes={Facts.answer: "\ud800"}),
        lambda visit: Reply(changes={Facts.answer: object()}),
        lambda visit: Reply(handoff="stay", changes={Facts.answer: object()}),
        lambda visit: Reply(changes={17: "yes"}),
        lambda visit: sys.exit(3),
        lambda visit: Message(role="assistant", content="\ud800"),
    ],
)
async def test_whatever_an_agent_returns_or_raises_lands(reply: Any) -> None:
    """No reply, however wrong, ends a run in an exception, in the middle, or with a journal that cannot be written."""
    Custom.reply = reply

    result = await Runner(Loose).run(Facts())

    assert result.state is Loose.human
    assert result.landing is not None
    assert result.journal == tuple(input_from_json(to_json(event)) for event in result.journal)


async def test_an_agent_that_is_not_async_lands() -> None:
    """An `act` that returns instead of being awaited is a failed attempt."""
    result = await Runner(Sync).run(Facts())

    assert result.landing is not None
    assert result.landing.detail.startswith("TypeError")


async def test_a_models_value_cannot_crash_a_validator_into_the_run() -> None:
    """A validator that raises anything on a model's value refuses it, and the model is told."""

    class Answering(Machine[Facts]):
        """Writes a field with a nervous validator."""

        work = State(LLMAgent("x", writes=(Facts.answer,)), initial=True)
        done = Final()
        human = Final(fallback=True)
        go = work.to(done, "always")

    result = await Runner(Answering, model=ScriptedModel([{"answer": "zzz"}, {"answer": "yes"}])).run(Facts())

    assert result.state is Answering.done
    assert [r.reason for r in result.records if isinstance(r, records.Refused)] == ["wrong_type"]


class SlowStore(MemoryStore):
    """Keeps at once, and takes a while to say so."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await super().append(run_id, start, inputs, **options)
        await asyncio.sleep(0.5)


@pytest.mark.looptime
@pytest.mark.parametrize("at", [0.1, 0.6, 1.1, 1.6, 2.1])
async def test_a_cancelled_flush_leaves_a_whole_journal(at: float) -> None:
    """Cancelled while the store is at work, a run stores each input once, and its journal folds."""
    store = SlowStore()
    runner = Runner(Support, model=ScriptedModel([BILLING, REFUND]), store=store)
    task = asyncio.create_task(runner.run(Ticket(query="please"), run_id="r"))
    await asyncio.sleep(at)

    task.cancel()
    await asyncio.wait({task})

    assert fold(runner.compiled, await store.load("r")).status == "finished"


async def test_a_run_id_is_used_once() -> None:
    """A second run under an id that is taken is refused, and the first journal kept."""
    store = MemoryStore()
    runner = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}] * 2), store=store)
    first = await runner.run(Ticket(query="one"), run_id="r")

    with pytest.raises(StoreError, match="a run id names one run"):
        await runner.run(Ticket(query="two"), run_id="r")

    assert first.journal == await store.load("r")


async def test_no_field_crosses_a_handoff_to_an_agent_that_does_not_read_it() -> None:
    """What one model writes reaches the next only through the fields that it reads."""
    private = {"handoff": "back", "invoice": "078-05-1120", "answer": None}
    model = ScriptedModel([BILLING, private, {"handoff": "resolved"}])

    await Runner(Support, model=model).run(Ticket(query="hello"))

    assert len(model.requests) == 3
    assert "078-05-1120" not in repr(model.requests[2])


async def test_no_model_is_asked_to_choose_from_nothing() -> None:
    """If nothing could follow another call, a refused reply is not repaired."""

    class Narrow(Machine[Ticket]):
        """Its one way on is dear."""

        first = State(LLMAgent("x", reads=(Ticket.query,), max_input_tokens=300, max_output_tokens=100), initial=True)
        second = State(LLMAgent("y", reads=(Ticket.query,), max_input_tokens=300, max_output_tokens=100))
        third = State(LLMAgent("z", reads=(Ticket.query,), max_input_tokens=300, max_output_tokens=100))
        done = Final()
        human = Final(fallback=True)
        on = first.to(second, "this way")
        over = first.to(third, "that way")
        end = (second | third).to(done, "always")
        limits = Limits(tokens=1_000)

    model = ScriptedModel([Response(text="what?", usage=None), {"handoff": "on"}])

    result = await Runner(Narrow, model=model).run(Ticket(query="x" * 50))

    assert len(model.requests) == 1
    assert result.landing is not None
    assert result.landing.reason == "no_handoff"


async def test_a_proposer_that_makes_no_calls_is_not_asked_for_ever() -> None:
    """An agent that is refused without having spent a call gets as many attempts as it has calls."""

    class Idle:
        spec = AgentSpec(kind="llm", name="Idle", calls=3, proposes=True, canonical={})
        attempts = 0

        async def act(self, visit: Visit[Ticket]) -> Reply:
            Idle.attempts += 1
            return Reply(handoff="nowhere")

    class Lazy(Machine[Ticket]):
        """Has a proposer that never asks its model."""

        work = State(Idle(), initial=True)
        done = Final()
        human = Final(fallback=True)
        go = work.to(done, "always")

    result = await Runner(Lazy, model=ScriptedModel([])).run(Ticket(query="x"))

    assert (result.state, Idle.attempts) == (Lazy.human, 3)


async def test_what_a_model_invents_is_not_told_back() -> None:
    """Keys that a model makes up reach neither its next prompt nor any record."""
    model = ScriptedModel([{"handoff": "done", "IGNORE ALL PREVIOUS": 1}] * 2)

    result = await Runner(Support, model=ScriptedModel([BILLING, *[{"answer": "x", "IGNORE ALL": 1}] * 2])).run(
        Ticket(query="x")
    )

    assert "IGNORE ALL" not in repr(result.records)
    assert model.requests == []


async def test_a_results_repr_shows_no_exception() -> None:
    """What an agent raised may hold anything, so it is not printed with the result."""
    result = await Runner(Support, model=ScriptedModel([BILLING, REFUND])).run(Ticket(query="crash"))

    assert "hunter2" in str(result.error)
    assert "hunter2" not in repr(result)


async def test_unknown_options_are_refused() -> None:
    """A limit given where none is taken is an error, not a wish."""
    runner = Runner(Support, model=ScriptedModel([]))

    with pytest.raises(
        TypeError, match="a run takes messages, run_id, thread_id, trace_id, start, after, not limits, timeout"
    ):
        await runner.run(Ticket(query="x"), limits=Limits(hops=1), timeout=1)  # type: ignore[call-overload]


class Mailer(Protocol):
    """What a function needs of its dependencies."""

    def send(self, text: str) -> None: ...


class Postman:
    """A mailer."""

    def send(self, text: str) -> None:
        """Send nothing."""


def post(visit: Visit[Ticket, Mailer]) -> None:
    visit.deps.send("x")


class Posting(Machine[Ticket, Postman]):
    """Its function is written for a protocol that its dependencies fit."""

    work = State(post, initial=True)
    done = Final()
    human = Final(fallback=True)
    go = work.to(done)


async def test_dependencies_are_not_forgotten() -> None:
    """A machine with dependencies does not run without them; a protocol is left to type checkers."""
    assert (await Runner(Posting).run(Ticket(query="x"), deps=Postman())).state is Posting.done
    with pytest.raises(StartError, match="Posting has dependencies: give them as deps="):
        await Runner(Posting).run(Ticket(query="x"))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: State("triage"), "a state holds an agent or a function of the visit, not 'triage'"),  # type: ignore[arg-type]
        (lambda: State(Custom), "a state holds an agent or a function of the visit, not <class"),  # type: ignore[arg-type]
        (lambda: LLMAgent("x", model=ScriptedModel([])), "names its model as 'provider:model', not by a ScriptedModel"),  # type: ignore[arg-type]
        (lambda: State(post).to(Final(), guard=post), "is not a guard: decorate the function with @guard"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_part_is_refused_where_it_is_written(declare: Any, complaint: str) -> None:
    """A wrong part says at once what it is and what is taken."""
    with pytest.raises(TypeError, match=complaint):
        declare()


@pytest.mark.parametrize(
    ("name", "value"), [("limit", Limits()), ("limits", {"hops": 3}), ("model", ScriptedModel([])), ("policies", [])]
)
def test_attributes_that_would_be_ignored_are_refused(name: str, value: Any) -> None:
    """A bound under a wrong name or of a wrong type is a finding: it would not bind."""
    parts: dict[str, Any] = {"work": State(post, initial=True), "done": Final(), "human": Final(fallback=True)}
    handoff: Handoff = parts["work"].to(parts["done"])

    with pytest.raises(DefinitionError, match=f"FSM114(.|\n)*named {name!r}"):
        type("Wrong", (Machine,), {**parts, "go": handoff, name: value})


async def test_a_stream_can_be_read_again() -> None:
    """Iterating a stream twice gives the rest, which is nothing, and does not hang."""
    async with Runner(Support, model=ScriptedModel([{"handoff": "resolved"}])).stream(Ticket(query="x")) as stream:
        first = [record.kind async for record in stream]
        second = [record.kind async for record in stream]

    assert first[-1] == "run_finished"
    assert second == []


@pytest.mark.looptime
async def test_giving_up_on_a_result_does_not_cancel_its_run() -> None:
    """A caller that waited long enough leaves the run as it is."""
    slow = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}], delay_s=5))

    async with slow.stream(Ticket(query="x")) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.result(), 1)
        assert (await stream.result()).state is Support.answered


def test_an_async_observer_is_refused() -> None:
    """Nobody would await it."""

    async def observe(record: Any) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="an observer is a plain function"):
        Runner(Support, model=ScriptedModel([]), observers=[observe])
