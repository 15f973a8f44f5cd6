"""What a runner does with runs that any process may drive: it queues them, and drives those that nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Generic, Unpack, overload

from ..define.definition import Definition
from ..define.machine import C, D
from ..errors import StartError
from ..kernel.inputs import Started
from ..observe.tracing import called
from . import given, queue
from .deps import Factory
from .driver import Driver
from .first import RunOptions
from .loading import checked
from .worker import Worker


class Working(Generic[C, D]):
    """The part of a runner that queues runs, and works on those of its store."""

    definition: Definition
    _driver: Driver

    def _first(self, context: C, options: RunOptions) -> Started:
        """Return the first input of a run."""
        raise NotImplementedError

    async def enqueue(self, context: C, **options: Unpack[RunOptions]) -> str:
        """Store the beginning of a run, for any worker of the store to drive; return its id at once.

        To say the same again, under the same `run_id`, changes nothing: it is one run, whose money is moved once.

        Args:
            context: the first snapshot.
            options: see `RunOptions`. Dependencies are not among them: the worker makes its own.

        Raises StartError: if the runner has no store, or one that does not keep all fields, or as `run` does.
        Raises StoreError: if another run has this `run_id`, or the store fails.
        Raises asyncio.CancelledError: if the caller cancels. The run is queued all the same, unless the store failed.
        """
        store, first = checked(self._driver.store), self._first(context, options)
        if self._driver.redacted:
            fields = ", ".join(sorted(self._driver.redacted))
            raise StartError(
                f"a worker would find {fields} redacted: it knows of a queued run only what its store keeps. Leave "
                "redact= out, and keep all under a codec"
            )
        first = called(first, self._driver.observers_now())
        await queue.enqueue(store, self._driver.compiled, first)
        return first.run_id

    @overload
    async def work(
        self: Working[C, None],
        *,
        concurrency: int = ...,
        poll_s: float = ...,
        also: Sequence[Working[Any, Any]] = ...,
    ) -> None: ...

    @overload
    async def work(
        self,
        *,
        deps: Factory[D],
        concurrency: int = ...,
        poll_s: float = ...,
        also: Sequence[Working[Any, Any]] = ...,
    ) -> None: ...

    async def work(
        self,
        *,
        deps: Factory[Any] | None = None,
        concurrency: int = 50,
        poll_s: float = 1.0,
        also: Sequence[Working[Any, Any]] = (),
    ) -> None:
        """Drive the runs of the store that nobody drives, until the worker is drained; see `drain`.

        They were queued, or drained, or the lease of their worker is over; or they wait, and a question has expired, or
        an answer or a cancellation has come. As many workers as wanted share a store, and a run is driven by one. A
        worker alone takes the one that began first first; of several each tries some of the oldest. Runs of other
        machines are left to others.

        A run that cannot go on, such as one of changed code, is logged, and left alone for half a minute.

        Args:
            deps: makes the dependencies of a run, called once a run with what `store.list` shows of it, such as its
                `run_id` and its `tenant`. A context manager, async or not, is left when the run ends or waits. What
                runs share, such as a pool, is opened around `work`.
            concurrency: how many runs are driven at once.
            poll_s: seconds between two looks at a store in which nothing more was found.
            also: further runners on the same store, such as of an older version of the machine.

        Raises StartError: if there is no store, or another one in `also`; if dependencies are missing; or a server of
            tools cannot be reached.
        Raises ValueError: if `concurrency` is less than 1, or `poll_s` is no time.
        Raises asyncio.CancelledError: if the caller cancels, however often, once all is drained.
        """
        drivers = [self._driver, *(runner._driver for runner in also)]
        store = checked(self._driver.store)
        if any(driver.store is not store for driver in drivers):
            raise StartError("a worker has one store: give each runner of also= the same, store=runner.store")
        given.check_work(concurrency=concurrency, poll_s=poll_s)
        given.check_factory([driver.compiled.definition for driver in drivers], deps)
        # chance that nobody has to repeat: it says who of several workers tries which run first
        chance = Random()  # noqa: S311 - it keeps no secret
        await Worker(drivers, store, deps=deps, concurrency=concurrency, poll_s=poll_s, chance=chance).work()
