"""A process that is to end: nothing begins or is sent any more, nothing is lost, and every run goes on elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asking import Claim, OneOfEach, Pair, Refunds
from support.branches import STOPPED, All, Trip
from support.desk import BILLING, REFUND, Support, Ticket

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Reply,
    Runner,
    ScriptedModel,
    State,
    Usage,
    Visit,
)
from fsm_orch.errors import Drained, StartError, VisitClosed
from fsm_orch.kernel.inputs import CallReserved, CallSettled, Cancelled, Input
from fsm_orch.models.base import Request, Response
from fsm_orch.store import Listed
from fsm_orch.store.sql import SqlStore
from fsm_orch.testing import virtual_time

HELLO = (Message(role="user", content="x"),)
SCRIPT = [BILLING, REFUND]


def support(store: Any, model: ScriptedModel, **options: Any) -> Runner[Ticket, None]:
    return Runner(Support, model=model, store=store, **options)


async def drained_at(
    runner: Runner[Ticket, None], seconds: float, *, grace_s: float = 10.0
) -> tuple[asyncio.Task[Any], float]:
    """Run, and drain after some seconds. Return the run as a task, which has ended, and how long draining took."""
    task = asyncio.ensure_future(runner.run(Ticket(query="please"), run_id="r"))
    await asyncio.sleep(seconds)
    began = asyncio.get_running_loop().time()
    await runner.drain(grace_s=grace_s)
    assert task.done()
    return task, asyncio.get_running_loop().time() - began


async def row_of(store: MemoryStore) -> Listed:
    (row,) = await store.list()
    return row


@pytest.mark.looptime
async def test_a_call_in_flight_may_end_and_nothing_begins_after_it() -> None:
    """Its answer counts and is stored; the next agent does not act here, and no call of the run is paid twice."""
    store = MemoryStore()
    here, there = ScriptedModel(SCRIPT, delay_s=6), ScriptedModel([REFUND])
    task, took = await drained_at(support(store.beside(lease_s=60), here), 4.0)
    row, stored = await row_of(store), await store.load("r")

    with pytest.raises(Drained, match=r"run 'r' stopped here.* await runner\.resume\('r'\)"):
        task.result()
    assert (2.0, 1) == (took, len(here.requests))
    assert (None, "running", "billing", 1) == (row.owner, row.head.status, row.head.state, row.head.hops)
    result = await support(store.beside(lease_s=60), there).resume("r")
    assert (Support.answered, 1) == (result.state, len(there.requests))
    assert stored == result.journal[: len(stored)]
    assert 2 == result.usage.requests


@pytest.mark.looptime
async def test_a_call_that_does_not_end_in_time_is_left_open() -> None:
    """Once the grace is over it is stopped; nothing has ended for it, and it is charged in full."""
    store = MemoryStore()
    here = ScriptedModel(SCRIPT, delay_s=6)
    task, took = await drained_at(support(store.beside(lease_s=60), here), 3.0, grace_s=2.0)
    row = await row_of(store)
    result = await support(store.beside(lease_s=60), ScriptedModel(SCRIPT)).resume("r")

    assert isinstance(task.exception(), Drained)
    assert (2.0, 1) == (took, len(here.requests))
    assert (None, "running", "triage") == (row.owner, row.head.status, row.head.state)
    assert Support.answered is result.state
    assert [None] == [event.usage for event in result.journal if isinstance(event, CallSettled) and not event.usage]
    assert 3 == sum(isinstance(event, CallReserved) for event in result.journal)


@pytest.mark.looptime
async def test_draining_again_ends_the_grace() -> None:
    """Who is in a hurry says so, and both return."""
    store = MemoryStore()
    runner = support(store.beside(lease_s=60), ScriptedModel(SCRIPT, delay_s=6))
    task = asyncio.ensure_future(runner.run(Ticket(query="please"), run_id="r"))
    await asyncio.sleep(1)
    first = asyncio.ensure_future(runner.drain(grace_s=30))
    await asyncio.sleep(1)
    await runner.drain(grace_s=0)
    await first

    assert 2.0 == asyncio.get_running_loop().time()
    assert isinstance(task.exception(), Drained)


async def test_nothing_begins_any_more() -> None:
    """To run and to resume are refused, and nothing is stored or claimed."""
    store = MemoryStore()
    await Runner(Refunds, store=store.beside(lease_s=60)).run(Claim(query="x"), run_id="r")
    runner = Runner(Refunds, store=store.beside(lease_s=60))
    await runner.drain()
    before = await store.list()

    for beginning in (
        runner.run(Claim(query="x"), run_id="s"),
        runner.resume("r"),
        runner.resume("r", {"handoff": "yes", "note": "ok"}),
        runner.expire("r"),
    ):
        with pytest.raises(StartError, match="does not go on here: this runner was drained"):
            await beginning
    assert before == await store.list()


class AsksTwice:
    """An agent that asks its model twice, and takes no notice of what that says."""

    spec = Support.billing.spec

    def __init__(self, *, is_deaf: bool) -> None:
        self._is_deaf = is_deaf
        self.raised: BaseException | None = None

    async def act(self, visit: Visit[Ticket]) -> Reply:
        await visit.model.ask(HELLO)
        try:
            await visit.model.ask(HELLO)
        except VisitClosed as error:
            self.raised = error
            if not self._is_deaf:
                raise
        return Reply(handoff="done", changes={Ticket.answer: "made up"})


@pytest.mark.looptime
@pytest.mark.parametrize("is_deaf", [False, True])
async def test_an_attempt_sends_nothing_more(is_deaf: bool) -> None:
    """A second request of it is refused, whatever it makes of that: it is made anew elsewhere."""
    store, agent = MemoryStore(), AsksTwice(is_deaf=is_deaf)
    model = ScriptedModel([BILLING, "a", "b"], delay_s=6)
    runner = support(store.beside(lease_s=60), model, agents={Support.billing: agent})
    task, took = await drained_at(runner, 8.0, grace_s=60)
    row = await row_of(store)

    assert isinstance(task.exception(), Drained)
    assert isinstance(agent.raised, VisitClosed)
    assert (4.0, 2) == (took, len(model.requests))
    assert ("billing", "running") == (row.head.state, row.head.status)
    assert "replied" == (await store.load("r"))[3].kind
    assert "call_settled" == (await store.load("r"))[-1].kind


@pytest.mark.looptime
@pytest.mark.parametrize("store", [None, MemoryStore()])
async def test_a_run_that_nobody_else_can_go_on_with_ends_here(store: Any) -> None:
    """It has the grace to end in, and is landed when that is over; its caller gets a result."""
    ended, _ = await drained_at(support(store, ScriptedModel(SCRIPT, delay_s=2)), 1.0, grace_s=60)
    runner = support(None, ScriptedModel(SCRIPT, delay_s=6))
    landed, took = await drained_at(runner, 4.0, grace_s=1)

    assert Support.answered is ended.result().state
    assert (Support.human, 1.0) == (landed.result().state, took)
    assert "cancelled" == landed.result().landing.reason
    assert "its process is to end, and no other can go on with it" in landed.result().landing.detail


@pytest.mark.looptime
async def test_a_cancellation_leaves_a_run_that_is_drained() -> None:
    """A process that ends cancels what it finds: that is nobody's wish to end the run."""
    store = MemoryStore()
    runner = support(store.beside(lease_s=60), ScriptedModel(SCRIPT, delay_s=6))
    task = asyncio.ensure_future(runner.run(Ticket(query="please"), run_id="r"))
    await asyncio.sleep(4)
    draining = asyncio.ensure_future(runner.drain(grace_s=60))
    await asyncio.sleep(1)
    task.cancel()
    await draining
    row = await row_of(store)

    with pytest.raises(asyncio.CancelledError):
        await task
    assert 5.0 == asyncio.get_running_loop().time()
    assert (None, "running") == (row.owner, row.head.status)
    assert not any(isinstance(event, Cancelled) for event in await store.load("r"))
    assert Support.answered is (await support(store.beside(lease_s=60), ScriptedModel(SCRIPT)).resume("r")).state


@pytest.mark.looptime
async def test_branches_that_end_in_time_count() -> None:
    """The others are stopped, and alone are done again."""
    store, plan = MemoryStore(), {"a": [2, True], "b": [50, True], "c": [3, True]}
    STOPPED.clear()
    runner = Runner(All, store=store.beside(lease_s=60))
    task = asyncio.ensure_future(runner.run(Trip(plan=json.dumps(plan)), run_id="r"))
    await asyncio.sleep(1)
    await runner.drain(grace_s=4)
    result = await Runner(All, store=store.beside(lease_s=60)).resume("r")

    assert isinstance(task.exception(), Drained)
    assert (All.late, 10.0) == (result.state, result.seconds)
    assert 2 == sum(event.kind == "replied" for event in result.journal)
    assert ["b", "b"] == STOPPED


@pytest.mark.looptime
async def test_a_run_that_comes_to_wait_is_given_out() -> None:
    """Nothing is left to be done by another worker before a human answers."""
    store = MemoryStore()
    runner = Runner(OneOfEach, store=store.beside(lease_s=60))
    task = asyncio.ensure_future(runner.run(Pair(query="x"), run_id="r"))
    await asyncio.sleep(1)
    await runner.drain()

    assert ("waiting", ["one"]) == (task.result().status, [question.state for question in task.result().waiting])


@pytest.mark.looptime
async def test_a_reader_is_told_too() -> None:
    """Where the records of a run are read, the end of reading says what became of it."""
    store = MemoryStore()
    runner = support(store.beside(lease_s=60), ScriptedModel(SCRIPT, delay_s=6))

    async def read() -> None:
        async with runner.stream(Ticket(query="please"), run_id="r") as events:
            async for _ in events:
                pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(4)
    await runner.drain()
    with pytest.raises(Drained):
        await reading


class Slow(MemoryStore):
    """A store that takes two seconds."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(2)
        await super().append(run_id, start, inputs, **options)


@pytest.mark.looptime
async def test_a_call_whose_reservation_is_being_stored_is_not_sent() -> None:
    """It waits for its store when the runner is drained: it costs nothing."""
    store = Slow()
    model = ScriptedModel(SCRIPT)
    task, _ = await drained_at(support(store.beside(lease_s=60), model), 3.0)
    stored = await store.load("r")

    assert isinstance(task.exception(), Drained)
    assert [] == model.requests
    assert ["started", "call_reserved", "call_released"] == [event.kind for event in stored]


async def test_runs_on_other_loops_are_drained_too() -> None:
    """A runner may be used in several threads; all of them are told, and waited for."""
    store, begun = MemoryStore(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Begins(ScriptedModel):
        async def complete(self, request: Request) -> Response:
            loop.call_soon_threadsafe(begun.set)
            return await super().complete(request)

    runner = support(store.beside(lease_s=60), Begins(SCRIPT, delay_s=60))
    running = asyncio.ensure_future(asyncio.to_thread(runner.run_sync, Ticket(query="please"), run_id="r"))
    await begun.wait()
    await runner.drain(grace_s=0)

    with pytest.raises(Drained):
        await running
    assert None is (await row_of(store)).owner


async def test_a_run_goes_on_from_a_database(tmp_path: Path) -> None:
    """What was drained in one process is taken up at once in another, without waiting for a lease to be over."""
    begun = asyncio.Event()

    class Begins(ScriptedModel):
        async def complete(self, request: Request) -> Response:
            begun.set()
            return await super().complete(request)

    one, two = (SqlStore(f"sqlite:///{tmp_path}/runs.db?sync=normal", lease_s=600) for _ in range(2))
    try:
        runner = support(one, Begins(SCRIPT, delay_s=60))
        running = asyncio.ensure_future(runner.run(Ticket(query="please"), run_id="r"))
        await begun.wait()
        await runner.drain(grace_s=0)
        with pytest.raises(Drained):
            await running
        result = await support(two, ScriptedModel(SCRIPT)).resume("r")
    finally:
        one.close()
        two.close()

    assert Support.answered is result.state
    assert 3 == sum(isinstance(event, CallReserved) for event in result.journal)


class Query(Context):
    """What is asked."""

    text: str


class Chain(Machine[Query]):
    """Two models, one after the other."""

    first = State(LLMAgent("Route.", reads=(Query.text,), calls=4), initial=True, timeout_s=60)
    second = State(LLMAgent("Route.", reads=(Query.text,), calls=4), timeout_s=60)
    done, human = Final(), Final(fallback=True)
    on, off = first.to(second, "yes"), first.to(human, "no")
    end, other = second.to(done, "yes"), second.to(human, "no")
    limits = Limits(deadline_s=600)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from([0.0, 3.0, 20.0]), st.sampled_from([None, 1.0])), max_size=2),
    st.sampled_from([0.0, 1.0]),
)
def test_whenever_a_runner_is_drained_the_run_ends_as_it_would_have(
    drains: list[tuple[float, float, float | None]], store_s: float
) -> None:
    """Nothing is sent once it drains, what was paid is charged, and the path is the same in the end."""

    class Stores(MemoryStore):
        async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
            await asyncio.sleep(store_s)
            await super().append(run_id, start, inputs, **options)

    store, sent = Stores(), list[float]()

    class Model(ScriptedModel):
        """Answers by what it is offered, and notes when it was asked."""

        async def complete(self, request: Request) -> Response:
            sent.append(asyncio.get_running_loop().time())
            await asyncio.sleep(6)
            text = '{"handoff": "%s"}' % ("on" if "'on'" in str(request.schema) else "end")
            return Response(text=text, usage=Usage(requests=1, input_tokens=10, output_tokens=10))

    async def story() -> Any:
        began = True
        for at, grace_s, cancel_s in drains:
            runner = Runner(Chain, model=Model([]), store=store.beside(lease_s=10_000))
            going = runner.run(Query(text="x"), run_id="r") if began else runner.resume("r")
            began = False
            task = asyncio.ensure_future(going)
            await asyncio.sleep(at)
            drained_s = asyncio.get_running_loop().time()
            draining = asyncio.ensure_future(runner.drain(grace_s=grace_s))
            if cancel_s is not None:
                await asyncio.sleep(cancel_s)
                task.cancel()
            await draining
            assert task.done()
            assert all(when <= drained_s for when in sent)
            assert {asyncio.current_task()} == asyncio.all_tasks()
            if not task.cancelled() and task.exception() is None:
                return task.result()
        last = Runner(Chain, model=Model([]), store=store.beside(lease_s=10_000))
        return await (last.run(Query(text="x"), run_id="r") if began else last.resume("r"))

    with virtual_time() as loop:
        result = loop.run(story())
    reserved = sum(isinstance(event, CallReserved) for event in result.journal)
    released = sum(event.kind == "call_released" for event in result.journal)
    assert ["first -on-> second", "second -end-> done"] == [str(hop) for hop in result.path]
    assert len(sent) == reserved - released <= 2 + len(drains)
