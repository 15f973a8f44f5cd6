"""What is due: what the world owes a run, as a pure function of what the run is.

A runner begins what is due and nobody is at work on, and stops what is no longer due. There is no other code for a run
that is resumed: whatever was under way when its process ended is due again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .configuration import Ask, Configuration
from .effects import Act, AskHuman, Effect, UseTool


def due(now: Configuration) -> tuple[Effect, ...]:
    """Return what is due: either that an agent acts, or whatever is open of its round, by number."""
    visit = now.visit
    if visit is None:  # it has ended
        return ()
    if visit.round is None:
        return (Act(now.path, now.hops, now.state, visit.attempt),)
    return tuple([effect for number in visit.round.numbers for effect in _of(now, number, visit.asks[number])])


def _of(now: Configuration, number: int, ask: Ask) -> tuple[Effect, ...]:
    if ask.child is not None:  # of a part while it runs
        return due(ask.child)
    if not ask.is_open or now.visit is None:
        return ()
    kind = AskHuman if ask.is_asking_human else UseTool
    return (kind(now.path, now.hops, now.state, now.visit.attempt, number),)


class Difference(NamedTuple):
    """What has changed of what is due."""

    over: tuple[Effect, ...]
    """What was due, and is no longer."""
    begun: tuple[Effect, ...]
    """What was not due, and is now."""


def difference(before: Configuration | None, now: Configuration) -> Difference:
    """Return what has changed of what is due since the run was another configuration; None: since it was none.

    Only what has changed is looked at, so that a round of a thousand asks takes no longer for each than one of ten.
    """
    over, begun = list[Effect](), list[Effect]()
    for was, is_now in _changed(before, now):
        both = set(was).intersection(is_now)
        over += [effect for effect in was if effect not in both]
        begun += [effect for effect in is_now if effect not in both]
    return Difference(tuple(over), tuple(begun))


def _changed(
    before: Configuration | None, now: Configuration
) -> Iterator[tuple[tuple[Effect, ...], tuple[Effect, ...]]]:
    """Yield what was due and what is due, in each place where something has changed."""
    if before is now:
        return
    if before is None or not _is_same_round(before, now):
        yield () if before is None else due(before), due(now)
        return
    assert before.visit is not None
    assert now.visit is not None
    for number in now.visit.asks.changed(before.visit.asks):
        was, ask = before.visit.asks[number], now.visit.asks[number]
        if was.child is not None and ask.child is not None:
            yield from _changed(was.child, ask.child)
        else:
            yield _of(before, number, was), _of(now, number, ask)


def _is_same_round(before: Configuration, now: Configuration) -> bool:
    was, visit = before.visit, now.visit
    if was is None or visit is None or was.round is None or visit.round is None:
        return False
    return before.hops == now.hops and was.attempt == visit.attempt
