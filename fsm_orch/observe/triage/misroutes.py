"""Handoffs that were probably wrong. Without labels nobody knows, so what happened next is taken for a sign.

A handoff is *doubted* if its target handed right back, or if the run was landed from its target. Both may be as
declared: a circle that is meant to be gone round, or a question that nobody can answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ...define.definition import Definition
from ...kernel.hop import Hop
from .machines import Known, edge_of
from .runs import Machine, Run
from .shares import Interval, Rows, wilson


class Misroute(Struct, frozen=True, kw_only=True):
    """A handoff, and how often it was doubted."""

    machine: str
    source: str
    handoff: str
    target: str
    where: str | None
    """`file:line` of its declaration; None if the definition is not known."""
    doubted: Interval
    """Of all times that it was taken."""
    back: int
    landed: int
    example: str
    """A run in which it was doubted: the first in the alphabet, in whatever order they were read."""


class Misroutes(Struct, frozen=True):
    """All handoffs, and those that were doubted: first those that surely are doubted often."""

    doubted: Interval
    handoffs: tuple[Misroute, ...]
    left_out: int


class _Row:
    __slots__ = ("back", "example", "landed", "taken")

    def __init__(self) -> None:
        self.taken = self.back = self.landed = 0
        self.example = ""


def misroutes(runs: Iterable[Run], known: Mapping[str, Definition]) -> Misroutes:
    """Return the handoffs that were doubted, by the lower bound of their share.

    Args:
        known: definitions, by their digests.
    """
    rows = Rows[tuple[Machine, Hop], _Row](_Row)
    for run in runs:
        path = run.path
        for place, hop in enumerate(path):
            if hop.handoff is None:
                continue
            row = rows.of((run.machine, hop))
            row.taken += 1
            after = path[place + 1] if place + 1 < len(path) else None
            if after is None or after.source != hop.target:
                continue
            is_landed, is_back = after.handoff is None, after.target == hop.source
            row.landed += is_landed
            row.back += is_back and not is_landed
            if is_landed or is_back:
                row.example = min(row.example or run.run_id, run.run_id)
    doubts = [(key, row) for key, row in rows.items() if row.back or row.landed]
    found = [_misroute(machine, hop, row, Known(known).of(machine)) for (machine, hop), row in doubts]
    found.sort(key=lambda each: (-each.doubted.low, each.source, each.handoff))
    whole = wilson(sum(row.back + row.landed for row in rows.values()), sum(row.taken for row in rows.values()))
    return Misroutes(whole, tuple(found), rows.left_out)


def _misroute(machine: Machine, hop: Hop, row: _Row, definition: Definition | None) -> Misroute:
    handoff = None if definition is None else edge_of(definition, hop)
    return Misroute(
        machine=machine.name,
        source=hop.source,
        handoff=hop.handoff or "",
        target=hop.target,
        where=None if handoff is None else handoff.where,
        doubted=wilson(row.back + row.landed, row.taken),
        back=row.back,
        landed=row.landed,
        example=row.example,
    )


def reached(run: Run, labels: frozenset[str]) -> str:
    """Return the first label that a run entered; if it entered none, the state in which it ended or stands."""
    path = run.path
    entered = [path[0].source, *(hop.target for hop in path)] if path else [run.state]
    return next((state for state in entered if state in labels), run.state)
