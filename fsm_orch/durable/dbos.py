"""DBOS as the engine: its queues on PostgreSQL say who drives which run of our journals.

A run is handed over as a *ticket*: a workflow without steps that resumes it. DBOS never recovers the workflows of a
process that has died, nor does it know of runs that wait. So every worker *sweeps*: what the store says somebody should
drive, and DBOS holds no ticket of, is handed over; a ticket whose run nobody drives for a whole lease is made anew.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Generic, Unpack

from ..define.machine import C, D
from ..define.wording import to_install
from ..errors import FsmError, StartError
from ..reported import report
from ..run import given
from ..run.deps import Factory
from ..run.first import RunOptions
from ..run.ids import random_id
from ..run.outlast import outlasted
from ..run.raised import Raised, tried
from ..run.runner import Runner
from ..run.worker import GRACE_S, told
from ..store.values import Listed
from .base import Runners, has_begun, queue_of, ticket_of

try:
    from dbos import (
        DBOS,
        DBOSClient,
        DBOSPortableJSONSerializer,
        EnqueueOptions,
        WorkflowSerializationFormat,
    )

    from ..store.sql.url import limited, opened
    from .sweep import Sweep
except ImportError as error:
    raise StartError(f"DBOS as an engine needs some packages: {to_install('dbos')}") from error

POLL_S = 0.1
"""Seconds between two looks at a queue of ours. DBOS says 1, and each run would wait for it."""

_APP = "fsm_orch"
"""The name and version of an app of our own. What a process can drive is said by the queues that it looks at."""


class DBOSEngine(Generic[C, D]):
    """Queues runs with DBOS, and drives those that it delivers.

        engine = DBOSEngine(Runner(Support, store=url), url=url)
        run_id = await engine.enqueue(Ticket(query="..."))  # in any process
        await engine.work()  # in as many as wanted

    In an app of DBOS that you have, give `client` instead of `url`, before `DBOS.launch()`: the workflow is registered
    then, and all holds that the app is configured for. An app of our own is launched by `work`, one in a process.

    Args:
        runner: of the machine whose runs are queued here; it has a store.
        url: the database of DBOS, in PostgreSQL.
        client: reaches the database of the app that you launch.
        also: further runners on the same store, such as of an older version of the machine.
        deps: makes the dependencies of a run, as for `Runner.work`.
        concurrency: how many runs of each machine a process drives at once. It is a setting of the queue, which the
            first worker makes; who registers `engine.queue` before chooses all settings, such as rate limits.

    Raises StartError: if not one of `url` and `client` is given, or `url` names no such database; if a runner has no
        store, or another one; or dependencies are missing.
    Raises ValueError: if `concurrency` is less than 1.
    """

    def __init__(
        self,
        runner: Runner[C, D],
        *,
        url: str | None = None,
        client: DBOSClient | None = None,
        also: Sequence[Runner[Any, Any]] = (),
        deps: Factory[Any] | None = None,
        concurrency: int = 50,
    ) -> None:
        given.check_work(concurrency=concurrency)
        self._runners = Runners(runner, also=also, deps=deps)
        self._queues = {digest: queue_of(digest) for digest in self._runners.by_digest}
        self._url, self._concurrency = url, concurrency
        self._loop: asyncio.AbstractEventLoop | None = None
        self._grace_s = GRACE_S
        self._stopped = asyncio.Event()
        if (url is None) == (client is None):
            raise StartError("DBOS has one database: give its url=, or the client= of an app that you launch")
        if client is not None:
            self._register()
        self._client = client or _client(url or "")
        self._sweep = Sweep(self._runners, self._client, self._queues.values(), self._hand)

    @property
    def queue(self) -> str:
        """The name of the queue in which runs begin."""
        return self._queues[self._runners.first.definition.digest]

    async def enqueue(self, context: C, **options: Unpack[RunOptions]) -> str:
        """Queue a run, and return its id at once; see `Runner.enqueue`. To say the same again changes nothing.

        Once it is stored it is queued: what DBOS cannot be told now, the next sweep of a worker tells it.

        Raises as `Runner.enqueue` does.
        """
        return await self._runners.enqueue(context, options, self._hand, engine="DBOS")

    async def work(self, *, poll_s: float = 1.0) -> None:
        """Drive what DBOS delivers, and sweep, until this, or one of its runners, is drained.

        Args:
            poll_s: seconds between two sweeps. What was answered, or has expired, is found by one of them.

        Raises StartError: if a server of tools cannot be reached, or DBOS be launched.
        Raises ValueError: if `poll_s` is no time.
        Raises asyncio.CancelledError: if the caller cancels, once all is drained.
        """
        given.check_work(poll_s=poll_s)
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            for runner in self._runners.by_digest.values():
                await stack.enter_async_context(runner)
            if self._url is not None:
                await stack.enter_async_context(self._launched(self._url))
            try:
                await self._runners.repeat(self._swept, every_s=poll_s, until=self._stopped)
                await self._runners.drain_rest(self._grace_s)
            except BaseException:
                await outlasted(self.drain)
                raise

    async def drain(self, *, grace_s: float = GRACE_S) -> None:
        """Stop driving runs, and hand back to DBOS those that have not ended; see `Runner.drain`. Then `work` returns.

        An app of yours goes on to deliver until `DBOS.destroy()`; what it delivers is handed back.
        """
        self._grace_s = grace_s
        self._stopped.set()
        await self._runners.drain(grace_s)

    def close(self) -> None:
        """Close the connections to the database of DBOS, unless they are those of your client."""
        if self._url is not None:
            self._client.destroy()

    async def _swept(self) -> None:
        try:
            for queue in self._queues.values():  # again and again: a database that was away has none yet
                await self._client.register_queue_async(
                    queue,
                    worker_concurrency=self._concurrency,
                    polling_interval_sec=POLL_S,
                    on_conflict="never_update",
                )
            await self._sweep(DBOS.application_version)
        except Exception as error:
            report("DBOS could not be swept: %s was raised", type(error).__name__)

    async def _hand(self, row: Listed) -> None:
        """Make the ticket of a run; nothing happens if DBOS holds it."""
        name = self._queues[row.digest]  # of the workflow too
        ticket: EnqueueOptions = {
            "workflow_name": name,
            "queue_name": name,
            "workflow_id": ticket_of(row),
            "serialization_type": WorkflowSerializationFormat.PORTABLE,  # never pickle, whatever the app has
        }
        if not has_begun(row):  # a ticket without a priority goes first
            ticket["priority"] = 1
        if self._url is None and DBOS.application_version:  # elsewhere, and in an app of our own, it is the latest
            ticket["app_version"] = DBOS.application_version
        await self._client.enqueue_async(ticket, row.run_id)

    def _register(self) -> None:
        for queue in self._queues.values():
            DBOS.workflow(name=queue, max_recovery_attempts=None)(self._workflow(queue))

    def _workflow(self, queue: str) -> Any:
        async def drive(run_id: str) -> str:
            # on the loop of `work`, and out of reach of DBOS, which cancels what is under way: that would land the run
            loop = self._loop or asyncio.get_running_loop()
            driving = asyncio.run_coroutine_threadsafe(tried(partial(self._runners.deliver, run_id)), loop)
            came = await asyncio.shield(asyncio.wrap_future(driving))
            if isinstance(came, Raised):  # DBOS stores and logs it, with whatever it was raised from
                raise FsmError(f"run {run_id!r} could not go on: {told(came.error)}") from None
            if came == "drained":
                await self._client.resume_workflows_async([str(DBOS.workflow_id)], queue_name=queue)
            return came

        return drive

    @asynccontextmanager
    async def _launched(self, url: str) -> AsyncIterator[None]:
        """Have an app of our own until the block is left."""
        try:
            await self._client.check_connection_async()  # to launch it would be tried for ever
        except Exception as error:
            raise StartError(f"DBOS cannot be reached on {opened(url).shown}: {type(error).__name__}") from None
        executor_id = f"{_APP}-{random_id()}"  # else what a live process works off would be begun in another too
        DBOS(
            config={
                "name": _APP,
                "system_database_url": limited(url),
                "serializer": DBOSPortableJSONSerializer(),
                "executor_id": executor_id,
                "application_version": _APP,
                "log_level": "WARNING",
            }
        )
        if DBOS.executor_id != executor_id:
            raise StartError("this process has an app of DBOS already: give its client= instead of a url=")
        DBOS.listen_queues(list(self._queues.values()))
        self._register()
        try:
            DBOS.launch()  # here, and not in a thread: workflows run on the loop from which it is launched
        except Exception as error:
            DBOS.destroy()
            raise StartError(f"DBOS could not be launched on {opened(url).shown}: {type(error).__name__}") from None
        try:
            yield
        finally:
            patience_s = math.ceil(self._grace_s + GRACE_S)
            await outlasted(partial(asyncio.to_thread, DBOS.destroy, workflow_completion_timeout_sec=patience_s))


def _client(url: str) -> DBOSClient:
    """Return a client of our own app; nothing is connected yet, and what is asked while DBOS is away fails at once.

    Raises StartError: if the URL names no database in PostgreSQL.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise StartError("DBOS has its queues in PostgreSQL here: 'postgresql://USER:PASSWORD@HOST/DATABASE'")
    opened(url)
    try:
        return DBOSClient(
            system_database_url=limited(url),
            serializer=DBOSPortableJSONSerializer(),
            application_name=_APP,
            lazy=True,
            retry_connection_errors=False,
        )
    except Exception as error:  # which may quote the URL
        raise StartError(f"DBOS takes no such URL: {type(error).__name__}") from None
