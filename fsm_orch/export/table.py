"""A trace as a table: hop by hop, the tokens that were reserved and the tokens charged so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..proof.explore.trace import Leg, Trace

HEADINGS = ("hop", "state", "handoff", "to", "reserved", "total", "")


class Row(NamedTuple):
    """A row of the table: a leg of a trace, or its start."""

    hop: int
    """The number of the hop, from 1; 0 for the start."""
    state: str
    """The state that was left; empty for the start."""
    handoff: str
    """The handoff that was taken, "landing", or "start"."""
    target: str
    """The state that was entered."""
    reserved: int
    """The most tokens that were reserved at one time in the visit."""
    total: int
    """The tokens that the run had been charged when the visit ended."""
    note: str
    """What was written, or what the run began with; how the visit failed; and what the row hangs on: the answers of
    opaque guards, and a handoff that a function has to propose."""


def rows(trace: Trace) -> tuple[Row, ...]:
    """Return one row for each leg of a trace, after a row for the start if there is anything to note about it."""
    begun = "; ".join(_begun(trace))
    first = [Row(0, "", "start", trace.path[0], 0, 0, begun)] if begun else []
    later = (
        Row(
            hop=leg.hops + 1,
            state=leg.state,
            handoff=leg.handoff or "landing",
            target=leg.target,
            reserved=leg.reserved,
            total=leg.settled,
            note="; ".join(_notes(trace, leg)),
        )
        for leg in trace.legs
    )
    return (*first, *later, *_unfinished(trace))


def _unfinished(trace: Trace) -> Iterator[Row]:
    """Yield a row for the last visit if the path ends with the use of a tool in it."""
    if trace.uses:
        yield Row(trace.hops + 1, trace.state, "", "", 0, trace.settled, "; ".join(_tools(trace)))


def table(trace: Trace) -> str:
    """Return the rows of a trace as plain text in columns, the headings first."""
    lines = [HEADINGS, *((f"{r.hop}", *r[1:4], f"{r.reserved:,}", f"{r.total:,}", r.note) for r in rows(trace))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    right = {0, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _begun(trace: Trace) -> Iterator[str]:
    yield from _values(trace, trace.start)
    if trace.assumed and not trace.legs:
        yield f"if {' and '.join(map(str, trace.assumed))}"


def _values(trace: Trace, fields: Mapping[str, object]) -> Iterator[str]:
    """Yield the values of the fields that are not opaque, in one text; nothing if there are none."""
    shown = [f"{name}={value!r}" for name, value in fields.items() if name not in trace.opaque]
    if shown:
        yield ", ".join(shown)


def _tools(visit: Leg | Trace) -> Iterator[str]:
    if visit.uses:
        yield f"uses {', '.join(visit.uses)}"
    if visit.declines:
        yield f"{', '.join(visit.declines)} declined"


def _notes(trace: Trace, leg: Leg) -> Iterator[str]:
    yield from _tools(leg)
    yield from _values(trace, leg.changes)
    if leg.kind == "landing":
        yield f"landed: {leg.landing}"
    elif leg.kind != "handoff":
        yield f"on {leg.kind}"
    hangs_on = [*map(str, leg.assumed), *([leg.proposal] if leg.proposal else [])]
    if hangs_on:
        yield f"if {' and '.join(hangs_on)}"
