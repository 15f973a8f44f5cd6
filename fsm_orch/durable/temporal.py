"""Temporal as the engine: each run that somebody should drive has a workflow, whose activity goes on with it.

Temporal knows nothing of runs that wait, nor of those that others have queued, or left. So every worker *sweeps*: it
starts a workflow for each run that the store says somebody should drive.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Generic, Unpack

from ..define.machine import C, D
from ..define.wording import to_install
from ..errors import StartError
from ..reported import report
from ..run import given
from ..run.deps import Factory
from ..run.first import RunOptions
from ..run.outlast import outlasted
from ..run.runner import Runner
from ..run.worker import GRACE_S, told
from ..store.base import PAGE
from ..store.values import Listed
from .base import Runners, has_begun, queue_of, ticket_of

try:
    from temporalio.client import Client
    from temporalio.common import Priority, WorkflowIDReusePolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError
    from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
    from temporalio.worker import Worker

    from .temporal_run import Activities, RunWorkflow
except ImportError as error:
    raise StartError(f"Temporal as an engine needs a package: {to_install('temporal')}") from error

TASK_S = 5.0
"""Seconds after which a task of a workflow is tried again. Temporal says 10: so long a run would wait whose task had
just been given to a worker that died."""

REST_S = 60.0
"""Seconds for which a sweep leaves alone what it has started."""

_HOST_PORT = re.compile(r"[^\s/@]+:\d+")
_AT_ONCE = 10
"""How many requests are sent to Temporal at once, and how many tasks of workflows a worker takes: one that takes more
than it can do is late for all of them."""

_LONGEST = 1_000
"""Bytes of the id of a workflow, unless a server is configured otherwise."""


@cache
def _runtime() -> Runtime:
    """Return what clients of our own run on; its core would write its log to stdout, past all loggers."""
    forwarding = LogForwardingConfig(logging.getLogger("temporalio"))
    filtered = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filtered, forwarding=forwarding)))


def _workflow_id(run: Listed) -> str:
    """Return the ticket of a run; a hash, if it is longer than Temporal lets it be."""
    ticket = ticket_of(run)
    named = ticket.encode()
    return ticket if len(named) <= _LONGEST else sha256(named).hexdigest()


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

    Raises StartError: if not one of `url` and `client` is given, or the URL is no `HOST:PORT`; a runner has no store,
        or another one; or dependencies are missing.
    Raises ValueError: if `concurrency` is less than 1.
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
        given.check_work(concurrency=concurrency)
        self._runners = Runners(runner, also=also, deps=deps)
        if (url is None) == (client is None):
            raise StartError("Temporal is one server: give its url=, HOST:PORT, or the client= that you have")
        if url is not None and not _HOST_PORT.fullmatch(url):  # it may be a URL with a password, so it is not shown
            raise StartError("Temporal is named by HOST:PORT, such as localhost:7233: no scheme, user or path")
        self._url, self._client = url, client
        self._queues = {digest: task_queue or queue_of(digest) for digest in self._runners.by_digest}
        self._concurrency, self._activities = concurrency, Activities(self._runners, grace_s)
        self._drained, self._starting = asyncio.Event(), asyncio.Semaphore(_AT_ONCE)
        self._again: dict[str, float] = {}
        """By ticket, when a sweep starts it, by the loop's time."""

    @property
    def workflows(self) -> Sequence[type[Any]]:
        """What a worker of yours registers as its workflows."""
        return [RunWorkflow]

    @property
    def activities(self) -> Sequence[Callable[..., Any]]:
        """What a worker of yours registers as its activities."""
        return [self._activities.drive, self._activities.cancel]

    @property
    def task_queue(self) -> str:
        """The name of the task queue in which runs begin."""
        return self._queues[self._runners.first.definition.digest]

    async def enqueue(self, context: C, **options: Unpack[RunOptions]) -> str:
        """Queue a run, and return its id at once; see `Runner.enqueue`. To say the same again changes nothing.

        Once it is stored it is queued: if Temporal cannot be told of it now, the next sweep of a worker does that.

        Raises as `Runner.enqueue` does.
        """
        return await self._runners.enqueue(context, options, self._start, engine="Temporal")

    async def work(self, *, poll_s: float = 1.0) -> None:
        """Drive what Temporal delivers, and sweep, until this, or one of its runners, is drained.

        Args:
            poll_s: seconds between two sweeps. What was answered, or has expired, is found by one of them.

        Raises StartError: if Temporal, or a server of tools, cannot be reached.
        Raises ValueError: if `poll_s` is no time.
        Raises asyncio.CancelledError: if the caller cancels, once all is drained.
        """
        given.check_work(poll_s=poll_s)
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

        Raises ValueError: if `poll_s` is no time.
        """
        given.check_work(poll_s=poll_s)
        await self._runners.repeat(self._swept, every_s=poll_s, until=self._drained)

    async def drain(self, *, grace_s: float = GRACE_S) -> None:
        """Stop driving runs, and give those that have not ended back to Temporal; see `Runner.drain`. Then `work` ends.

        Args:
            grace_s: how long what is under way may take to end.
        """
        self._activities.grace_s = grace_s
        self._drained.set()
        await self._runners.drain(grace_s)

    async def _connected(self) -> Client:
        """Return the client.

        Raises StartError: if the server cannot be reached.
        """
        if self._client is None:
            assert self._url is not None
            try:
                self._client = await Client.connect(self._url, runtime=_runtime())
            except (RuntimeError, ValueError) as error:
                raise StartError(
                    f"Temporal cannot be reached at {self._url!r}: start it, or name another server by HOST:PORT; "
                    "one to try things with: temporal server start-dev"
                ) from error
        return self._client

    def _worker(self, client: Client, task_queue: str) -> Worker:
        return Worker(
            client,
            task_queue=task_queue,
            workflows=self.workflows,
            activities=self.activities,
            max_concurrent_activities=self._concurrency,
            max_concurrent_workflow_tasks=_AT_ONCE,
            max_cached_workflows=0,  # else the end of a workflow, and its cancellation, wait for a worker that died
            graceful_shutdown_timeout=timedelta(days=3_650),  # the grace of the runs is ours
        )

    async def _swept(self) -> None:
        try:
            await self._start_due()
        except Exception as error:
            report("the store could not be swept for Temporal: %s", told(error))

    async def _start_due(self) -> None:
        now, before = asyncio.get_running_loop().time(), self._again
        rows = await self._runners.owed(PAGE + len(before))  # so many that those that are left alone hide no others
        # one that has not begun is most likely in Temporal's queue, and there may be many
        later = now + self._runners.lease_s
        self._again = {ticket_of(row): before.get(ticket_of(row), now if has_begun(row) else later) for row in rows}
        due = [row for row in rows if self._again[ticket_of(row)] <= now]
        begun, new = [[row for row in due if has_begun(row) is has] for has in (True, False)]
        started = [*begun, *new[:_AT_ONCE]]
        came = await asyncio.gather(*map(self._start, started), return_exceptions=True)
        failed = [error for error in came if error is not None]
        self._again.update(
            (ticket_of(row), now + REST_S) for row, error in zip(started, came, strict=True) if not error
        )
        if failed:
            raise failed[0]

    async def _start(self, row: Listed) -> None:
        """Start the workflow of a run, unless there is one for where it stands."""
        client, is_waiting = await self._connected(), row.head.status == "waiting"
        # What waits may wait on where it stood, if what came for it did not fit. What runs has gone on since, unless
        # its workflow failed, or was terminated: by a worker of another version, or of another store, or by hand.
        policy = WorkflowIDReusePolicy
        reuse = policy.ALLOW_DUPLICATE if is_waiting else policy.ALLOW_DUPLICATE_FAILED_ONLY
        with suppress(WorkflowAlreadyStartedError):
            async with self._starting:
                await client.start_workflow(
                    RunWorkflow.run,
                    args=[row.run_id, self._activities.heartbeat_s],
                    id=_workflow_id(row),
                    task_queue=self._queues[row.digest],
                    priority=Priority(priority_key=1 if has_begun(row) else 3),  # 3 is usual
                    id_reuse_policy=reuse,
                    task_timeout=timedelta(seconds=TASK_S),
                    rpc_timeout=timedelta(seconds=10),
                )
