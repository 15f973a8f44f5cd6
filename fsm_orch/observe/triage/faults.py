"""What fails: visits by agent and reason, and landings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from .runs import CallEnd, Machine, Run
from .shares import Interval, Rows, wilson


class Failing(Struct, frozen=True, kw_only=True):
    """A state, and how its visits go wrong."""

    machine: str
    state: str
    agent: str
    visits: int
    lost: Interval
    """Of its visits, those that an attempt that failed, or a reply that was refused, has ended."""
    failed: dict[str, int]
    """Attempts that failed, by reason; one visit may have several."""
    refused: dict[str, int]
    """Replies that were refused, by reason."""
    denied: dict[str, int]
    """Calls that were not reserved, by reason."""
    landed: dict[str, int]
    """Runs that were landed from here, by reason."""
    example: str
    """A run in which something of it went wrong: the first in the alphabet, in whatever order they were read."""


class Asked(Struct, frozen=True, kw_only=True):
    """A model, and how many of its calls came to nothing."""

    model: str
    lost: Interval
    """Of its calls that have ended, those that brought no answer: they were charged in full, or released."""
    in_full: int
    released: int
    causes: dict[str, int]
    """Of calls that brought no answer, by why, where that was told."""


class Faults(Struct, frozen=True, kw_only=True):
    """How many runs landed, and the states in which something went wrong: first those that surely fail often."""

    landed: Interval
    states: tuple[Failing, ...]
    models: tuple[Asked, ...]
    """All that were asked, by the lower bound of the share of calls that came to nothing."""
    left_out: int


class _Row:
    __slots__ = ("agent", "counts", "example", "lost", "visits")

    def __init__(self) -> None:
        self.agent = self.example = ""
        self.visits = self.lost = 0
        self.counts: dict[str, Counter[str]] = {}


def faults(runs: Iterable[Run]) -> Faults:
    """Return what failed, by the lower bound of the share of visits that it ended."""
    rows = Rows[tuple[Machine, str], _Row](_Row)
    models = Rows[str, Counter[CallEnd]](Counter)
    causes = Rows[str, Counter[str]](Counter)
    ended = landed = 0
    for run in runs:
        if not run.is_inside:
            ended += run.ended
            landed += run.ended and run.landing is not None
            for (model, end), count in run.models.items():
                models.of(model)[end] += count
            for (model, cause), count in run.causes.items():
                _count(causes.of(model), cause, count)
        for state, count in run.visits.items():
            row = rows.of((run.machine, state))
            row.visits += count
            row.agent = run.agents.get(state, row.agent)
        for fault, count in run.faults.items():
            row = rows.of((run.machine, fault.state))
            row.lost += count * fault.is_final
            _add(row, fault.kind, fault.reason, count, run.run_id)
        if run.landing is not None:
            state, reason = run.landing
            _add(rows.of((run.machine, state)), "landed", reason, 1, run.run_id)
    found = [_failing(machine, state, row) for (machine, state), row in rows.items() if row.counts]
    found.sort(key=lambda each: (-each.lost.low, -sum(each.landed.values()), each.machine, each.state))
    return Faults(
        landed=wilson(landed, ended), states=tuple(found), models=_asked(models, causes), left_out=rows.left_out
    )


def _asked(models: Mapping[str, Counter[CallEnd]], causes: Mapping[str, Counter[str]]) -> tuple[Asked, ...]:
    asked = [
        Asked(
            model=model,
            lost=wilson(ends["unknown"] + ends["released"], ends.total()),
            in_full=ends["unknown"],
            released=ends["released"],
            causes=dict(causes.get(model, Counter()).most_common()),
        )
        for model, ends in models.items()
    ]
    return tuple(sorted(asked, key=lambda each: (-each.lost.low, each.model)))


def _add(row: _Row, kind: str, reason: str, count: int, run_id: str) -> None:
    _count(row.counts.setdefault(kind, Counter()), reason, count)
    row.example = min(row.example or run_id, run_id)


def _count(reasons: Counter[str], reason: str, count: int) -> None:
    if reason in reasons or len(reasons) < 100:  # there are a dozen or two; a log may hold anything
        reasons[reason] += count


def _failing(machine: Machine, state: str, row: _Row) -> Failing:
    by = {
        kind: dict(row.counts.get(kind, Counter()).most_common()) for kind in ("failed", "refused", "denied", "landed")
    }
    visits = max(row.visits, row.lost)  # the line of a visit's beginning may not have been read
    return Failing(
        machine=machine.name,
        state=state,
        agent=row.agent,
        visits=visits,
        lost=wilson(row.lost, visits),
        example=row.example,
        **by,
    )
