"""What workers waste who look at one queue: claims in vain, by how many there are and how they pick. Simulated.

    python tests/benchmarks/contention.py [WORKERS ...] [PICKS ...]

The worker is the real one, on virtual time; its store is a list, 2 to 20 ms away, and driving a run is a sleep.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Any

from fsm_orch import Context, Final, Machine, Runner, State, Visit
from fsm_orch.errors import LeaseHeld
from fsm_orch.run.worker import Worker
from fsm_orch.store import Head, Listed
from fsm_orch.testing.clock import virtual_time

PLACES, TAKES_S, POLL_S = 10, 2.0, 1.0
"""How many runs a worker drives at once, how long each takes, and the pause between two looks."""


class Nothing(Context):
    """Nothing."""


def nothing(visit: Visit[Nothing]) -> None:
    """Do nothing."""


class Idle(Machine[Nothing]):
    """A machine that is never driven here."""

    only = State(nothing, initial=True)
    end, fallback = Final(), Final(fallback=True)
    done = only.to(end)


class Pool:
    """A queue, as a store far away."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.free: dict[str, float] = {}
        """When each was queued, oldest first."""
        self.looks = self.wasted = self.done = 0
        self.waits = list[float]()

    async def trip(self) -> None:
        """Be under way, one way."""
        await asyncio.sleep(self._chance.uniform(0.001, 0.01))

    async def claimable(self, digests: Sequence[str], *, limit: int, **_: Any) -> Sequence[Listed]:
        """Show the oldest."""
        await self.trip()
        self.looks += 1
        found = [_listed(run_id, digests[0]) for run_id in islice(self.free, limit)]
        await self.trip()
        return found

    async def claim(self, run_id: str) -> None:
        """Give one to who comes first."""
        await self.trip()
        queued_at = self.free.pop(run_id, None)
        if queued_at is not None:
            self.waits.append(asyncio.get_running_loop().time() - queued_at)
        self.wasted += queued_at is None
        await self.trip()
        if queued_at is None:
            raise LeaseHeld(run_id)


class Picks(Worker):
    """The worker, whose runs are sleeps."""

    pool: Pool

    async def _drive(self, listed: Listed) -> bool:
        await self.pool.claim(listed.run_id)
        await asyncio.sleep(TAKES_S)
        self.pool.done += 1
        return True


class Now(Picks):
    """As it is: from random places in a page that is wider the more was in vain."""


class OldestFirst(Picks):
    """As it was: a page of as many as it has places, all of it, oldest first."""

    def _widen(self) -> None:
        self._width = 1

    def _picked(self, found: Sequence[Listed]) -> Sequence[Listed]:
        return found


class FourTimes(Picks):
    """From random places in a page of four times as many."""

    def _widen(self) -> None:
        self._width = 4


class Batch(Picks):
    """As many as it has places free, found and claimed in one transaction that skips what others hold."""

    async def _look(self) -> bool:
        loop, pool = asyncio.get_running_loop(), self.pool
        if loop.time() < self._look_at:
            return False
        free = self._concurrency - len(self._doing)
        await pool.trip()
        pool.looks += 1
        taken = list(islice(pool.free, free))
        pool.waits += [loop.time() - pool.free.pop(run_id) for run_id in taken]
        await pool.trip()
        self._look_at = loop.time() if len(taken) == free else loop.time() + self._poll_s
        self._found.extend(_listed(run_id, next(iter(self._drivers))) for run_id in taken)
        return bool(taken)

    async def _drive(self, listed: Listed) -> bool:
        await asyncio.sleep(self._chance.uniform(0.5, 1.5) * TAKES_S)
        self.pool.done += 1
        return True


def _listed(run_id: str, digest: str) -> Listed:
    return Listed(
        run_id=run_id, head=Head("only"), digest=digest, inputs=1, epoch=1, owner=None, began_at=0.0, stored_at=0.0
    )


async def contended(kind: type[Picks], workers: int, runs: int, load: float | None) -> dict[str, Any]:
    """Return what becomes of a queue.

    Args:
        load: runs a second that come, as a part of what the workers can do; None: all are there at the start.
    """
    chance = random.Random(1)
    pool, loop, most = Pool(chance), asyncio.get_running_loop(), workers * PLACES / TAKES_S
    drivers = [Runner(Idle)._driver]
    at_work = []
    for _ in range(workers):
        worker = kind(drivers, pool, deps=None, concurrency=PLACES, poll_s=POLL_S, chance=chance)  # type: ignore[arg-type]
        worker.pool = pool
        at_work.append(asyncio.ensure_future(_after(chance.random(), worker.work)))
    for n in range(runs):
        pool.free[f"r{n}"] = loop.time()
        if load is not None:
            await asyncio.sleep(1 / (load * most))
    while pool.done < runs:  # noqa: ASYNC110 - of any worker
        await asyncio.sleep(0.1)
    took, waits = loop.time(), sorted(pool.waits)
    for task in at_work:
        task.cancel()
    await asyncio.gather(*at_work, return_exceptions=True)
    return {
        "runs_s": round(runs / took),
        "of_most": round(runs / took / most, 2),
        "looks_a_run": round(pool.looks / runs, 2),
        "wasted_claims_a_run": round(pool.wasted / runs, 2),
        "waited_s_median_p99_max": [round(waits[min(runs - 1, int(runs * part))], 2) for part in (0.5, 0.99, 1)],
    }


async def _after(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(seconds)
    await work()


if __name__ == "__main__":
    kinds = {kind.__name__: kind for kind in (OldestFirst, FourTimes, Now, Batch)}
    chosen = [kinds[word] for word in sys.argv[1:] if word in kinds] or list(kinds.values())
    for workers in [int(word) for word in sys.argv[1:] if word.isdigit()] or [2, 12, 100, 1_000]:
        for load in (None, 0.7):
            for kind in chosen:
                with virtual_time() as loop:
                    said = loop.run(contended(kind, workers, 10_000 if workers >= 100 else 100 * workers, load))
                print(json.dumps({"workers": workers, "load": load, "picks": kind.__name__, **said}), flush=True)
