"""The dearest path of a skeleton, searched for visit by visit under the bound of its tolls.

Of paths that stand in the same state after the same visits only the dearest is kept, and one that cannot become dearer
than the best path so far is dropped: both lose nothing. If more than `width` paths of one length are left, the most
promising are kept. The width grows from 1 until nothing that matters was lost, and then the path found is the dearest;
or until it passes `WIDEST`, and then it is a witness, perhaps not the dearest.
"""

from __future__ import annotations

from heapq import nlargest
from typing import NamedTuple

from .tolls import Tolls

WIDEST = 512
"""Paths of one length that are followed at most; keep in sync with `_MOST_OPEN` of `verifier`."""


class Found(NamedTuple):
    """A path that a run can take, its guards and the limits of tokens and cost left aside."""

    states: tuple[str, ...]
    """Its visits, from the initial state on."""
    amount: int
    """What they are charged at most."""
    is_dearest: bool
    """Whether no path is dearer, for certain."""


class _Path(NamedTuple):
    state: str
    before: _Path | None
    amount: int
    gained: int
    """The sum of c - lambda over its visits after the first, in parts of the tolls's unit."""
    seen: tuple[str, ...] = ()
    """Its visits of scarce states after the first visit, sorted."""


def dearest_path(tolls: Tolls, *, widest: int = WIDEST) -> Found:
    """Search for the dearest path."""
    initial = tolls.skeleton.initial
    start = best = _Path(initial, None, tolls.worst_case[initial], 0)
    width, is_dearest = 1, False
    while not is_dearest and width <= widest:
        best, is_dearest = _sweep(tolls, start, best, width)
        width *= 8
    return Found(_states(best), best.amount, is_dearest)


def _sweep(tolls: Tolls, start: _Path, best: _Path, width: int) -> tuple[_Path, bool]:
    """Follow at most `width` paths of each length; returns the best, and whether none can be dearer."""
    paths, is_dearest = [start], True
    for hops in range(1, tolls.skeleton.hops):
        longer = _longer(tolls, paths)
        best = max(best, *longer, key=lambda path: path.amount) if longer else best
        hopeful = [path for path in longer if tolls.reach(path.gained, path.state, hops) > best.amount]
        paths = nlargest(width, hopeful, key=lambda path: tolls.reach(path.gained, path.state, hops))
        is_dearest = is_dearest and len(paths) == len(hopeful)
    return best, is_dearest


def _longer(tolls: Tolls, paths: list[_Path]) -> list[_Path]:
    """Take every path one visit further."""
    left, scarce = tolls.skeleton.visits_left, tolls.skeleton.scarce
    grown: dict[tuple[str, tuple[str, ...]], _Path] = {}
    for path in paths:
        for state in tolls.skeleton.onward[path.state]:
            if state in scarce and path.seen.count(state) >= left[state]:
                continue
            seen = tuple(sorted((*path.seen, state))) if state in scarce else path.seen
            amount = path.amount + tolls.worst_case[state]
            rival = grown.get((state, seen))
            if rival is None or rival.amount < amount:
                grown[state, seen] = _Path(state, path, amount, path.gained + tolls.gain[state], seen)
    return list(grown.values())


def _states(path: _Path) -> tuple[str, ...]:
    states = [path.state]
    while path.before is not None:
        path = path.before
        states.append(path.state)
    return tuple(reversed(states))
