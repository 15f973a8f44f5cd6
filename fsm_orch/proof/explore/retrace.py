"""The trace of a path of the tree, made by taking its steps once more.

The tree keeps inputs and answers alone, since configurations would take far more room. Steps are pure, so taking them
once more gives the same configurations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from ...define.guards import Guard
from ...kernel import inputs, records
from ...kernel.configuration import Configuration
from ...kernel.inputs import Input
from ...kernel.records import Record
from .adversary import reservation, settlement
from .oracle import LeafAnswer
from .play import Play, Position
from .trace import Leg, Trace
from .tree import Label
from .turns import filled
from .uses import begun, declined

Calls = Literal["none", "free", "full"]
"""Whether the visits of a path make all of their calls, which use nothing or all that they reserve."""


def retrace(play: Play, path: Sequence[Label], *, calls: Calls = "none") -> Trace:
    """Take a path once more and return its trace.

    Args:
        path: the labels of its edges, the start of the run first.
        calls: what calls its visits make besides.
    """
    start = path[0].event
    assert isinstance(start, inputs.Started)  # every path begins with it
    writer = _Writer(play)
    for label in path:
        if calls != "none":
            writer.call_all(is_free=calls == "free")
        if not writer.has_played(label):
            writer.take(label)
    return writer.trace(start.context)


class _Writer:
    """The writer of one trace, leg by leg."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._position: Position | None = None
        self._legs: list[Leg] = []
        self._inputs: list[Input] = []
        self._answered: list[LeafAnswer] = []
        self._assumed: set[Guard[Any]] = set()
        """The opaque guards on whose answers the path depends so far."""
        self._charged: list[int] = []
        self._uses: list[str] = []
        self._declines: list[str] = []
        self._reserved = 0
        self._calls = 0
        self._filled: int | None = None
        """The hops after which the last visit began in which all parts were run."""

    def call_all(self, *, is_free: bool) -> None:
        """Make all the calls of a visit that begins, and run all its parts, each at its most or for nothing."""
        now = self._position and self._position.now
        if now is None or now.visit is None or now.visit.calls or now.visit.asks:
            return
        state = self._play.compiled.states[now.state]
        for call in range(1, state.spec.calls + 1):
            for event in (reservation(state, call), settlement(state, call, is_free=is_free)):
                self.take(Label(event, (), is_sure=True))
        for event in filled(state.spec.asks, self._play.compiled.parts[now.state], is_free=is_free):
            self.take(Label(event, (), is_sure=True))
            self._filled = now.hops

    def has_played(self, label: Label) -> bool:
        """Return whether a step is one of a round which the parts that were run have made needless."""
        is_of_round = bool(label.event.path) or isinstance(label.event, inputs.Asked | inputs.Answered)
        return is_of_round and self._position is not None and self._filled == self._position.now.hops

    def take(self, label: Label) -> None:
        before = self._position.now if self._position else None
        moved, answered = self._play.retake(self._position, label.event, label.script)
        # Where every answer leads to the same, the path does not depend on the one that was chosen.
        if not label.is_sure:
            self._answered += answered
            self._assumed |= {one.leaf for one in answered}
        if before is not None:
            self._inputs.append(label.event)
        left, self._position = self._position, moved.position
        self._uses += begun(before, moved.position.now)
        self._declines += declined(before, moved.position.now)
        for record in moved.records:
            if isinstance(record, records.HandedOff | records.Landed):
                self._end_leg(left, record, label.event, moved.position.now)
            else:
                self._count(record)

    def trace(self, start: Mapping[str, Any]) -> Trace:
        assert self._position is not None
        now = self._position.now
        is_sure = not self._answered and not any(leg.assumed for leg in self._legs)
        return Trace(
            start=dict(start),
            legs=tuple(self._legs),
            state=now.state,
            inputs=tuple(self._inputs),
            assumed=tuple(answered.assumption for answered in self._answered),
            uses=tuple(self._uses),
            declines=tuple(self._declines),
            settled=now.ledger.settled.tokens,
            cost=now.ledger.settled.cost,
            calls=self._calls,
            opaque=self._play.abstraction.opaque_fields(is_sure=is_sure),
        )

    def _count(self, record: Record) -> None:
        """Add what a record says of the visit's calls: what was charged, and the most that was reserved."""
        self._reserved = max(self._reserved, record.stamp.reserved)
        if isinstance(record, records.CallSettled):
            self._charged.append(record.tokens)
        elif isinstance(record, records.CallReserved):
            self._calls += 1

    def _end_leg(
        self, left: Position | None, record: records.HandedOff | records.Landed, event: Input, now: Configuration
    ) -> None:
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
                uses=tuple(self._uses),
                declines=tuple(self._declines),
                proposer=self._proposer(left, edge.handoff, event) if edge else None,
            )
        )
        self._inputs, self._answered, self._charged, self._reserved = [], [], [], 0
        self._uses, self._declines = [], []

    def _proposer(self, left: Position | None, handoff: str, event: Input) -> str | None:
        """Return the function that must propose a handoff; None if guards alone may take it, or no function chooses."""
        if left is None or not isinstance(event, inputs.Replied) or event.handoff != handoff:
            return None
        spec = self._play.compiled.states[left.now.state].spec
        if spec.kind != "code" or spec.proposes:  # a model and a router propose whatever they do
            return None
        by_itself = self._play.take(self._unbound(left), replace(event, handoff=None))
        taken = (record for moved, _ in by_itself for record in moved.records if isinstance(record, records.HandedOff))
        return None if any(record.handoff == handoff for record in taken) else spec.name

    def _unbound(self, position: Position) -> Position:
        """Return a position without what opaque guards have answered there, but for that on which the path depends."""
        # the menu of a visit asks its guards too, and one of their answers was chosen though any leads on
        answers = frozenset((leaf, outcome) for leaf, outcome in position.memory.answers if leaf in self._assumed)
        return position._replace(memory=position.memory._replace(answers=answers))
