"""Which runs wait for humans, as stores count them: looked at now and then, and never in the way of who asks.

Counters say what was asked since the process began; a run may wait for longer than any process lives.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from ..clock import Clock
from ..reported import report
from ..store.waiting import CountsWaiting, Waiting
from .load import Loaded
from .telling import named

_EACH_S = 15.0
"""Seconds from one look at the stores to the next: to count a hundred thousand runs may cost a database 0.1 s."""

_PATIENCE_S = 1.0
"""For how many seconds who asks waits for a count; then it is given what was counted before."""

_MOST_S = 10.0
"""Seconds that one store may take: less than until the next look, so that one which hangs is asked again."""


class Wait(NamedTuple):
    """The runs that wait in one state."""

    runs: int = 0
    oldest_s: float = 0.0
    """Seconds since the one that waits longest was stored; 0 if none waits."""

    def beside(self, other: Wait) -> Wait:
        """Return both together."""
        return Wait(self.runs + other.runs, max(self.oldest_s, other.oldest_s))


_Found = tuple[tuple[str, str], Wait]
"""The names of a machine and of a state, and what waits there."""


class Waits:
    """Looks at the stores of runners.

    Args:
        show: told of each state of each machine, and of the runs that wait there, after a look.
        clock: seconds, of the time between two looks.
        wall_clock: seconds of the epoch.
    """

    def __init__(
        self,
        show: Callable[[str, str, Wait], None],
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self._show, self._clock, self._wall_clock = show, clock, wall_clock
        self._again_at = -1.0
        self._looking: asyncio.Task[None] | None = None

    async def look(self, runners: Collection[Loaded]) -> None:
        """Look at the stores of runners, unless that was done lately; wait for it, but not for long."""
        looking = self._looking
        # one of a loop that is stopped, or closed, never ends
        is_under_way = looking is not None and not looking.done() and looking.get_loop().is_running()
        if is_under_way or self._clock() < self._again_at:
            return
        self._again_at = self._clock() + _EACH_S
        self._looking = asyncio.create_task(self._look(tuple(runners)), name="fsm_orch waits")
        await asyncio.wait({self._looking}, timeout=_PATIENCE_S)

    async def _look(self, runners: Sequence[Loaded]) -> None:
        waits: dict[tuple[str, str], Wait] = {}
        unknown = set[tuple[str, str]]()
        by_store: dict[int, tuple[CountsWaiting, list[Loaded]]] = {}
        for runner in runners:
            store = getattr(runner, "store", None)
            if isinstance(store, CountsWaiting):
                by_store.setdefault(id(store), (store, []))[1].append(runner)
        stores = list(by_store.values())
        counted = await asyncio.gather(*(self._counted(*each) for each in stores))
        for (_, beside), found in zip(stores, counted, strict=True):
            if found is None:
                # what was counted before stays, also where another store has such a machine
                unknown |= {(each.definition.name, state) for each in beside for state in each.definition.states}
                continue
            for place, wait in found:
                waits[place] = wait.beside(waits.get(place, Wait()))
        for (machine, state), wait in waits.items():
            if (machine, state) not in unknown:
                self._show(machine, state, wait)

    async def _counted(self, store: CountsWaiting, runners: Sequence[Loaded]) -> list[_Found] | None:
        """Return what waits in a store; None if it cannot say, or not in time, which is logged."""
        try:
            async with asyncio.timeout(_MOST_S):
                return self._of(await store.waiting(), runners)
        except Exception as error:
            report("what waits in %s is not counted: it raised %s", named(store), type(error).__name__)
            return None

    def _of(self, counted: Sequence[Waiting], runners: Sequence[Loaded]) -> list[_Found]:
        """Return the runs of some machines that wait, by machine and state; without what nobody here knows."""
        now = self._wall_clock()
        found = {(each.digest, each.state): Wait(each.runs, max(0.0, now - each.since)) for each in counted}
        known = {runner.definition.digest: runner.definition for runner in runners}  # several may have one machine
        return [
            ((definition.name, state), found.get((digest, state), Wait()))
            for digest, definition in known.items()
            for state in definition.states
        ]
