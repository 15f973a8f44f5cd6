"""Temporal as the engine: each run that somebody should drive has a workflow, whose one activity goes on with it.

Temporal is told the ids of runs, and why one could not go on; what was said is in our journal alone. It tries an
activity again whose worker has died, and the lease of the store keeps out whoever comes too early. It knows nothing of
runs that wait: every worker *sweeps*, and starts a workflow for what was answered or has expired meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Generic, Unpack

from ..define.machine import C, D
from ..define.wording import to_install
from ..errors import StartError, StepError
from ..observe.telling import report
from ..run.deps import Factory
from ..run.first import RunOptions
from ..run.outlast import outlasted
from ..run.raised import Raised, tried
from ..run.runner import Runner
from ..run.worker import GRACE_S, told
from ..store.base import LEASE_S, PAGE
from ..store.values import Listed
from .base import Outcome, Runners, ticket_of

try:
    from temporalio import activity, workflow
    from temporalio.client import Client
    from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
    from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, WorkflowAlreadyStartedError
    from temporalio.worker import Worker
except ImportError as error:
    raise StartError(f"Temporal as an engine needs a package: {to_install('temporal')}") from error

TASK_S = 3.0
"""Seconds after which a task of a workflow is tried again. Temporal says 10: so long a run would wait whose task had
just been given to a worker that died."""

REST_S = 60.0
"""Seconds for which a sweep leaves alone what it has started."""

_DRIVE, _ASK_CANCEL = "fsm_orch.drive", "fsm_orch.ask_cancel"
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))  # without end
_FOR_GOOD, _SOON = timedelta(days=3_650), timedelta(seconds=10)


def queue_of(digest: str) -> str:
    """Return the name of the task queue of a machine: nobody is delivered runs of another machine."""
    return f"fsm_orch:{digest[:16]}"


@workflow.defn(name="fsm_orch.run", sandboxed=False)  # else each run would import this library again
class RunWorkflow:
    """Has a run driven until it ends or waits. To cancel it lands the run; to terminate it stops nothing."""

    @workflow.run
    async def run(self, run_id: str, heartbeat_s: float) -> Outcome:
        """Return what became of the run."""
        driving = workflow.start_activity(
            _DRIVE,
            run_id,
            start_to_close_timeout=_FOR_GOOD,
            heartbeat_timeout=timedelta(seconds=heartbeat_s),
            retry_policy=_RETRY,
        )
        try:
            return await asyncio.shield(driving)
        except asyncio.CancelledError:
            await workflow.execute_activity(_ASK_CANCEL, run_id, start_to_close_timeout=_SOON, retry_policy=_RETRY)
            await driving
            raise


class TemporalEngine(Generic[C, D]):
    """Queues runs with Temporal, and drives what it delivers.

        engine = TemporalEngine(Runner(Support, store=url), url="localhost:7233")
        run_id = await engine.enqueue(Ticket(query="..."))      # in any process
        await engine.work()                                     # in as many as wanted

    In a worker of Temporal that you have, give `client` and `task_queue`, register `engine.workflows` and
    `engine.activities` there, and let `engine.sweep()` go on beside it, in one process or more. Its sandbox needs to
    know nothing of this library. When the worker shuts down, the runners are drained.

    Args:
        runner: of the machine whose runs are queued here; it has a store.
        url: `HOST:PORT` of Temporal, without TLS, in the namespace `default`.
        client: is connected as you need it, instead.
        also: further runners on the same store, such as of an older version of the machine.
        deps: makes the dependencies of a run, as for `Runner.work`.
        concurrency: how many runs of each machine `work` drives at once.
        task_queue: of a worker that you have. None: one for each machine.
        grace_s: how long what is under way may take to end, when a worker shuts down.

    Raises StartError: if not one of `url` and `client` is given; a runner has no store, or another one; or dependencies
        are missing.
    """

    def __init__(
        self,
        runner: Runner[C, D],
        *,
        url: str | None = None,
        client: Client | None = None,
        also: Sequence[Runner[Any, Any]] = (),
        deps: Factory[Any] | None = None,
        concurrency: int = 50,
        task_queue: str | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._runners = Runners(runner, also=also, deps=deps)
        if (url is None) == (client is None):
            raise StartError("Temporal is one server: give its url=, HOST:PORT, or the client= that you have")
        self._url, self._client = url, client
        self._queues = {digest: task_queue or queue_of(digest) for digest in self._runners.by_digest}
        self._concurrency, self._grace_s = concurrency, grace_s
        self._lease_s = self._runners.store.lease_s or LEASE_S
        self._heartbeat_s = max(1.0, self._lease_s * 2 / 3)  # a dead worker's run cannot be had before that
        self._drained = asyncio.Event()
        self._started: dict[str, float] = {}
        """By ticket, until when a sweep leaves it alone, by the loop's time."""

    @property
    def workflows(self) -> Sequence[type[Any]]:
        """What a worker of yours registers as its workflows."""
        return [RunWorkflow]

    @property
    def activities(self) -> Sequence[Callable[..., Any]]:
        """What a worker of yours registers as its activities."""
        return [self._drive, self._ask_cancel]

    @property
    def task_queue(self) -> str:
        """The name of the task queue in which runs begin."""
        return self._queues[self._runners.first.definition.digest]

    async def enqueue(self, context: C, **options: Unpack[RunOptions]) -> str:
        """Queue a run, and return its id at once; see `Runner.enqueue`. To say the same again changes nothing.

        Once it is stored it is queued: if Temporal cannot be told of it now, the next sweep of a worker does that.

        Raises as `Runner.enqueue` does.
        """
        row = await self._runners.enqueue(context, options)
        if row.owner is None:
            try:
                await self._start(row)
            except Exception as error:
                report("run %s is stored, and Temporal is told of it later: %s", row.run_id, told(error))
        return row.run_id

    async def work(self, *, poll_s: float = 1.0) -> None:
        """Drive what Temporal delivers, and sweep, until this is drained.

        Args:
            poll_s: seconds between two sweeps. What was answered, or has expired, is found by one of them.

        Raises StartError: if Temporal, or a server of tools, cannot be reached.
        Raises asyncio.CancelledError: if the caller cancels, once all is drained.
        """
        client = await self._connected()
        async with AsyncExitStack() as stack:
            for runner in self._runners.by_digest.values():
                await stack.enter_async_context(runner)
            workers = [self._worker(client, queue) for queue in sorted({*self._queues.values()})]
            working = [asyncio.ensure_future(worker.run()) for worker in workers]
            sweeping = asyncio.ensure_future(self.sweep(poll_s=poll_s))
            try:
                await asyncio.wait([*working, sweeping], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._drained.set()
                await outlasted(lambda: asyncio.gather(*(worker.shutdown() for worker in workers)))
                await asyncio.gather(*working, sweeping)

    async def sweep(self, *, poll_s: float = 1.0) -> None:
        """Start a workflow for each run that somebody should drive and nobody does, again and again, until drained.

        Args:
            poll_s: seconds between two looks at the store.
        """
        while not self._drained.is_set():
            try:
                await self._swept()
            except Exception as error:
                report("the store could not be swept for Temporal: %s", told(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), poll_s)

    async def drain(self, *, grace_s: float = GRACE_S) -> None:
        """Stop driving runs, and give those that have not ended back to Temporal; see `Runner.drain`. Then `work` ends.

        Args:
            grace_s: how long what is under way may take to end.
        """
        self._grace_s = grace_s
        self._drained.set()
        await self._runners.drain(grace_s)

    async def _connected(self) -> Client:
        """Return the client.

        Raises StartError: if the server cannot be reached.
        """
        if self._client is None:
            assert self._url is not None
            try:
                self._client = await Client.connect(self._url)
            except (RuntimeError, ValueError) as error:
                raise StartError(f"Temporal cannot be reached at {self._url!r}: it is named by HOST:PORT") from error
        return self._client

    def _worker(self, client: Client, task_queue: str) -> Worker:
        return Worker(
            client,
            task_queue=task_queue,
            workflows=self.workflows,
            activities=self.activities,
            max_concurrent_activities=self._concurrency,
            max_cached_workflows=0,  # else the end of a workflow, and its cancellation, wait for a worker that died
            graceful_shutdown_timeout=_FOR_GOOD,  # the grace of the runs is ours
        )

    async def _swept(self) -> None:
        now = asyncio.get_running_loop().time()
        self._started = {ticket: until for ticket, until in self._started.items() if until > now}
        rows = await self._runners.owed(PAGE + len(self._started))  # so many that what was started hides no others
        new = [row for row in rows if ticket_of(row) not in self._started]
        await asyncio.gather(*map(self._start, new))
        self._started.update((ticket_of(row), now + REST_S) for row in new)

    async def _start(self, row: Listed) -> None:
        """Start the workflow of a run, unless there is one for where it stands."""
        client, is_waiting = await self._connected(), row.head.status == "waiting"
        # What waits may wait on where it stood, if what came for it did not fit. What runs has gone on since, or its
        # workflow has failed for good.
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE if is_waiting else WorkflowIDReusePolicy.REJECT_DUPLICATE
        with suppress(WorkflowAlreadyStartedError):
            await client.start_workflow(
                RunWorkflow.run,
                args=[row.run_id, self._heartbeat_s],
                id=ticket_of(row),
                task_queue=self._queues[row.digest],
                id_reuse_policy=reuse,
                task_timeout=timedelta(seconds=TASK_S),
                rpc_timeout=_SOON,
            )

    @activity.defn(name=_DRIVE)
    async def _drive(self, run_id: str) -> Outcome:
        """Drive a run, with heartbeats."""
        driving = asyncio.ensure_future(tried(partial(self._runners.deliver, run_id)))
        ending = asyncio.ensure_future(self._end())
        while not driving.done():
            activity.heartbeat()
            # Whatever Temporal cancels an activity for, the run goes on: it was asked to land, or the worker drains it,
            # or Temporal was away, takes this worker for dead, and finds out from the store that it is not.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([driving], timeout=self._heartbeat_s / 4)
        ending.cancel()
        came = driving.result()
        if isinstance(came, Raised):
            raise _failure(run_id, came.error) from None
        return self._told(run_id, came)

    @activity.defn(name=_ASK_CANCEL)
    async def _ask_cancel(self, run_id: str) -> None:
        """Ask whoever drives a run to land it."""
        came = await tried(partial(self._runners.store.ask_cancel, run_id))
        if isinstance(came, Raised):
            raise _failure(run_id, came.error) from None

    async def _end(self) -> None:
        await activity.wait_for_worker_shutdown()
        await self._runners.drain(self._grace_s)

    def _told(self, run_id: str, outcome: Outcome) -> Outcome:
        """Return what became of a run, if Temporal is done with it.

        Raises ApplicationError: if it is not, or the run is not there.
        """
        if outcome == "not known":
            raise ApplicationError(
                f"run {run_id!r} is not known to the store of this worker", type="NotKnown", non_retryable=True
            )
        if outcome in ("drained", "driven already"):  # who drives it may be dead, which shows when its lease is over
            again_s = 0.1 if outcome == "drained" else self._lease_s / 4
            raise ApplicationError(
                f"run {run_id!r} was {outcome}",
                category=ApplicationErrorCategory.BENIGN,
                next_retry_delay=timedelta(seconds=again_s),
            )
        return outcome


def _failure(run_id: str, error: BaseException) -> ApplicationError:
    """Return what Temporal is told of an error, and shows; what no other try can mend is not tried again."""
    why = f"run {run_id!r} could not go on: {told(error)}"
    return ApplicationError(why, type=type(error).__name__, non_retryable=isinstance(error, StepError))
