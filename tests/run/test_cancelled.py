"""However a run is cancelled, nothing is sent from then on, its agent may clean up, and its end is stored."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import pytest
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
    Visit,
)
from fsm_orch.errors import VisitClosed
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold

HELLO = (Message(role="user", content="x"),)
Job = Callable[[], Awaitable[object]]


class Query(Context):
    text: str


class Slow(MemoryStore):
    """A store that takes its time."""

    def __init__(self, seconds: Callable[[], float] = lambda: 0.05) -> None:
        super().__init__()
        self._seconds = seconds

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(self._seconds())
        await super().append(run_id, start, inputs, **options)
        await asyncio.sleep(self._seconds())


class Desk(Machine[Query]):
    a = State(LLMAgent("Route.", reads=(Query.text,), calls=3), initial=True)
    done, human = Final(), Final(fallback=True)
    ok, no = a.to(done, "yes"), a.to(human, "no")


class CleansUp:
    """An agent that cleans up when it is stopped, and asks its model then."""

    spec = Desk.a.spec

    def __init__(self, needs_s: float) -> None:
        self._needs_s = needs_s
        self.when_at_work: Callable[[], object] = lambda: None
        self.cleaned = False
        self.refused: BaseException | None = None

    async def act(self, visit: Visit[Query]) -> Reply:
        asyncio.get_running_loop().call_soon(self.when_at_work)
        try:
            await asyncio.sleep(5)
        finally:
            try:
                await visit.model.ask(HELLO)
            except VisitClosed as error:
                self.refused = error
            await asyncio.sleep(self._needs_s)
            self.cleaned = True
        return Reply(handoff="ok")


async def by_timeout(job: Job) -> None:
    async with asyncio.timeout(1):
        await job()


async def by_wait_for(job: Job) -> None:
    await asyncio.wait_for(asyncio.ensure_future(job()), 1)


async def by_a_sibling(job: Job) -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise LookupError

    async with asyncio.TaskGroup() as group:
        group.create_task(job())  # type: ignore[arg-type]
        group.create_task(fails())


def times(count: int, every: float) -> Callable[[Job], Awaitable[None]]:
    async def cancelled(job: Job) -> None:
        task = asyncio.ensure_future(job())
        await asyncio.sleep(1)
        for _ in range(count):
            task.cancel()
            await asyncio.sleep(every)
        await task

    return cancelled


WAYS = {
    "timeout": by_timeout,
    "wait_for": by_wait_for,
    "sibling": by_a_sibling,
    "once": times(1, 0),
    "at_once_again": times(3, 0),
    "in_the_grace": times(5, 0.1),
    "in_the_flush": times(30, 0.02),
}


async def run(runner: Runner[Query, None]) -> None:
    await runner.run(Query(text="x"), run_id="r")


async def read(runner: Runner[Query, None]) -> None:
    async with runner.stream(Query(text="x"), run_id="r") as events:
        async for _ in events:
            pass


async def end_of(
    way: Callable[[Job], Awaitable[None]], start: Callable[[Any], Awaitable[None]], agent: CleansUp, store: Slow
) -> BaseException | None:
    """Cancel a run in some way, check what it left, and return what came out."""
    model = ScriptedModel(["x"] * 9)
    runner = Runner(Desk, model=model, agents={Desk.a: agent}, store=store)
    try:
        await way(lambda: start(runner))
    except BaseException as error:
        return error
    finally:
        assert ["started", "cancelled"] == [event.kind for event in await store.load("r")]
        assert agent.cleaned
        assert isinstance(agent.refused, VisitClosed)
        assert [] == model.requests
    return None


@pytest.mark.looptime
@pytest.mark.parametrize("start", [run, read])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_the_end_is_stored_and_the_agent_cleans_up(
    way: Callable[[Job], Awaitable[None]], start: Callable[[Any], Awaitable[None]]
) -> None:
    """Whatever cancels, how often, and whether a run is awaited or read: its end is stored when it is left."""
    came = await end_of(way, start, CleansUp(0.3), Slow())

    assert isinstance(came, TimeoutError | ExceptionGroup | asyncio.CancelledError)


def expire(scope: anyio.CancelScope) -> None:
    scope.deadline = 0


async def by_fail_after(job: Job, agent: CleansUp) -> None:
    with anyio.fail_after(60) as scope:
        agent.when_at_work = lambda: expire(scope)
        await job()


async def by_move_on_after(job: Job, agent: CleansUp) -> None:
    with anyio.move_on_after(60) as scope:
        agent.when_at_work = lambda: expire(scope)
        await job()
    raise TimeoutError if scope.cancelled_caught else LookupError


async def by_an_outer_scope(job: Job, agent: CleansUp) -> None:
    with anyio.fail_after(60) as scope, anyio.CancelScope():
        agent.when_at_work = lambda: expire(scope)
        await job()


async def by_two_scopes(job: Job, agent: CleansUp) -> None:
    with anyio.fail_after(60) as outer, anyio.CancelScope() as inner:
        agent.when_at_work = lambda: (inner.cancel(), expire(outer))
        await job()


async def by_a_scope_and_a_timeout(job: Job, agent: CleansUp) -> None:
    with anyio.fail_after(60) as scope:
        async with asyncio.timeout(60) as timeout:
            agent.when_at_work = lambda: (expire(scope), timeout.reschedule(0))
            await job()


async def by_a_group_of_anyio(job: Job, agent: CleansUp) -> None:
    async with anyio.create_task_group() as group:
        agent.when_at_work = group.cancel_scope.cancel
        group.start_soon(job)
    raise TimeoutError


@pytest.mark.parametrize("start", [run, read])
@pytest.mark.parametrize(
    "way",
    [
        by_fail_after,
        by_move_on_after,
        by_an_outer_scope,
        by_two_scopes,
        by_a_scope_and_a_timeout,
        by_a_group_of_anyio,
    ],
)
async def test_scopes_of_anyio_cut_off_nothing(
    way: Callable[[Job, CleansUp], Awaitable[None]], start: Callable[[Any], Awaitable[None]]
) -> None:
    """A scope that cancels again at each `await` leaves the same, and takes its own cancellation afterwards."""
    # on a real loop, for a few hundredths of a second: anyio keeps a cancelled loop busy, and virtual time stands still
    agent = CleansUp(0.02)
    came = await end_of(lambda job: way(job, agent), start, agent, Slow(lambda: 0.005))

    assert TimeoutError is type(came)


def test_a_loop_that_ends_lands_its_runs() -> None:
    """When `asyncio.run` ends, a run in the background is cancelled once: its agent cleans up, its end is stored."""
    store, agent = Slow(lambda: 0.005), CleansUp(0.02)
    runner = Runner(Desk, model=ScriptedModel([]), agents={Desk.a: agent}, store=store)

    async def main() -> None:
        at_work = asyncio.Event()
        agent.when_at_work = at_work.set
        main.task = asyncio.create_task(run(runner))  # type: ignore[attr-defined]
        await at_work.wait()

    asyncio.run(main())

    assert agent.cleaned
    assert "finished" == fold(runner.compiled, asyncio.run(store.load("r"))).status


def test_a_loop_that_ends_while_the_end_is_stored_waits_for_it() -> None:
    """When `asyncio.run` ends in the middle of the last write, and cancels that too, the end is stored all the same."""
    store, agent, at_work, ending = Slow(lambda: 0.005), CleansUp(0.0), asyncio.Event(), asyncio.Event()
    agent.when_at_work = at_work.set
    observers = [lambda record: record.kind == "run_finished" and ending.set()]
    runner = Runner(Desk, model=ScriptedModel([]), agents={Desk.a: agent}, store=store, observers=observers)

    async def main() -> None:
        main.task = asyncio.create_task(run(runner))  # type: ignore[attr-defined]
        await at_work.wait()
        main.task.cancel()  # type: ignore[attr-defined]
        await ending.wait()
        await asyncio.sleep(0)

    asyncio.run(main())

    assert "finished" == fold(runner.compiled, asyncio.run(store.load("r"))).status


class Watched(ScriptedModel):
    """A model that writes down what it is sent."""

    def __init__(self, order: list[str]) -> None:
        super().__init__([BILLING, REFUND], delay_s=0.3)
        self._order = order

    async def complete(self, request: Any) -> Any:
        self._order.append("sent")
        return await super().complete(request)


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(100))
async def test_nothing_is_sent_after_a_cancellation(seed: int) -> None:
    """At whatever moment a run over a slow store is cancelled, it sends nothing after that, and is stored whole."""
    chance = random.Random(seed)
    order: list[str] = []
    store = Slow(lambda: chance.choice([0, 0, 0.1, 0.25]))
    runner = Runner(Support, model=Watched(order), store=store)
    task = asyncio.create_task(runner.run(Ticket(query="please"), run_id="r"))

    await asyncio.sleep(chance.uniform(0, 2))
    task.cancel()
    order.append("cancelled")
    await asyncio.wait({task})

    stored = await store.load("r")
    assert "cancelled" == order[-1]
    assert not stored or "finished" == fold(runner.compiled, stored).status


class Leaves:
    """An agent that begins a call, and goes before it is sent."""

    spec = Desk.a.spec
    call: asyncio.Task[Any]

    def __init__(self, stays_s: float) -> None:
        self._stays_s = stays_s

    async def act(self, visit: Visit[Query]) -> Reply:
        self.call = asyncio.create_task(visit.model.ask(HELLO))
        await asyncio.sleep(self._stays_s)
        return Reply(handoff="ok")


@pytest.mark.looptime
@pytest.mark.parametrize("stays_s", [0.0, 0.05, 0.1, 0.15])
async def test_nothing_is_sent_for_a_visit_that_has_ended(stays_s: float) -> None:
    """A call whose reservation is stored only when its agent has gone is not sent, and says so to who waits for it."""
    agent, model = Leaves(stays_s), ScriptedModel(["x"])

    result = await Runner(Desk, model=model, agents={Desk.a: agent}, store=Slow(lambda: 0.1)).run(Query(text="x"))
    await asyncio.wait({agent.call})

    assert result.state is Desk.done
    assert isinstance(agent.call.exception(), VisitClosed)
    assert [] == model.requests


@pytest.mark.looptime
async def test_no_request_leaves_between_the_wish_to_cancel_and_the_cancellation() -> None:
    """An agent that is woken in the very round in which its caller cancels sends nothing any more."""
    woken = asyncio.Event()
    model = ScriptedModel(["x"])

    class Woken:
        spec = Desk.a.spec

        async def act(self, visit: Visit[Query]) -> Reply:
            await woken.wait()
            await visit.model.ask(HELLO)
            return Reply(handoff="ok")

    task = asyncio.create_task(Runner(Desk, model=model, agents={Desk.a: Woken()}).run(Query(text="x")))
    await asyncio.sleep(1)
    woken.set()
    task.cancel()
    await asyncio.wait({task})

    assert [] == model.requests


@pytest.mark.looptime
async def test_nothing_is_sent_in_the_grace_of_a_late_visit() -> None:
    """An agent that is stopped since its time is over may clean up, and its model is dead."""
    agent, model = CleansUp(0.3), ScriptedModel(["x"])
    late = Runner(Desk, model=model, agents={Desk.a: agent}, limits=Limits(visit_s=2))

    result = await late.run(Query(text="x"))

    assert result.landing is not None
    assert ("timeout", True) == (result.landing.reason, agent.cleaned)
    assert isinstance(agent.refused, VisitClosed)
    assert [] == model.requests


@pytest.mark.looptime
async def test_an_interrupt_after_the_grace_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An agent that was given up has no caller any more: what it has to say is in the log, and the loop lives on."""

    class Clings:
        spec = Desk.a.spec

        async def act(self, visit: Visit[Query]) -> Reply:
            try:
                await asyncio.sleep(1e6)
            finally:
                await asyncio.sleep(5)
                raise KeyboardInterrupt

    runner = Runner(Desk, model=ScriptedModel([]), agents={Desk.a: Clings()})
    result = await runner.run(Query(text="x"))
    await asyncio.sleep(10)

    assert result.state is Desk.human
    assert "an agent that was given up raised KeyboardInterrupt" in caplog.text


@pytest.mark.looptime
async def test_a_run_inside_a_task_that_was_cancelled_once_is_like_any_other() -> None:
    """A caller that has taken a cancellation, and did not say so to asyncio, may run machines."""

    async def stubborn() -> Any:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return await Runner(Desk, model=ScriptedModel([{"handoff": "ok"}])).run(Query(text="x"))

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(1)
    task.cancel()

    assert (await task).state is Desk.done
