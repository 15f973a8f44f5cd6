"""Temporal as the engine, on a real development server; what all engines promise is in tests/conformance/engines."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.engines.yours import Yours
from support.kept import keep
from support.patience import PATIENCE_S
from support.servers import own_temporal, temporal
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from fsm_orch import Context, Final, Given, Machine, MemoryStore, Runner, State, Visit, guard
from fsm_orch.durable import temporal as temporal_engine
from fsm_orch.durable.temporal import TASK_S, TemporalEngine
from fsm_orch.errors import StartError
from fsm_orch.kernel import inputs
from fsm_orch.run.ids import random_id
from fsm_orch.store import Listed
from fsm_orch.store.base import PAGE, Store
from fsm_orch.store.sql import SqlStore

NOWHERE = "127.0.0.1:9"
GATES = dict[str, asyncio.Event]()
"""What a run waits for, by its name."""
UNKNOWN = set[str]()
"""What a guard was changed to refuse."""


class Job(Context):
    """What is to be done."""

    name: Given[str] = "x"
    by: str | None = None


@guard
def is_known(job: Job) -> bool:
    """Whether it is known."""
    return job.name not in UNKNOWN


async def work(visit: Visit[Job]) -> Any:
    """Wait until the run may go on."""
    name = visit.context.name
    if name in GATES:
        try:
            await GATES[name].wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)  # it cleans up
            raise
    return {Job.by: name}


class Works(Machine[Job]):
    """Two pieces of work, which may be done again."""

    first = State(work, reads=Job.name, writes=Job.by, initial=True, repeatable=True, timeout_s=50)
    second = State(work, reads=Job.name, writes=Job.by, repeatable=True, timeout_s=50)
    end, fallback = Final(), Final(fallback=True)
    on = first.to(second, guard=is_known)
    never = first.to(fallback)
    done = second.to(end)


class Effects(Machine[Job]):
    """A piece of work that may not be done again."""

    only = State(work, reads=Job.name, writes=Job.by, initial=True)
    end, fallback = Final(), Final(fallback=True)
    done = only.to(end)


def runner(machine: Any = Works, store: Store | None = None) -> Runner[Any, Any]:
    """Return a runner."""
    return Runner(machine, store=store or MemoryStore())


@asynccontextmanager
async def working(engine: TemporalEngine[Any, Any]) -> AsyncIterator[None]:
    """Let an engine work until the block is left, which drains it."""
    task = asyncio.ensure_future(engine.work(poll_s=0.05))
    try:
        yield
        assert not task.done()
    finally:
        await engine.drain()
        await task


async def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds, and return what it came to."""
    async with asyncio.timeout(60):
        while not (came := await holds()):  # noqa: ASYNC110 - of a server
            await asyncio.sleep(0.02)
    return came


def handle(client: Client, run_id: str, position: int = 1) -> WorkflowHandle[Any, Any]:
    """Return the workflow of a run that was queued where it stood."""
    return client.get_workflow_handle(f"{run_id}:{position}")


async def row_of(mine: Runner[Any, Any], run_id: str) -> Listed:
    """Return where a run stands."""
    assert mine.store is not None
    (row,) = await mine.store.list(run_id=run_id)
    return row


async def kept_of(workflow: WorkflowHandle[Any, Any]) -> bytes:
    """Return all that Temporal keeps of a workflow."""
    return b"".join(event.SerializeToString() for event in (await workflow.fetch_history()).events)


@pytest.mark.slow
async def test_temporal_keeps_the_id_of_a_run_and_nothing_that_was_said() -> None:
    """Its history is JSON, and names the run; the context is in our journal alone."""
    mine, client, name = runner(), await Client.connect(temporal().url), random_id()
    engine = TemporalEngine(mine, client=client)
    await engine.enqueue(Job(name="my secret"), run_id=name)
    async with working(engine):
        came = await handle(client, name).result()
        kept = await kept_of(handle(client, name))

    assert ("finished", "end") == (came, (await row_of(mine, name)).head.state)
    assert name.encode() in kept
    assert b"secret" not in kept
    assert kept.count(b"encoding") == kept.count(b"json/plain") > 0


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while it is driven", "before anybody drives it"])
async def test_a_workflow_that_is_cancelled_lands_its_run(when: str) -> None:
    """Whether or not somebody drives it; the workflow ends, as cancelled, once the run has ended in its fallback."""
    mine, client, name = runner(), await Client.connect(temporal().url), random_id()
    GATES[name] = asyncio.Event()
    engine = TemporalEngine(mine, client=client)
    await engine.enqueue(Job(name=name), run_id=name)
    if when == "before anybody drives it":
        await handle(client, name).cancel()
    async with working(engine):
        if when == "while it is driven":
            await until(lambda: is_at_work(mine, name))
            await handle(client, name).cancel()
        with pytest.raises(WorkflowFailureError):
            await handle(client, name).result()
        head = (await row_of(mine, name)).head

    assert ("fallback", "finished") == (head.state, head.status)
    assert WorkflowExecutionStatus.CANCELED == (await handle(client, name).describe()).status


async def is_at_work(mine: Runner[Any, Any], run_id: str) -> bool:
    """Return whether somebody drives a run."""
    return (await row_of(mine, run_id)).is_driven


@pytest.mark.slow
async def test_what_cannot_go_on_here_fails_and_says_why() -> None:
    """A run of changed code, and one that the store does not know: Temporal says why, and its workflow has ended."""
    mine, client, drifts, unknown = runner(), await Client.connect(temporal().url), random_id(), random_id()
    engine = TemporalEngine(mine, client=client)
    whole = await runner().run(Job(name=drifts), run_id=drifts)
    place = next(n for n, event in enumerate(whole.journal, 1) if isinstance(event, inputs.Replied))
    await keep(mine, drifts, whole.journal[:place])
    await mine.store.release(drifts, epoch=1)  # type: ignore[union-attr]
    await client.start_workflow("fsm_orch.run", args=[unknown, 2.0], id=f"{unknown}:1", task_queue=engine.task_queue)
    UNKNOWN.add(drifts)
    async with working(engine):
        await until(lambda: has_begun(handle(client, drifts, place)))
        whys = [await why(handle(client, drifts, place)), await why(handle(client, unknown))]
        await asyncio.sleep(0.3)  # some sweeps
        again = (await handle(client, drifts, place).describe()).status

    assert f"run {drifts!r} could not go on: Drifted: the journal of run {drifts!r} was stored at 'second'" in whys[0]
    assert f"run {unknown!r} is not known to the store of this worker" in whys[1]
    assert WorkflowExecutionStatus.FAILED == again


@pytest.mark.slow
async def test_a_run_whose_workflow_failed_or_was_terminated_is_driven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of another store, or of other code, loses no run for those that can drive it."""
    monkeypatch.setattr(temporal_engine, "REST_S", 0.2)
    mine, client, failed, ended = runner(), await Client.connect(temporal().url), random_id(), random_id()
    engine, stranger = TemporalEngine(mine, client=client), TemporalEngine(runner(), client=client)
    for name in (failed, ended):
        await engine.enqueue(Job(), run_id=name)
    await handle(client, ended).terminate()
    async with working(stranger):
        assert "is not known to the store of this worker" in await why(handle(client, failed))
    monkeypatch.setattr(mine.store, "lease_s", 0.2)
    async with working(engine):
        for name in (failed, ended):
            await until(partial(has_ended, mine, name))


@pytest.mark.slow
async def test_a_fork_that_may_begin_no_effect_is_not_tried_again() -> None:
    """It was delivered by somebody who named it; its workflow fails, and says how it goes on."""
    mine, client, name = runner(Effects), await Client.connect(temporal().url), random_id()
    engine = TemporalEngine(mine, client=client)
    await mine.run(Job(), run_id=name)
    fork = await mine.fork(name, at=1)
    await mine.store.prune(ended_before=inf)  # type: ignore[union-attr]
    await client.start_workflow("fsm_orch.run", args=[fork, 5.0], id=f"{fork}:1", task_queue=engine.task_queue)
    async with working(engine):
        assert "--effects" in await why(handle(client, fork))


async def has_begun(workflow: WorkflowHandle[Any, Any]) -> bool:
    """Return whether there is such a workflow."""
    try:
        await workflow.describe()
    except RPCError:
        return False
    return True


async def why(workflow: WorkflowHandle[Any, Any]) -> str:
    """Return why a workflow failed, once it has."""
    with pytest.raises(WorkflowFailureError) as raised:
        await workflow.result()
    assert isinstance(raised.value.cause, ActivityError)
    return str(raised.value.cause.cause)


@pytest.mark.slow
async def test_what_fails_for_now_is_tried_again_and_only_its_kind_is_told() -> None:
    """The run goes on once its store does; what somebody else's error says is in no history."""
    mine, client, name = runner(), await Client.connect(temporal().url), random_id()
    engine, load, fails = TemporalEngine(mine, client=client), mine.store.load, [ValueError("hunter2")]  # type: ignore[union-attr]

    async def failing(run_id: str) -> Any:
        if fails:
            raise fails.pop()
        return await load(run_id)

    await engine.enqueue(Job(), run_id=name)
    mine.store.load = failing  # type: ignore[union-attr, method-assign]
    async with working(engine):
        assert "finished" == await handle(client, name).result()
    kept = await kept_of(handle(client, name))

    assert f"run '{name}' could not go on: ValueError".encode() in kept
    assert b"hunter2" not in kept


@pytest.mark.slow
async def test_in_a_worker_of_yours_runs_are_driven_and_drained(tmp_path: Path) -> None:
    """Beside your workflows and their sandbox; a worker that shuts down lands nothing, and another goes on."""
    store, client, queue = SqlStore(f"sqlite:///{tmp_path}/runs.db"), await Client.connect(temporal().url), random_id()
    mine, begun, ends = runner(store=store), random_id(), random_id()
    GATES[begun] = asyncio.Event()

    async def yours() -> Worker:
        # a process has one worker for a task queue: here another client makes it another process
        engine = TemporalEngine(runner(store=store), client=client, task_queue=queue, grace_s=0)
        return Worker(
            await Client.connect(temporal().url),
            task_queue=engine.task_queue,
            workflows=[Yours, *engine.workflows],
            activities=engine.activities,
        )

    async with await yours():
        assert "x" == await client.execute_workflow(Yours.run, "x", id=random_id(), task_queue=queue)
        for name in (ends, begun):
            await TemporalEngine(mine, client=client, task_queue=queue).enqueue(Job(name=name), run_id=name)
        await handle(client, ends).result()
        await until(lambda: is_at_work(mine, begun))
    left = await row_of(mine, begun)
    GATES.pop(begun).set()
    async with await yours():
        assert "finished" == await handle(client, begun).result()

        ended = [(await row_of(mine, name)).head.state for name in (ends, begun)]
    store.close()

    assert ("running", False) == (left.head.status, left.is_driven)
    assert ["end", "end"] == ended


@pytest.mark.slow
async def test_a_run_that_was_stored_while_temporal_was_away_is_driven(caplog: pytest.LogCaptureFixture) -> None:
    """To queue it does not fail: it is said in the log, and a sweep tells Temporal of it."""
    mine, name = runner(store=MemoryStore().beside(lease_s=0.3)), random_id()
    assert name == await TemporalEngine(mine, url=NOWHERE).enqueue(Job(), run_id=name)
    async with working(TemporalEngine(mine, url=temporal().url)):
        await until(lambda: has_ended(mine, name))

    assert f"run {name} is stored, and Temporal is told of it later: StartError: Temporal cannot be" in caplog.text


@pytest.mark.slow
async def test_what_its_client_reports_goes_to_the_log(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A worker writes lines of JSON, and the core of the client would write its own beside them."""
    server, mine = own_temporal(), runner()
    engine = TemporalEngine(mine, url=server.url)
    await engine.enqueue(Job(), run_id="before")
    server.stop()
    await engine.enqueue(Job(), run_id="after")

    assert "temporalio_client" in caplog.text
    assert "temporalio_client" not in "".join(capfd.readouterr())


async def has_ended(mine: Runner[Any, Any], run_id: str) -> bool:
    """Return whether a run has ended."""
    return (await row_of(mine, run_id)).head.status == "finished"


class Told:
    """A client that notes which workflows are started."""

    def __init__(self, refuses: str = "") -> None:
        self._refuses = refuses
        self.ids = list[str]()
        self.options = dict[str, Any]()

    async def start_workflow(self, *words: Any, id: str, **options: Any) -> None:
        """Note it."""
        self.ids.append(id)
        self.options = options
        if id == self._refuses:
            raise ValueError


async def test_a_sweep_starts_each_run_once() -> None:
    """Those that it has started hide no others, however many there are; what has ended is left alone."""
    mine, client = runner(store=MemoryStore().beside(lease_s=0.01)), Told()
    engine = TemporalEngine(mine, client=client)  # type: ignore[arg-type]
    for n in range(3 * PAGE):
        await mine.enqueue(Job(), run_id=f"r{n}")
    await mine.resume("r0")
    sweeping = asyncio.ensure_future(engine.sweep(poll_s=0.001))
    await until(lambda: asyncio.sleep(0, len(client.ids) >= 3 * PAGE - 1))
    await asyncio.sleep(0.05)
    await engine.drain()
    await sweeping

    assert sorted(f"r{n}:1" for n in range(1, 3 * PAGE)) == sorted(client.ids)


async def test_a_run_that_cannot_be_started_has_no_other_started_twice(caplog: pytest.LogCaptureFixture) -> None:
    """It is said in the log, and tried again; the others are left alone as if it were not there."""
    mine, client = runner(store=MemoryStore().beside(lease_s=0.01)), Told(refuses="r1:1")
    engine = TemporalEngine(mine, client=client)  # type: ignore[arg-type]
    for n in range(3):
        await mine.enqueue(Job(), run_id=f"r{n}")
    sweeping = asyncio.ensure_future(engine.sweep(poll_s=0.001))
    await until(lambda: asyncio.sleep(0, client.ids.count("r1:1") > 2))
    await engine.drain()
    await sweeping

    assert (1, 1) == (client.ids.count("r0:1"), client.ids.count("r2:1"))
    assert "could not be swept for Temporal: ValueError" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x" * 2_000, "é" * 999, "a\nb:1", "'; %c?# \U0001f600"])
async def test_a_run_may_have_any_name(name: str) -> None:
    """Of a name that is longer than Temporal takes its workflow has a hash."""
    mine, client = runner(), await Client.connect(temporal().url)
    engine = TemporalEngine(mine, client=client)
    for _ in range(2):
        await engine.enqueue(Job(), run_id=name + random_id())
    async with working(engine):
        for row in await mine.store.list():  # type: ignore[union-attr]
            await until(partial(has_ended, mine, row.run_id))


async def test_what_somebody_may_just_have_queued_is_left_to_them() -> None:
    """A run that has not begun is started after a lease, and what was answered at once, whoever queued before it."""
    store = MemoryStore().beside(lease_s=60)
    mine, waits, client = runner(store=store), runner(Refunds, store), Told()
    engine = TemporalEngine(mine, also=[waits], client=client)  # type: ignore[arg-type]
    await mine.enqueue(Job(), run_id="queued")
    waiting = await waits.run(Claim(query="x"), run_id="waits")
    await store.post("waits", waiting.waiting[0].key, "1", {"handoff": "yes", "note": "ok"})
    sweeping = asyncio.ensure_future(engine.sweep(poll_s=0.001))
    await asyncio.sleep(0.05)
    await engine.drain()
    await sweeping

    assert [f"waits:{len(waiting.journal)}"] == client.ids
    assert WorkflowIDReusePolicy.ALLOW_DUPLICATE == client.options["id_reuse_policy"]
    assert 1 == client.options["priority"].priority_key  # it goes before those that have not begun


async def test_a_run_that_has_begun_is_not_handed_over_again() -> None:
    """To queue it again, once it is driven or has ended, starts no other workflow; before that it is the same one."""
    mine, client = runner(), Told()
    engine = TemporalEngine(mine, client=client)  # type: ignore[arg-type]
    for _ in range(2):
        await engine.enqueue(Job(), run_id="r")
    await mine.resume("r")
    await engine.enqueue(Job(), run_id="r")

    assert ["r:1", "r:1"] == client.ids
    assert WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY == client.options["id_reuse_policy"]
    assert timedelta(seconds=TASK_S) == client.options["task_timeout"]


async def test_machines_have_task_queues_of_their_own_unless_one_is_given() -> None:
    """So that no worker is delivered a run of a machine that it was not given."""
    mine = runner()
    other = Runner(Refunds, store=mine.store)
    own = [TemporalEngine(each, url=NOWHERE).task_queue for each in (mine, other)]

    assert 2 == len(set(own))
    assert "yours" == TemporalEngine(mine, url=NOWHERE, task_queue="yours").task_queue


async def test_what_is_missing_is_said_at_once() -> None:
    """No server, two of them, one that is not there, and no store."""
    with pytest.raises(StartError, match="Temporal is one server: give its url=, HOST:PORT, or the client="):
        TemporalEngine(runner())
    with pytest.raises(StartError, match=r"Temporal cannot be reached at '127\.0\.0\.1:9': start it, or name"):
        await TemporalEngine(runner(), url=NOWHERE).work()
    with pytest.raises(StartError, match="this runner has none"):
        TemporalEngine(Runner(Works), url=NOWHERE)


@pytest.mark.parametrize("url", ["nonsense", "http://h:1", "postgresql://ann:hunter2@h:5432/d", "ann:hunter2@h:7233"])
def test_what_is_no_host_and_port_is_refused_and_not_shown(url: str) -> None:
    """It may be the URL of a database, with a password."""
    with pytest.raises(StartError, match="Temporal is named by HOST:PORT, such as localhost:7233") as raised:
        TemporalEngine(runner(), url=url)

    assert url not in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("concurrency", [0, -1])
def test_it_drives_one_run_or_more_at_once(concurrency: int) -> None:
    """Temporal itself would take 0 for a number of its own."""
    with pytest.raises(ValueError, match="a worker drives 1 run or more at once"):
        TemporalEngine(runner(), url=NOWHERE, concurrency=concurrency)


@pytest.mark.parametrize("poll_s", [0.0, -1.0, inf])
async def test_it_pauses_between_two_looks(poll_s: float) -> None:
    """Else the store would be asked again and again, or once."""
    engine = TemporalEngine(runner(), url=NOWHERE)
    for told in (engine.work, engine.sweep):
        with pytest.raises(ValueError, match="pauses for a time"):
            await told(poll_s=poll_s)


@pytest.mark.slow
async def test_the_work_ends_where_somebody_else_drains_the_runner() -> None:
    """As it does if the engine is drained: there is nothing more for it to do."""
    mine = runner()
    task = asyncio.ensure_future(TemporalEngine(mine, url=temporal().url).work(poll_s=0.05))
    await asyncio.sleep(0.2)
    assert not task.done()
    await mine.drain()
    async with asyncio.timeout(PATIENCE_S):
        await task


def test_without_its_package_the_extra_is_named() -> None:
    """As one line that says what to install."""
    code = "import sys; sys.modules['temporalio'] = None; import fsm_orch.durable.temporal"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "StartError: Temporal as an engine needs a package: install the extra `temporal` of fsm_orch" in ended.stderr


async def test_a_fork_that_comes_to_an_effect_is_not_tried_again() -> None:
    """It would stop there each time; Temporal shows what it came to, and how it is let go on."""
    store = MemoryStore()
    runner = Runner(Works, store=store)
    await runner.run(Job(), run_id="p")
    await runner.fork("p", at=1, new_id="f")
    await store.prune(ended_before=float("inf"))
    drive, _ = TemporalEngine(runner, url=NOWHERE).activities
    with pytest.raises(ApplicationError, match="Withheld: fork 'f' has not begun the code of 'first'") as caught:
        await ActivityEnvironment().run(drive, "f")

    assert caught.value.non_retryable
    assert [("f", False, 1)] == [(row.run_id, row.is_driven, row.inputs) for row in await store.list()]
