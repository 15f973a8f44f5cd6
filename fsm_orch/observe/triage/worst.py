"""The dearest runs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from .runs import Run

By = Literal["tokens", "cost", "hops", "seconds"]


class Dear(Struct, frozen=True, kw_only=True):
    """A run, and what it took."""

    run_id: str
    machine: str
    tokens: int
    micro_dollars: int
    """0 where no price was known."""
    calls: int
    hops: int
    seconds: float
    """For how long it was active."""
    state: str
    """Where it ended, or stands."""
    has_ended: bool
    landing: str | None
    path: tuple[str, ...]


class Worst(Struct, frozen=True, kw_only=True):
    """The dearest of many runs, the dearest first, and what all of them took."""

    runs: int
    tokens: int
    micro_dollars: int
    calls: int
    dearest: tuple[Dear, ...]


class _Kept(NamedTuple):
    amount: float
    run: Run

    def __lt__(self, other: Any) -> bool:
        return (self.amount, other.run.run_id) < (other.amount, self.run.run_id)


def worst(runs: Iterable[Run], *, top: int, by: By = "tokens") -> Worst:
    """Return the dearest runs. What machines inside a run took is that run's.

    Args:
        top: how many.
        by: what they are compared by; of equal ones the first in the alphabet comes first.
    """
    kept: list[_Kept] = []
    count = tokens = cost = calls = 0
    for run in runs:
        if run.is_inside:
            continue
        count += 1
        tokens, cost, calls = tokens + run.tokens, cost + run.cost, calls + run.calls
        entry = _Kept(getattr(run, by), run)
        if len(kept) < top:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)
    dearest = tuple(_dear(one.run) for one in sorted(kept, reverse=True))
    return Worst(runs=count, tokens=tokens, micro_dollars=cost, calls=calls, dearest=dearest)


def _dear(run: Run) -> Dear:
    return Dear(
        run_id=run.run_id,
        machine=run.machine.name,
        tokens=run.tokens,
        micro_dollars=run.cost,
        calls=run.calls,
        hops=run.hops,
        seconds=run.seconds,
        state=run.state,
        has_ended=run.ended,
        landing=None if run.landing is None else run.landing[1],
        path=tuple(map(str, run.path)),
    )
