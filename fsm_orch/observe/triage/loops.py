"""What goes round in circles: handoffs of a state to itself, and cycles of two states and more.

A circle is no fault by itself: a definition may declare it, and bounds it. Its *laps* say how often runs went round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from ...define.definition import Definition
from ...kernel.hop import Hop
from .machines import Known, edge_of, most_laps
from .runs import Machine, Run
from .shares import Rows

NOW_S = 300.0
"""A circle that runs went round in the last so many seconds goes on now."""


class Edge(Struct, frozen=True):
    """A handoff on a circle."""

    source: str
    handoff: str
    target: str
    where: str | None
    """`file:line` of its declaration; None if the definition is not known, or has no such handoff."""


class Circle(Struct, frozen=True, kw_only=True):
    """A circle, and the runs that went round it."""

    machine: str
    digest: str
    edges: tuple[Edge, ...]
    runs: int
    laps: int
    most_laps: int
    """Of one run."""
    bound: int | None
    """The laps that its definition lets one run make at most; None if the definition is not known."""
    tokens: int
    """Of a run that went round, on average; other work of that run included."""
    landed: int
    """How many of these runs were landed."""
    example: str
    """The run that went round most often; of several, the first in the alphabet, in whatever order they were read."""
    last_at: float | None
    recent: int
    """Runs whose last lap was in the last five minutes."""

    @property
    def is_bounded(self) -> bool:
        """Whether the definition declares it, and no run went round more often than that allows."""
        return self.bound is not None and self.most_laps <= self.bound


class Loops(Struct, frozen=True):
    """The circles of many runs: first those that nothing is known to bound, then the bounded ones."""

    runs: int
    """Runs, and machines inside them, which are counted like runs."""
    looping: int
    """Those that went round some circle."""
    self_handoffs: int
    """Those with a handoff of a state to itself."""
    circles: tuple[Circle, ...]
    left_out: int
    """Runs of circles that are not shown, since there are too many."""


class _Row:
    __slots__ = ("best", "example", "landed", "laps", "last_at", "recent", "runs", "tokens")

    def __init__(self) -> None:
        self.runs = self.laps = self.best = self.tokens = self.landed = self.recent = 0
        self.example = ""
        self.last_at: float | None = None


def circles(path: Iterable[Hop]) -> Iterator[tuple[Hop, ...]]:
    """Yield each lap of a path as it is closed. What was gone round is then cut out, so each visits no state twice.

    Where a hop does not begin where the one before ended, some were not read, and nothing is closed across the gap.
    """
    walked: list[Hop] = []
    places: dict[str, int] = {}
    here: str | None = None
    for hop in path:
        if hop.source != here:
            walked, places = [], {hop.source: 0}
        walked.append(hop)
        here = hop.target
        since = places.setdefault(here, len(walked))
        if since < len(walked):
            lap = tuple(walked[since:])
            del walked[since:]
            for passed in lap[:-1]:
                del places[passed.target]
            yield lap


def loops(runs: Iterable[Run], known: Mapping[str, Definition], *, now_s: float) -> Loops:
    """Return what went round in circles.

    Args:
        known: definitions, by their digests.
        now_s: seconds of the epoch.
    """
    rows = Rows[tuple[Machine, tuple[Hop, ...]], _Row](_Row)
    count = looping = to_itself = 0
    for run in runs:
        count += 1
        laps = Counter(_turned(lap) for lap in circles(run.path))
        looping += bool(laps)
        to_itself += any(len(lap) == 1 for lap in laps)
        for lap, times in laps.items():
            _add(rows.of((run.machine, lap)), run, times, now_s)
    found = [_circle(machine, lap, row, Known(known).of(machine)) for (machine, lap), row in rows.items()]
    found.sort(key=lambda each: (each.is_bounded, -each.recent, -each.runs, -each.laps, each.edges[0].handoff))
    return Loops(count, looping, to_itself, tuple(found), rows.left_out)


def _turned(lap: Sequence[Hop]) -> tuple[Hop, ...]:
    """Return a circle from its first state in the alphabet, wherever a run entered it."""
    first = min(range(len(lap)), key=lambda place: lap[place].source)
    return (*lap[first:], *lap[:first])


def _add(row: _Row, run: Run, times: int, now_s: float) -> None:
    row.runs += 1
    row.laps += times
    row.tokens += run.tokens
    row.landed += run.landing is not None
    if (-times, run.run_id) < (-row.best, row.example):
        row.best, row.example = times, run.run_id
    if run.last_hop is not None:
        row.last_at = run.last_hop if row.last_at is None else max(row.last_at, run.last_hop)
        row.recent += run.last_hop >= now_s - NOW_S


def _circle(machine: Machine, lap: tuple[Hop, ...], row: _Row, definition: Definition | None) -> Circle:
    declared = [None if definition is None else edge_of(definition, hop) for hop in lap]
    edges = [
        Edge(hop.source, hop.handoff or "", hop.target, None if handoff is None else handoff.where)
        for hop, handoff in zip(lap, declared, strict=True)
    ]
    return Circle(
        machine=machine.name,
        digest=machine.digest,
        edges=tuple(edges),
        runs=row.runs,
        laps=row.laps,
        most_laps=row.best,
        bound=None if definition is None or None in declared else most_laps(definition, lap),
        tokens=row.tokens // row.runs,
        landed=row.landed,
        example=row.example,
        last_at=row.last_at,
        recent=row.recent,
    )
