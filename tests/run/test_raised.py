"""What an agent or a guard raises: its own failure lands the run, an interrupt lands it and reaches the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
from support.raised import FAILURES, INTERRUPTS

from fsm_orch import Context, Final, Machine, MemoryStore, Reply, Runner, State, Visit, guard
from fsm_orch.agents import AgentSpec
from fsm_orch.kernel import inputs
from fsm_orch.kernel.step import fold
from fsm_orch.observe import Record


class Query(Context):
    text: str = ""
    answer: str | None = None


class Case:
    """What is raised in the test that is under way."""

    error: BaseException = ValueError()


def work(visit: Visit[Query, Any]) -> None:
    """Do nothing."""


def plain(visit: Visit[Query, Any]) -> None:
    raise Case.error


async def waiting(visit: Visit[Query, Any]) -> None:
    await asyncio.sleep(0)
    raise Case.error


async def grouped(visit: Visit[Query, Any]) -> None:
    async def inner() -> None:
        raise Case.error

    async with asyncio.TaskGroup() as group:
        group.create_task(inner())


def begun(visit: Visit[Query, Any]) -> Any:
    return waiting(visit)


async def through_deps(visit: Visit[Query, Any]) -> None:
    visit.deps()


class Own:
    """An agent of the user's own."""

    spec = AgentSpec(kind="code", name="Own", canonical={})

    async def act(self, visit: Visit[Query, Any]) -> Reply:
        raise Case.error


class NotAsync:
    """An agent of the user's own that raises before there is anything to await."""

    spec = AgentSpec(kind="code", name="NotAsync", canonical={})

    def act(self, visit: Visit[Query, Any]) -> Awaitable[Reply]:
        raise Case.error


def fails() -> None:
    raise Case.error


class Desk(Machine[Query, Callable[[], None]]):
    a = State(work, initial=True)
    b = State(work)
    done, human = Final(), Final(fallback=True)
    on, ok, no = a.to(b), b.to(done), b.to(human)


AGENTS = [plain, waiting, begun, through_deps, Own(), NotAsync()]


@pytest.fixture(params=FAILURES, ids=repr)
def failure(request: pytest.FixtureRequest) -> BaseException:
    Case.error = request.param
    return Case.error


@pytest.fixture(params=INTERRUPTS, ids=repr)
def interrupt(request: pytest.FixtureRequest) -> BaseException:
    Case.error = request.param
    return Case.error


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: getattr(agent, "__name__", type(agent).__name__))
async def test_a_failure_lands_the_run(agent: Any, failure: BaseException) -> None:
    """An agent's own failure lands the run, however the agent is written, and is given with the result."""
    result = await Runner(Desk, agents={Desk.b: agent}).run(Query(), deps=fails)

    assert result.landing is not None
    assert (Desk.human, "failure") == (result.state, result.landing.reason)
    assert result.error is failure or isinstance(failure, asyncio.CancelledError)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: getattr(agent, "__name__", type(agent).__name__))
async def test_an_interrupt_lands_the_run_and_reaches_the_caller(agent: Any, interrupt: BaseException) -> None:
    """What is meant for the caller ends the run, stores its end, and is raised, however the agent is written."""
    store = MemoryStore()
    runner = Runner(Desk, agents={Desk.b: agent}, store=store)

    with pytest.raises(BaseException) as caught:
        await runner.run(Query(), deps=fails, run_id="r")

    stored = await store.load("r")
    assert interrupt is caught.value
    assert inputs.Cancelled(detail=type(interrupt).__name__, at=stored[-1].at) == stored[-1]
    assert "finished" == fold(runner.compiled, stored).status


async def test_an_interrupt_in_a_group_of_tasks_reaches_the_caller() -> None:
    """A task group wraps what its tasks raise, and the run looks into it."""
    Case.error = INTERRUPTS[2]

    with pytest.raises(BaseExceptionGroup) as caught:
        await Runner(Desk, agents={Desk.b: grouped}).run(Query(), deps=fails)

    assert (Case.error,) == caught.value.exceptions


@pytest.mark.parametrize("agent", [plain, waiting])
def test_an_interrupt_leaves_a_run_without_a_loop(agent: Any, interrupt: BaseException) -> None:
    """Run on a loop of its own, a run raises the same."""
    with pytest.raises(BaseException) as caught:
        Runner(Desk, agents={Desk.b: agent}).run_sync(Query(), deps=fails)

    assert interrupt is caught.value


def read_to_the_end(events: Any) -> Any:
    async def read() -> None:
        async for _ in events:
            pass

    return read()


async def waited(events: Any) -> None:
    with pytest.raises(BaseException):  # noqa: B017
        await events.result()


@pytest.mark.looptime
@pytest.mark.parametrize("agent", [plain, waiting])
async def test_a_reader_gets_an_interrupt_once(agent: Any, interrupt: BaseException) -> None:
    """Whoever reads a stream is raised what its run raised: by reading, or by leaving, but not by both."""
    runner = Runner(Desk, agents={Desk.b: agent})

    with pytest.raises(BaseException) as by_reading:
        async with runner.stream(Query(), deps=fails) as events:
            await read_to_the_end(events)
    with pytest.raises(BaseException) as by_leaving:
        async with runner.stream(Query(), deps=fails) as events:
            await asyncio.sleep(0.01)
    async with runner.stream(Query(), deps=fails) as events:
        await waited(events)

    assert interrupt is by_reading.value
    assert interrupt is by_leaving.value


@pytest.mark.looptime
async def test_an_interrupt_in_the_grace_of_a_cancellation_reaches_the_caller(interrupt: BaseException) -> None:
    """A double that checks while it is cleaned up is heard, as in any other code."""

    async def checks(visit: Visit[Query, Any]) -> None:
        try:
            await asyncio.sleep(5)
        finally:
            raise interrupt

    task = asyncio.create_task(_caught(Runner(Desk, agents={Desk.b: checks}).run(Query(), deps=fails)))
    await asyncio.sleep(1)
    task.cancel()

    assert interrupt is await task


@pytest.mark.looptime
async def test_an_interrupt_in_the_grace_of_a_late_visit_reaches_the_caller(interrupt: BaseException) -> None:
    """An agent that is late and is stopped is heard just as well."""

    async def checks(visit: Visit[Query, Any]) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            raise interrupt

    assert interrupt is await _caught(Runner(Desk, agents={Desk.b: checks}).run(Query(), deps=fails))


async def _caught(run: Any) -> object:
    try:
        return await run
    except BaseException as error:
        return error


@guard
def raises(query: Query) -> bool:
    if query.answer is None:
        return True
    raise Case.error


def answer(visit: Visit[Query]) -> Any:
    return {Query.answer: "x"}


class Guarded(Machine[Query]):
    a = State(answer, writes=(Query.answer,), initial=True)
    left, done, human = Final(), Final(), Final(fallback=True)
    first, second, no = a.to(left, guard=raises), a.to(done), a.to(human)


async def test_a_guard_that_fails_means_no(failure: BaseException) -> None:
    """Where a guard fails the next handoff is looked at, and a record says what was raised."""
    result = await Runner(Guarded).run(Query())

    assert result.state is Guarded.done
    assert f"{type(failure).__name__} in raises" in [getattr(record, "detail", "") for record in result.records]


async def test_an_interrupt_in_a_guard_changes_nothing_before_the_end(interrupt: BaseException) -> None:
    """A guard's interrupt leaves the step: the reply is in no journal, and the run is cancelled where it stood."""
    store = MemoryStore()

    with pytest.raises(BaseException) as caught:
        await Runner(Guarded, store=store).run(Query(), run_id="r")

    assert interrupt is caught.value
    assert ["started", "cancelled"] == [event.kind for event in await store.load("r")]


async def test_a_run_whose_first_step_is_interrupted_has_not_begun(interrupt: BaseException) -> None:
    """A guard that is asked at the start may end it: nothing is recorded then, and nothing is stored."""

    class First(Machine[Query]):
        a = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        ok, no = a.to(done, guard=always), a.to(human)

    store, told = MemoryStore(), list[Record]()

    with pytest.raises(BaseException) as caught:
        await Runner(First, store=store, observers=[told.append]).run(Query(), run_id="r")

    assert interrupt is caught.value
    assert ((), []) == (await store.load("r"), told)


@guard
def always(query: Query) -> bool:
    raise Case.error


class Name(str):
    """The name of a handoff that is none."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise ValueError("no hash")


class Nameless:
    """A key of changes whose every method raises."""

    def __str__(self) -> str:
        raise ValueError("no text")

    def __hash__(self) -> int:
        return 1


class Unreadable(Mapping[Any, Any]):
    """Changes that cannot be read."""

    def __getitem__(self, key: Any) -> Any:
        raise ValueError("no items")

    def __iter__(self) -> Iterator[Any]:
        raise SystemExit(3)

    def __len__(self) -> int:
        return 1


class Classless:
    """An object that does not say what it is."""

    @property
    def __class__(self) -> Any:
        raise ValueError("no class")


class Mute(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Untold(Mute):
    """An error that does not say where it came from."""

    @property
    def __traceback__(self) -> Any:
        raise ValueError("no traceback")


def raises_mute(visit: Any) -> Any:
    raise Mute


def raises_untold(visit: Any) -> Any:
    raise Untold


@pytest.mark.parametrize(
    "hostile",
    [
        lambda visit: Reply(handoff=Name("ok")),
        lambda visit: Reply(changes={Nameless(): "x"}),
        lambda visit: Reply(changes=Unreadable()),
        lambda visit: Unreadable(),
        lambda visit: Classless(),
        lambda visit: KeyboardInterrupt(),
        raises_mute,
        raises_untold,
    ],
    ids=["hash", "str", "items", "mapping", "class", "returned", "mute", "untold"],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_no_object_of_an_agents_makes_a_run_raise(hostile: Callable[[Any], Any], is_async: bool) -> None:
    """Whatever the methods of a reply or of an error raise fails the attempt, as if the agent itself had raised it."""

    class Waiting(Own):
        async def act(self, visit: Visit[Query, Any]) -> Any:
            return hostile(visit)

    result = await Runner(Desk, agents={Desk.a: Waiting() if is_async else hostile}).run(Query(), deps=fails)

    assert result.landing is not None
    assert result.landing.reason in ("failure", "refusal")


async def test_a_coroutine_that_is_closed_stops_its_agent() -> None:
    """A run that is thrown away in the middle, as a closed loop does it, cancels its agent and waits for nothing."""
    stopped = []

    async def hangs(visit: Visit[Query, Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(visit.state.name)

    run = Runner(Desk, agents={Desk.b: hangs}).run(Query(), deps=fails)
    task = asyncio.ensure_future(_driven_by_hand(run))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)

    assert ["b"] == stopped


class _Steps:
    """Awaits a coroutine step by step, and closes it when it is itself cancelled."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __await__(self) -> Any:
        while True:
            try:
                yield self._run.send(None)
            except asyncio.CancelledError:
                self._run.close()
                raise


async def _driven_by_hand(run: Any) -> None:
    await _Steps(run)
