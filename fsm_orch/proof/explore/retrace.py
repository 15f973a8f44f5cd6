"""Turns a path of the tree into a trace, by taking its steps once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...kernel import inputs, records
from ...kernel.configuration import Configuration
from ...kernel.inputs import Input
from ...kernel.records import Record
from .abstract import LeafAnswer
from .play import Play, Position
from .trace import Leg, Trace
from .tree import Label


def retrace(play: Play, path: Sequence[Label]) -> Trace:
    """Take a path once more and write down its legs.

    Args:
        path: what happened, the start first.
    """
    start = path[0].event
    assert isinstance(start, inputs.Started)  # what every path begins with
    writer = _Writer(play)
    for label in path:
        writer.take(label)
    return writer.trace(start.context)


class _Writer:
    """Follows one path; gone when its trace is written."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._place: Position | None = None
        self._legs: list[Leg] = []
        self._inputs: list[Input] = []
        self._answered: list[LeafAnswer] = []
        self._charged: list[int] = []
        self._reserved = 0
        self._calls = 0

    def take(self, label: Label) -> None:
        before = self._place.now if self._place else None
        moved, answered = self._play.retake(self._place, label.event, label.script)
        if not label.is_sure:
            self._answered += answered
        if before is not None:
            self._inputs.append(label.event)
        self._place = moved.place
        for record in moved.records:
            if isinstance(record, records.HandedOff | records.Landed):
                self._turn(record, label.event, moved.place.now)
            else:
                self._note(record)

    def trace(self, start: Mapping[str, Any]) -> Trace:
        assert self._place is not None
        now = self._place.now
        is_sure = not self._answered and not any(leg.assumed for leg in self._legs)
        return Trace(
            start=dict(start),
            legs=tuple(self._legs),
            state=now.state,
            inputs=tuple(self._inputs),
            assumed=tuple(answered.assumption for answered in self._answered),
            settled=now.ledger.settled.tokens,
            cost=now.ledger.settled.cost,
            calls=self._calls,
            hidden=self._play.abstraction.hidden(is_sure=is_sure),
        )

    def _note(self, record: Record) -> None:
        """Keep the books of the visit: what its calls were charged, and what was held at most."""
        self._reserved = max(self._reserved, record.stamp.reserved)
        if isinstance(record, records.CallSettled):
            self._charged.append(record.tokens)
        elif isinstance(record, records.CallReserved):
            self._calls += 1

    def _turn(self, record: records.HandedOff | records.Landed, event: Input, now: Configuration) -> None:
        edge = record if isinstance(record, records.HandedOff) else None
        self._legs.append(
            Leg(
                state=record.source,
                hops=record.stamp.hops - 1,
                inputs=tuple(self._inputs),
                handoff=edge.handoff if edge else None,
                kind=self._play.kind(edge.handoff) if edge else "landing",
                target=record.target,
                landing=record.reason if isinstance(record, records.Landed) else None,
                changes={n: event.changes[n] for n in edge.written}
                if edge and isinstance(event, inputs.Replied)
                else {},
                calls=tuple(self._charged),
                reserved=self._reserved,
                settled=now.ledger.settled.tokens,
                cost=now.ledger.settled.cost,
                assumed=tuple(answered.assumption for answered in self._answered),
            )
        )
        self._inputs, self._answered, self._charged, self._reserved = [], [], [], 0
