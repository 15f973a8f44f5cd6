"""Two runs compared, hop by hop: where each went, what it wrote on the way, what that took, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from msgspec import Struct

from ..amounts import padded_dollars
from ..define.changes import journaled, shown
from ..kernel import records
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.records import Record
from ..kernel.step import step
from ..store.values import RunStatus
from .head import status_of
from .result import landing_of


class HopTaken(NamedTuple):
    """A hop of a run itself, and the visit that it ended."""

    state: str
    handoff: str | None
    """None for the landing edge."""
    target: str
    written: Mapping[str, Any]
    """The fields that were committed with it, as JSON."""
    tokens: int
    """What the visit was charged, with all that ran inside it."""
    cost: int
    """Micro-dollars."""

    @property
    def move(self) -> tuple[str, str | None, str]:
        """Where it led from and to, and how."""
        return self[:3]


class Went(Struct, frozen=True, kw_only=True):
    """Where a run went."""

    run_id: str
    hops: tuple[HopTaken, ...]
    status: RunStatus
    state: str
    """Where it ended, or stands."""
    landing: str | None
    """Why it was landed; None if it was not."""
    context: Mapping[str, Any]
    """What it came to, as JSON."""
    tokens: int
    """What it was charged."""
    cost: int
    """Micro-dollars."""


def went(compiled: CompiledMachine, journal: Sequence[Input]) -> Went:
    """Return where a run went, folded from its journal.

    Args:
        compiled: the machine that it was run on, with its limits, prices and shares.

    Raises StepError: if the journal is empty, damaged, or of another machine or kernel.
    """
    hops, all_records = list[HopTaken](), list[Record]()
    tokens = cost = 0
    now: Configuration | None = None
    for event in journal:
        stepped = step(compiled, now, event)
        now = stepped.configuration
        all_records += stepped.records
        for record in stepped.records:
            if isinstance(record, records.CallSettled | records.Overspent):
                tokens, cost = tokens + record.tokens, cost + record.cost
            elif isinstance(record, records.HandedOff | records.Landed) and not record.stamp.path:
                hops.append(_hop(record, now, tokens, cost))
                tokens = cost = 0
    assert now is not None, "a journal is not empty"
    landing = landing_of(all_records)
    return Went(
        run_id=now.run_id,
        hops=tuple(hops),
        status=status_of(now),
        state=now.state,
        landing=None if landing is None else landing.reason,
        context=shown(now.context),
        tokens=now.ledger.settled.tokens,
        cost=now.ledger.settled.cost,
    )


def _hop(record: records.HandedOff | records.Landed, now: Configuration, tokens: int, cost: int) -> HopTaken:
    if isinstance(record, records.Landed):
        return HopTaken(record.source, None, record.target, {}, tokens, cost)
    written = journaled(now.context, record.written)
    return HopTaken(record.source, record.handoff, record.target, written, tokens, cost)


class Row(NamedTuple):
    """A hop of two runs beside each other; None where one of them has none like it."""

    then: HopTaken | None
    now: HopTaken | None

    @property
    def is_same(self) -> bool:
        """Whether both went the same way, and wrote the same."""
        return (
            self.then is not None
            and self.now is not None
            and (self.then.move, self.then.written) == (self.now.move, self.now.written)
        )


class Difference(Struct, frozen=True):
    """In what two runs differ."""

    then: Went
    now: Went
    rows: tuple[Row, ...]
    """Their hops beside each other, in order; those that both took are in one row."""

    @property
    def first(self) -> int | None:
        """The place in `rows` of the first hop that is not the same; None if all are."""
        return next((place for place, row in enumerate(self.rows) if not row.is_same), None)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that hold something else at the end; one that only one of them has is among them."""
        one, other = self.then.context, self.now.context
        return tuple(name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name))

    @property
    def is_same_end(self) -> bool:
        """Whether both ended in one final state for the same reason, or stand in the same place."""
        return _end(self.then) == _end(self.now)

    def __str__(self) -> str:
        """Return how both ended and what they took, in a sentence."""
        return f"{self._ends()}; {_used(self.then, self.now)}."

    def _ends(self) -> str:
        if not self.is_same_end:
            return f"Another end: {_end(self.now)} instead of {_end(self.then)}"
        fields = f"other {', '.join(self.fields)}" if self.fields else "same fields"
        return f"Same end: {_end(self.now)}, {fields}"


def difference(then: Went, now: Went) -> Difference:
    """Return in what two runs differ, hop by hop.

    Args:
        then: the one that is compared with.
        now: the other.
    """
    return Difference(then, now, tuple(_rows(then.hops, now.hops)))


def _rows(then: Sequence[HopTaken], now: Sequence[HopTaken]) -> Iterator[Row]:
    # aligned by where they went: a hop that only one of them took moves no later one out of its row
    moves = SequenceMatcher(None, [hop.move for hop in then], [hop.move for hop in now], autojunk=False)
    for _, a, b, c, d in moves.get_opcodes():
        yield from _beside(then[a:b], now[c:d])


def _beside(then: Sequence[HopTaken], now: Sequence[HopTaken]) -> Iterator[Row]:
    """Yield hops that are not alike beside each other, as long as they leave the same state."""
    together = 0
    for one, other in zip(then, now, strict=False):
        if one.state != other.state:
            break
        together += 1
        yield Row(one, other)
    yield from (Row(hop, None) for hop in then[together:])
    yield from (Row(None, hop) for hop in now[together:])


def _end(run: Went) -> str:
    if run.landing is not None:
        return f"landed in {run.state} ({run.landing})"
    if run.status == "finished":
        return run.state
    return f"{'waiting' if run.status == 'waiting' else 'still'} in {run.state}"


def _used(then: Went, now: Went) -> str:
    tokens = _more(then.tokens, now.tokens, "tokens")
    return tokens if then.cost == now.cost == 0 else f"{tokens}, {_more(then.cost, now.cost, 'dollars')}"


def _more(then: int, now: int, of: str) -> str:
    if then == now:
        return f"as many {of}"
    if then == 0:
        return f"{_amount(now, of)} instead of none"
    if now == 0:
        return f"no {of}"
    percent = round(abs(now - then) * 100 / then)
    return f"{percent or 'under 1'} % {'more' if now > then else 'fewer'} {of}"


def _amount(amount: int, of: str) -> str:
    return f"{amount:,} tokens" if of == "tokens" else padded_dollars(amount)
