"""The most expensive path of a skeleton: a beam search, visit by visit, pruned by the bound of the tolls.

Two kinds of path are dropped without loss. Of paths that stand in the same state after the same visits, only the most
expensive can matter. A path that the tolls show cannot pass the best one so far cannot matter either. If more than
`width` paths of one length are left, only the most promising are followed. The width grows from 1 until no path was
dropped for lack of width, and then the path found is surely the most expensive. If the width passes `WIDEST` first, the
path found is only a witness: a real path, perhaps not the most expensive one.
"""

from __future__ import annotations

from heapq import nlargest
from typing import NamedTuple

from .tolls import Tolls

WIDEST = 512
"""The most paths of one length that are followed; keep in sync with `_MOST_OPEN` of `verifier`."""


class SearchResult(NamedTuple):
    """A path that a run can take; guards and the limits of tokens and cost are ignored."""

    states: tuple[str, ...]
    """The states it visits, in order."""
    amount: int
    """The most that its visits are charged together."""
    is_dearest: bool
    """Whether it is certain that no path is more expensive."""


class _Path(NamedTuple):
    state: str
    before: _Path | None
    amount: int
    gained: int
    """What its first visit has begun with, and the sum of c - lambda over those after it, times `Tolls.unit`."""
    seen: tuple[str, ...] = ()
    """The scarce states it visited, sorted, once for each visit that is counted among those that are left."""


def dearest_path(tolls: Tolls, *, widest: int = WIDEST) -> SearchResult:
    """Find the most expensive path, or an expensive one if that takes too many paths.

    Args:
        widest: the most paths of one length that are followed.
    """
    starts = [_begun(tolls, state) for state in tolls.skeleton.starts]
    best = max(starts, key=lambda path: path.amount)
    width, is_dearest = 1, False
    while not is_dearest and width <= widest:
        best, is_dearest = _sweep(tolls, starts, best, width)
        width *= 8
    return SearchResult(_states(best), best.amount, is_dearest)


def _begun(tolls: Tolls, state: str) -> _Path:
    is_counted = not tolls.skeleton.has_one_start and state in tolls.skeleton.scarce
    return _Path(state, None, tolls.worst_case[state], tolls.begun(state), (state,) if is_counted else ())


def _sweep(tolls: Tolls, starts: list[_Path], best: _Path, width: int) -> tuple[_Path, bool]:
    """Follow at most `width` paths of each length; return the best, and whether surely none is more expensive."""
    paths, is_dearest = starts, True
    for hops in range(1, tolls.skeleton.hops):
        longer = _longer(tolls, paths)
        best = max(best, *longer, key=lambda path: path.amount) if longer else best
        # `reach` bounds every continuation of a path, so one that cannot beat the best path is dropped without loss.
        hopeful = [path for path in longer if tolls.reach(path.gained, path.state, hops) > best.amount]
        paths = nlargest(width, hopeful, key=lambda path: tolls.reach(path.gained, path.state, hops))
        is_dearest = is_dearest and len(paths) == len(hopeful)
    return best, is_dearest


def _longer(tolls: Tolls, paths: list[_Path]) -> list[_Path]:
    """Extend every path by one visit."""
    left, scarce = tolls.skeleton.visits_left, tolls.skeleton.scarce
    grown: dict[tuple[str, tuple[str, ...]], _Path] = {}
    for path in paths:
        for state in tolls.skeleton.onward[path.state]:
            if state in scarce and path.seen.count(state) >= left[state]:
                continue
            # Sorted, since only how often each state was visited decides what may follow, not in which order. States
            # whose visits cannot run out are not counted: they would only keep equal paths apart.
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
