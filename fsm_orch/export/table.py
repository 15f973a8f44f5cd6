"""A trace as a table: hop by hop, what was held and what had been charged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..proof.explore.trace import Leg, Trace

HEADINGS = ("hop", "state", "handoff", "to", "reserved", "total", "")


class Row(NamedTuple):
    """A turn of a trace, or its start."""

    hop: int
    """From 1; 0 is the start."""
    state: str
    handoff: str
    target: str
    reserved: int
    """Tokens held at most in the visit."""
    total: int
    """Tokens charged when it ended."""
    note: str
    """What it wrote or began with, how it failed, and what guards were taken to answer."""


def rows(trace: Trace) -> tuple[Row, ...]:
    """Give a row for the start, if there is something to say of it, and one for each turn."""
    begun = "; ".join(_begun(trace))
    first = [Row(0, "", "start", trace.path[0], 0, 0, begun)] if begun else []
    turns = (
        Row(
            hop=turn.hops + 1,
            state=turn.state,
            handoff=turn.handoff or "landing",
            target=turn.target,
            reserved=turn.reserved,
            total=turn.settled,
            note="; ".join(_notes(trace, turn)),
        )
        for turn in trace.legs
    )
    return (*first, *turns)


def table(trace: Trace) -> str:
    """Set the rows in columns of plain text."""
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
    """Write the fields that were looked into, if any."""
    shown = [f"{name}={value!r}" for name, value in fields.items() if name not in trace.opaque]
    if shown:
        yield ", ".join(shown)


def _notes(trace: Trace, turn: Leg) -> Iterator[str]:
    yield from _values(trace, turn.changes)
    if turn.kind == "landing":
        yield f"landed: {turn.landing}"
    elif turn.kind != "handoff":
        yield f"on {turn.kind}"
    if turn.assumed:
        yield f"if {' and '.join(map(str, turn.assumed))}"
