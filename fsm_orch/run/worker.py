"""A worker: drives the runs of a store that nobody drives, many at once, until it is drained.

A run that raises is told to the log, and left alone for a while; no run stops the worker, or keeps others waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from random import Random
from typing import Any

from ..errors import Drained, FsmError, LeaseHeld, LeaseLost, Overloaded, StartError
from ..reported import report
from ..store.base import Store
from ..store.values import Listed
from . import going_on
from .deps import Factory, opened
from .driver import Driver
from .outlast import outlasted
from .raised import Raised, tried
from .servers import connected
from .waiting import overdue

GRACE_S = 10.0
"""How long what is under way may take to end, when the caller cancels."""

REST_S = 30.0
"""How long a run is left alone that could not go on."""

WIDEST = 64
"""How many times as many runs as it has places a worker looks at, at most."""


class Worker:
    """Drives runs of one store.

    Args:
        drivers: of the machines whose runs are driven, the first of which knows what time it is.
        deps: makes the dependencies of a run, where its machine has some.
        concurrency: how many runs are driven at once; no more than an admission has places for, or they would fill the
            line before it, and keep out who asks now.
        poll_s: the pause between two looks at a store in which no more was found.
        chance: keeps workers that look at the same runs from trying the same ones.
    """

    def __init__(
        self,
        drivers: Sequence[Driver],
        store: Store,
        *,
        deps: Factory[Any] | None,
        concurrency: int,
        poll_s: float,
        chance: Random,
    ) -> None:
        self._drivers = {driver.compiled.definition.digest: driver for driver in drivers}
        self._store, self._deps = store, deps
        self._concurrency, self._poll_s = concurrency, poll_s
        if (places := _places(drivers)) is not None:
            self._concurrency = min(concurrency, places)
        self._wall_clock = drivers[0].wall_clock
        self._doing: dict[str, asyncio.Task[None]] = {}
        self._found: deque[Listed] = deque()
        """Runs that nobody drove a moment ago, the one that began first first."""
        self._chance = chance
        self._width = 1
        """How many times as many runs as there are places are looked at."""
        self._tried = self._in_vain = 0
        """How many of those that were found last were tried, and were another worker's by then."""
        self._rests: dict[str, float] = {}
        """By the loop's time, until when runs are left alone."""
        self._look_at = 0.0
        """By the loop's time, when the store is looked at again."""
        self._freed = asyncio.Event()
        """Set when a place has become free."""

    @property
    def _is_draining(self) -> bool:
        return any(driver.driven.is_draining for driver in self._drivers.values())

    async def work(self) -> None:
        """Drive runs until the worker is drained, or its caller cancels, which drains it.

        Raises StartError: if a server of tools cannot be reached.
        Raises asyncio.CancelledError: if the caller cancels, once all is drained.
        """
        async with AsyncExitStack() as stack:
            for driver in self._drivers.values():
                await stack.enter_async_context(connected(driver.needs))
            try:
                while not self._is_draining:
                    await self._fill()
                    await self._wait()
            except GeneratorExit:  # this coroutine is being closed, and may not wait any more
                raise
            except BaseException:
                await outlasted(self._drain)
                raise
            _, cancelled = await outlasted(self._drain)
            if cancelled is not None:
                raise cancelled

    async def _drain(self) -> None:
        """Let go of all that is driven; dependencies that take longer than the grace to open or close are cut off."""
        driven = [driver.driven for driver in self._drivers.values()]
        await asyncio.gather(*[each.drain(GRACE_S) for each in driven if not each.is_draining])
        while self._doing:
            await asyncio.wait(self._doing.values(), timeout=GRACE_S)
            for run_id, task in self._doing.items():
                if not any(run_id in each for each in driven):  # else its own grace holds
                    task.cancel()

    async def _fill(self) -> None:
        """Begin to drive runs, as long as there are places, and runs."""
        while len(self._doing) < self._concurrency and not self._is_draining:
            if not self._found and not await self._look():
                return
            listed = self._found.popleft()
            if listed.run_id not in self._doing:
                self._doing[listed.run_id] = asyncio.ensure_future(self._kept(listed))

    async def _look(self) -> bool:
        """Find runs, unless none were left a moment ago. Return whether there are any."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return False
        self._rests = {run_id: until for run_id, until in self._rests.items() if until > now}
        mine = self._mine()  # when it asks: what has ended by the answer is not begun anew
        # so many that those which are left out here hide no others
        self._widen()
        limit = self._concurrency * self._width + len(self._rests) + len(mine)
        claimable = partial(self._store.claimable, tuple(self._drivers), expired_before=self._wall_clock(), limit=limit)
        rows, cancelled = await outlasted(claimable)
        if cancelled is not None:
            raise cancelled
        if isinstance(rows, Raised):
            report("the store could not be asked for runs: %s", told(rows.error))
            rows = ()
        self._look_at = now if len(rows) == limit else now + self._poll_s
        left_out = self._rests.keys() | mine | self._mine()
        self._found.extend(self._picked([row for row in rows if row.run_id not in left_out]))
        return bool(self._found)

    def _picked(self, found: Sequence[Listed]) -> Sequence[Listed]:
        """Return the part of some runs that is this worker's to try, in their order, and no more than it has places."""
        count = min(self._concurrency, -(-len(found) // self._width))
        return [found[place] for place in sorted(self._chance.sample(range(len(found)), count))]

    def _widen(self) -> None:
        """Look at more runs if others were faster at many, and at fewer if they were at none."""
        # a worker alone takes what began first; a thousand would all try the same, and most in vain
        if self._in_vain * 4 > self._tried:
            self._width = min(WIDEST, self._width * 2)
        elif not self._in_vain:
            self._width = max(1, self._width // 2)
        self._tried = self._in_vain = 0

    def _mine(self) -> frozenset[str]:
        """Return the runs that are driven by this process, to which a store would give them again."""
        driven = next(iter(self._drivers.values())).driven
        return driven.on_store.union(self._doing)

    async def _wait(self) -> None:
        """Wait until a place is free, or it is time to look again."""
        loop, is_full = asyncio.get_running_loop(), len(self._doing) >= self._concurrency
        with suppress(TimeoutError):
            async with asyncio.timeout(None if is_full else max(0.0, self._look_at - loop.time())):
                await self._freed.wait()
        self._freed.clear()

    async def _kept(self, listed: Listed) -> None:
        """Drive a run; whatever is raised is told."""
        self._tried += 1
        came = await tried(partial(self._drive, listed))
        del self._doing[listed.run_id]
        self._freed.set()
        if isinstance(came, Raised):
            self._failed(listed.run_id, came.error)
        elif not came:
            self._leave(listed.run_id, "stands where it stood: nothing that came for it fits")

    async def _drive(self, listed: Listed) -> bool:
        """Go on with a run, until it ends or waits. Return whether anything has happened to it."""
        driver = self._drivers[listed.digest]
        async with opened(driver.compiled.definition, self._deps, listed) as deps:
            run = await going_on.resume(driver, listed.run_id, deps)
            if run.now.is_waiting and overdue(run, driver.wall_clock()) is not None:
                run = await going_on.expire(driver, listed.run_id, deps)
        return len(run.journal) > listed.inputs

    def _failed(self, run_id: str, error: BaseException) -> None:
        """Report what a run raised, and leave it alone unless others go on with it."""
        if isinstance(error, LeaseHeld):  # another worker was faster
            self._in_vain += 1
            return
        if isinstance(error, StartError) and self._is_draining:  # it was found, and nothing begins any more
            return
        if isinstance(error, Drained | LeaseLost):
            report("%s", error, level=logging.INFO if isinstance(error, Drained) else logging.WARNING)
            return
        if isinstance(error, Overloaded):  # it is in the queue as before
            self._rest(run_id, error.retry_after_s)
            return
        self._leave(run_id, f"could not go on: {told(error)}")

    def _leave(self, run_id: str, why: str) -> None:
        self._rest(run_id, REST_S)
        report("run %s %s. It is left alone for %d s", run_id, why, REST_S)

    def _rest(self, run_id: str, seconds: float) -> None:
        """Leave a run alone for a while."""
        self._rests[run_id] = asyncio.get_running_loop().time() + seconds


def _places(drivers: Sequence[Driver]) -> int | None:
    """Return how many runs have places at once; None if one driver's have no admission, or weigh tokens there."""
    before = {None if driver.entrance is None else driver.entrance.admission for driver in drivers}
    places = [each.most for each in before if each is not None and each.by == "runs"]
    return sum(places) if len(places) == len(before) else None


def told(error: BaseException) -> str:
    """Return what is said of an error: a message of our own; of others nothing, since it may hold anything."""
    return f"{type(error).__name__}: {error}" if isinstance(error, FsmError) else type(error).__name__
