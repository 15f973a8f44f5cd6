"""A store that fails, is slow or is given up: nothing is folded for it, nothing is lost, and no agent is blamed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from support.desk import BILLING, REFUND, Support, Ticket
from support.raised import FAILURES, INTERRUPTS

from fsm_orch import MemoryStore, Message, Reply, Response, Runner, ScriptedModel, Usage, Visit
from fsm_orch.errors import StoreError, VisitClosed
from fsm_orch.kernel.due import due
from fsm_orch.kernel.inputs import Cancelled, Input
from fsm_orch.kernel.step import fold
from fsm_orch.observe import Record

WRITES = 5
"""How often the path below is stored."""


class Hiccup(MemoryStore):
    """A store that fails at its n-th write, and at no other: before it keeps anything, or after."""

    def __init__(self, at: int, error: BaseException, *, keeps: bool = False) -> None:
        super().__init__()
        self.writes = 0
        self._at = at
        self._error = error
        self._keeps = keeps

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        self.writes += 1
        if self.writes != self._at or self._keeps:
            await super().append(run_id, start, inputs, **options)
        if self.writes == self._at:
            raise self._error


def support(store: MemoryStore, **options: Any) -> Runner[Ticket, None]:
    return Runner(Support, model=ScriptedModel([BILLING, REFUND]), store=store, **options)


async def whole() -> tuple[Input, ...]:
    """Return the journal of the path, with its times left out."""
    return (await support(MemoryStore()).run(Ticket(query="please"), run_id="r")).journal


def kinds(journal: Sequence[Input]) -> list[str]:
    return [event.kind for event in journal]


async def test_the_path_is_stored_so_often() -> None:
    """The tests below fail each write of this path once."""
    store = Hiccup(0, OSError())
    await support(store).run(Ticket(query="please"))

    assert WRITES == store.writes


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("at", range(1, WRITES + 1))
async def test_a_store_that_fails_once_folds_nothing(at: int, keeps: bool) -> None:
    """Whichever write fails, its error is raised, and what is stored is the beginning of the run that goes on."""
    store, told = Hiccup(at, OSError("disk full"), keeps=keeps), list[Record]()
    runner = support(store, observers=[told.append])

    with pytest.raises(OSError, match="disk full"):
        await runner.run(Ticket(query="please"), run_id="r")

    stored = await store.load("r")
    assert kinds(await whole())[: len(stored)] == kinds(stored)
    assert not any(record.kind in ("landed", "attempt_failed", "refused") for record in told)
    if stored and (at, keeps) != (WRITES, True):
        now = fold(runner.compiled, stored)
        assert "running" == now.status
        assert due(now)


@pytest.mark.parametrize("at", range(1, WRITES + 1))
@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_no_failure_of_a_store_ends_a_program(error: BaseException, at: int) -> None:
    """An exit or a cancellation out of a store reaches the caller as a StoreError, and the run can go on."""
    store = Hiccup(at, error)

    with pytest.raises(Exception) as caught:
        await support(store).run(Ticket(query="please"), run_id="r")

    assert error is caught.value if isinstance(error, Exception) else isinstance(caught.value, StoreError)
    assert "cancelled" not in kinds(await store.load("r"))


@pytest.mark.parametrize("at", range(1, WRITES + 1))
@pytest.mark.parametrize("error", INTERRUPTS, ids=repr)
async def test_an_interrupt_in_a_store_lands_the_run(error: BaseException, at: int) -> None:
    """What is meant for the caller reaches it out of a store too, and the end of the run is stored."""
    store = Hiccup(at, error)
    runner = support(store)

    with pytest.raises(BaseException) as caught:
        await runner.run(Ticket(query="please"), run_id="r")

    assert error is caught.value
    assert "finished" == fold(runner.compiled, await store.load("r")).status


def deaf(agent: Any) -> Any:
    """Return an agent that takes whatever its model raises, and goes on."""

    class Deaf:
        spec = agent.spec
        raised: BaseException | None = None

        async def act(self, visit: Visit[Ticket]) -> Reply:
            try:
                await visit.model.ask((Message(role="user", content="x"),))
            except Exception as error:
                Deaf.raised = error
            return Reply(handoff="resolved")

    return Deaf()


async def test_an_agent_cannot_take_the_failure_of_a_store() -> None:
    """An agent that catches everything is told to return, and its run ends with the store's error all the same."""
    agent = deaf(Support.triage.agent)
    store = Hiccup(1, OSError("disk full"))

    with pytest.raises(OSError, match="disk full"):
        await support(store, agents={Support.triage: agent}).run(Ticket(query="x"), run_id="r")

    assert isinstance(agent.raised, VisitClosed)
    assert [] == kinds(await store.load("r"))


async def test_nothing_is_stored_once_a_store_has_failed() -> None:
    """Of two calls at once the first cannot be stored, so the second is not stored either, and neither is sent."""

    class Twice:
        spec = Support.triage.spec
        calls: ClassVar[list[asyncio.Future[Any]]] = []

        async def act(self, visit: Visit[Ticket]) -> Reply:
            asked = (Message(role="user", content="x"),)
            Twice.calls = [asyncio.ensure_future(visit.model.ask(asked)) for _ in range(2)]
            await asyncio.wait(Twice.calls)
            return Reply(handoff="resolved")

    store, model = Hiccup(1, OSError("disk full")), ScriptedModel(["x", "x"])
    runner = Runner(Support, model=model, store=store, agents={Support.triage: Twice()})

    with pytest.raises(OSError, match="disk full"):
        await runner.run(Ticket(query="x"), run_id="r")
    await asyncio.wait(Twice.calls)

    assert all(isinstance(call.exception(), VisitClosed) for call in Twice.calls)
    assert ([], 1, []) == (kinds(await store.load("r")), store.writes, model.requests)


@pytest.mark.looptime
async def test_a_failing_store_stops_an_agent_that_does_not_ask() -> None:
    """The run ends when its store fails, and not when an agent that is busy elsewhere comes back."""

    class Busy:
        spec = Support.triage.spec
        cleaned = False

        async def act(self, visit: Visit[Ticket]) -> Reply:
            call = asyncio.create_task(visit.model.ask((Message(role="user", content="x"),)))
            try:
                await asyncio.sleep(5)
            finally:
                await asyncio.wait({call})
                Busy.cleaned = isinstance(call.exception(), VisitClosed)
            return Reply(handoff="resolved")

    with pytest.raises(OSError, match="disk full"):
        await support(Hiccup(1, OSError("disk full")), agents={Support.triage: Busy()}).run(Ticket(query="x"))

    assert asyncio.get_running_loop().time() < 1
    assert Busy.cleaned


class Slow(MemoryStore):
    """A store that takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(self._seconds)
        await super().append(run_id, start, inputs, **options)


@pytest.mark.looptime
@pytest.mark.parametrize("clock", [None, lambda: 7.0])
async def test_waiting_for_a_store_costs_a_visit_no_time(clock: Any) -> None:
    """Visits of 10 s and a deadline of 60 s are not over, however long a store takes; only the model's time counts."""
    model = ScriptedModel([BILLING, REFUND], delay_s=2)
    runner = Runner(Support, model=model, store=Slow(100), clock=clock)

    result = await runner.run(Ticket(query="please"))

    assert result.landing is None
    assert (4.0 if clock is None else 0.0) == result.seconds


@pytest.mark.looptime
async def test_a_visit_still_ends_with_its_time_beside_a_slow_store() -> None:
    """What the store takes is added to the time of a visit, and no second more."""

    class Hanging:
        spec = Support.triage.spec

        async def act(self, visit: Visit[Ticket]) -> Reply:
            await asyncio.sleep(3)
            await visit.model.ask((Message(role="user", content="x"),))
            assert 7 == visit.seconds_left()
            await asyncio.sleep(1e6)
            raise AssertionError("it has time")

    runner = Runner(Support, model=ScriptedModel(["x"]), agents={Support.triage: Hanging()}, store=Slow(100))
    result = await runner.run(Ticket(query="please"))

    assert result.landing is not None
    assert ("timeout", 10.0) == (result.landing.reason, result.seconds)
    assert 100 + 10 + 100 == asyncio.get_running_loop().time()


@pytest.mark.looptime
async def test_a_store_that_fails_does_not_hide_a_cancellation() -> None:
    """A caller that cancels gets its cancellation, with a note of what else went wrong."""

    class Broken(MemoryStore):
        async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
            if any(isinstance(event, Cancelled) for event in inputs):
                raise OSError("disk full")

    runner = Runner(Support, model=ScriptedModel([BILLING], delay_s=5), store=Broken())
    task = asyncio.create_task(runner.run(Ticket(query="x")))
    await asyncio.sleep(1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert "could not be stored: OSError" in str(getattr(caught.value, "__notes__", []))


@pytest.mark.parametrize("error", INTERRUPTS, ids=repr)
async def test_an_interrupt_in_a_store_does_not_end_the_loop(error: BaseException) -> None:
    """A call that an agent makes in a task of its own is told to return, and the interrupt is the run's to raise."""

    class Aside:
        spec = Support.triage.spec
        call: asyncio.Task[Any]

        async def act(self, visit: Visit[Ticket]) -> Reply:
            Aside.call = asyncio.create_task(visit.model.ask((Message(role="user", content="x"),)))
            await asyncio.wait({Aside.call})
            return Reply(handoff="resolved")

    store = Hiccup(1, error)
    runner = support(store, agents={Support.triage: Aside()})

    with pytest.raises(BaseException) as caught:
        await runner.run(Ticket(query="please"), run_id="r")
    await asyncio.wait({Aside.call})

    assert error is caught.value
    assert isinstance(Aside.call.exception(), VisitClosed)
    assert "finished" == fold(runner.compiled, await store.load("r")).status


async def test_a_store_may_use_up_what_it_is_given() -> None:
    """A store that takes inputs out of what it is given is given each of them once, all the same."""

    class Takes(MemoryStore):
        given = 0

        async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
            Takes.given += len(inputs)
            await super().append(run_id, start, list(inputs), **options)
            if isinstance(inputs, list):
                inputs.clear()

    store = Takes()
    result = await support(store).run(Ticket(query="please"), run_id="r")

    assert result.journal == await store.load("r")
    assert len(result.journal) == Takes.given


@pytest.mark.looptime
async def test_a_bill_that_comes_after_a_lost_store_is_told_and_folds_nothing() -> None:
    """What a call used beyond its reservation ends no run that can be resumed; the observers are told."""

    class Bills(ScriptedModel):
        async def complete(self, request: Any) -> Response:
            await asyncio.sleep(1)
            return Response(text="x", usage=Usage(requests=1, input_tokens=9_000))

    class Twice:
        spec = Support.triage.spec

        async def act(self, visit: Visit[Ticket]) -> Reply:
            asked = (Message(role="user", content="x"),)
            first = asyncio.create_task(visit.model.ask(asked))
            try:
                await asyncio.sleep(0.5)
                await visit.model.ask(asked)
            finally:
                await asyncio.wait({first})
            return Reply(handoff="resolved")

    store, told = Hiccup(2, OSError("disk full")), list[Record]()
    runner = Runner(Support, model=Bills([]), store=store, agents={Support.triage: Twice()}, observers=[told.append])

    with pytest.raises(OSError, match="disk full"):
        await runner.run(Ticket(query="x"), run_id="r")
    await asyncio.sleep(1)  # the call is still under way
    now = fold(runner.compiled, await store.load("r"))

    assert ["overspent"] == [record.kind for record in told if record.kind in ("overspent", "landed", "run_finished")]
    assert ("running", {1}) == (now.status, now.visit and set(now.visit.open))
