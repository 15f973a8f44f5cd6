"""The walk of an exploration: breadth-first, hop by hop, and within a visit input by input.

A *layer* is all positions after the same number of hops and, within a visit, of inputs. So the first path to anything
has the fewest hops, and a position is expanded only once all paths to it are known: by then it is exact what the most
expensive of them was charged. A depth-first walk would find longer paths first. Only the positions of a few layers are
held at a time; of all others the tree keeps integers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from msgspec.structs import replace

from ...define.context import Context
from ...kernel import records
from ...kernel.inputs import Input
from .breach import Breach, Theorem
from .domain import Outcome
from .play import Play, Position, Successor, passed_through
from .tree import ROOT, Charges, Label, SearchTree

OnProgress = Callable[[int, int], object]
"""Called with the number of configurations found so far, and of those in the layer that is being filled."""
OnVisit = Callable[[int, Position, SearchTree], object]
"""Called with the node at which a visit begins, its position, and the tree that the node is in."""
_PROGRESS_EVERY = 200
STEPS_EACH = 100
"""The most steps that a walk takes for each configuration it has room for, so that its time is bounded too: one agent
that writes forty flags has 2^40 replies, which may all lead to a few configurations."""


_SOME = 4
"""The most sightings that are kept of one thing, to look for one that is real."""


class Sighting(NamedTuple):
    """A node at which something was seen, and its number of hops."""

    hops: int
    node: int


class Sightings:
    """The sightings of one thing with the fewest hops: on any path, and on a path that depends on no opaque guard."""

    def __init__(self) -> None:
        self.first: Sighting | None = None
        self.surely: Sighting | None = None
        self.some: list[Sighting] = []
        """The first few, in the order in which they were seen."""

    def add(self, sighting: Sighting, *, is_sure: bool) -> None:
        """Keep a sighting if it has fewer hops than those kept so far, or is one of the first."""
        if len(self.some) < _SOME:
            self.some.append(sighting)
        self.first = min(self.first or sighting, sighting)
        if is_sure:
            self.surely = min(self.surely or sighting, sighting)


class _Node(NamedTuple):
    """A position with its number in the tree."""

    number: int
    position: Position
    passed_through: str | None = None
    """The state that was entered and left in the same step, because nothing was legal there; None if there is none."""


_Layer = dict[Hashable, _Node]


class _WalkEnd(Exception):
    """The exploration is out of budget, or has found what it was looking for."""


def walk(
    play: Play,
    room: int,
    on_progress: OnProgress | None = None,
    *,
    until_broken: bool = False,
    is_subsuming: bool = False,
    on_visit: OnVisit | None = None,
    most_steps: int | None = None,
) -> Walk:
    """Walk through all runs of a play and return what was found.

    Args:
        room: the most configurations; the walk ends early, and is not complete, if there are more of them, or more than
            `STEPS_EACH` times as many steps.
        on_progress: called every 200 configurations.
        until_broken: end the walk once a policy is broken, without noting where.
        is_subsuming: follow no position that can do no more than one before it; what runs use at most is not found
            then.
        on_visit: called with each node at which a visit begins, once all paths to it are known, and its position.
        most_steps: where the walk ends early too; None: `STEPS_EACH` for each configuration.
    """
    steps = room * STEPS_EACH if most_steps is None else most_steps
    walked = Walk(play, room, steps, on_progress, on_visit, until_broken=until_broken, is_subsuming=is_subsuming)
    walked.go()
    return walked


class Walk:
    """A walk, with what was found on it so far.

    Args:
        room: the most configurations.
        most_steps: the most steps.
    """

    def __init__(
        self,
        play: Play,
        room: int,
        most_steps: int,
        on_progress: OnProgress | None,
        on_visit: OnVisit | None,
        *,
        until_broken: bool,
        is_subsuming: bool,
    ) -> None:
        self.tree = SearchTree()
        self.steps = 0
        self._most_steps = most_steps
        self.is_complete = False
        self.deepest = Sighting(-1, ROOT)
        self.entered: dict[str, Sightings] = {}
        """The sightings of each state and final state that was entered."""
        self.taken: set[str] = set()
        """The names of the handoffs that were taken."""
        self.breaks = [Sightings() for _ in play.automata]
        """The sightings of each policy's break, in the order of the policies."""
        self.breaches: dict[Theorem, tuple[Breach, int, Input]] = {}
        """By theorem, the first step that broke it: how, from which node, and by which input."""
        self.play = play
        self._room = room
        self._on_progress = on_progress
        self._until_broken = until_broken
        self._is_subsuming = is_subsuming
        self._kinds: dict[Hashable, list[tuple[tuple[int, ...], int]]] = {}
        """The positions of each kind that were put into a layer: the visits they have left, and their nodes."""
        self._on_visit = on_visit
        self._ends: _Layer = {}
        self._contexts: dict[tuple[object, ...], Context] = {}

    def go(self) -> None:
        """Walk until all runs were explored, or the walk ends early."""
        visits: _Layer = {}
        try:
            for start in self.play.starts():
                self._arrive(None, start, visits, visits)
            while visits:
                visits = self._hop(visits)
            self.is_complete = True
        except _WalkEnd:
            pass
        # Finished runs are looked at last: until then another path, without opaque guards, may lead to the same end.
        for node in self._ends.values():
            self._note(node)

    def _hop(self, visits: _Layer) -> _Layer:
        """Expand all visits that began after the same number of hops; return those that begin after one more."""
        if self._on_visit is not None:
            for node in visits.values():
                self._on_visit(node.number, node.position, self.tree)
        onward: _Layer = {}
        while visits:
            deeper: _Layer = {}
            for node in visits.values():
                self._note(node)
                for event in self.play.moves(node.position):
                    self._arrive(node, event, deeper, onward)
            visits = deeper
        return onward

    def _note(self, node: _Node) -> None:
        """Note what can be seen at a node; called once all paths to it are known."""
        now, is_sure = node.position.now, self.tree.is_sure(node.number)
        sighting = Sighting(now.hops, node.number)
        for state in (now.state, node.passed_through) if node.passed_through else (now.state,):
            self.entered.setdefault(state, Sightings()).add(sighting, is_sure=is_sure)
        for is_broken, breaks in zip(self.play.broken(node.position), self.breaks, strict=True):
            if is_broken:
                breaks.add(sighting, is_sure=is_sure)

    def _arrive(self, source: _Node | None, event: Input, deeper: _Layer, onward: _Layer) -> None:
        """Take a step from a node, with every answer of opaque guards, and put each result into its layer."""
        hops = source.position.now.hops if source else -1
        results: dict[tuple[int, Hashable, str | None], tuple[Successor, tuple[Outcome, ...]]] = {}
        is_certain = True
        for moved, answered in self.play.take(source and source.position, event):
            if self.steps >= self._most_steps:
                raise _WalkEnd
            self.steps += 1
            is_certain = is_certain and not answered and not self.play.oracle.recalled
            for breach in moved.breaches:
                self.breaches.setdefault(breach.theorem, (breach, source.number if source else ROOT, event))
            if moved.position.now.hops != hops:
                self.taken.update(record.handoff for record in moved.records if isinstance(record, records.HandedOff))
            # Results with one key have one future. The state that was passed through decides nothing more, but it was
            # entered, and that must be noted for each such state: so it is part of the key too.
            key = moved.position.now.hops, self.play.key(moved.position), passed_through(moved)
            results.setdefault(key, (moved, tuple([answer.outcome for answer in answered])))
        # An edge that asks opaque guards is sure if all that they may answer leads to the same. What they have answered
        # on the way here counts for nothing: on another way they may have answered otherwise.
        is_sure = is_certain or self.play.is_sure(source and source.position, event)
        for key, (moved, script) in results.items():
            now = moved.position.now
            layer = self._ends if now.status == "finished" else deeper if now.hops == hops else onward
            self._put(layer, key, source, Label(event, script, is_sure=is_sure), moved)

    def _put(self, layer: _Layer, key: Hashable, source: _Node | None, label: Label, moved: Successor) -> None:
        parent, charges = (source.number, self._charges(source, moved)) if source else (ROOT, Charges(0, 0, 0))
        known, position = layer.get(key), moved.position
        if known is None:
            left = self.play.visits.of(position.now) if position.now.visit else ()
            if self._is_subsuming and position.now.visit and self._is_covered(position, left, source, label):
                return
            if len(self.tree) >= self._room:
                raise _WalkEnd
            # Not at the root, where a run may begin broken: a walk has one node at least.
            if self._until_broken and source and any(self.play.broken(position)):
                raise _WalkEnd
            number = self.tree.add(parent, label, charges)
            layer[key] = _Node(number, self._shared(position), passed_through(moved))
            if self._is_subsuming and position.now.visit:
                self._kinds.setdefault(self.play.kind_of(position), []).append((left, number))
            if position.now.hops > self.deepest.hops:
                self.deepest = Sighting(position.now.hops, number)
            if self._on_progress is not None and number % _PROGRESS_EVERY == 0:
                self._on_progress(number, len(layer))
        else:
            # Seen before: only the way to it may be better. Of all that were merged here, the one that was charged most
            # is kept for the next step: if any of them breaks the budget theorem (T3), that one does.
            self.tree.reach(known.number, parent, label, charges)
            if position.now.ledger.settled.tokens > known.position.now.ledger.settled.tokens and position.now.visit:
                layer[key] = _Node(known.number, self._shared(position))

    def _is_covered(self, position: Position, left: tuple[int, ...], source: _Node | None, label: Label) -> bool:
        """Return whether a position of the same kind that was put before can do all that this one can, as surely."""
        # It has taken no more hops, since it was put before. `kind_of` holds all else that a run could lack.
        is_sure = label.is_sure and (source is None or self.tree.is_sure(source.number))
        return any(
            all(map(int.__ge__, other, left)) and (self.tree.is_sure(number) or not is_sure)
            for other, number in self._kinds.get(self.play.kind_of(position), ())
        )

    def _charges(self, source: _Node, moved: Successor) -> Charges:
        """Return what the most expensive path to a step's source was charged, and the step itself."""
        if self.play.against in ("lean", "tame"):  # it makes no calls: every visit is charged as if it made all of its
            dearest, state = self.tree.charges(source.number), source.position.now.state
            if moved.position.now.hops == source.position.now.hops:
                return dearest
            worst, calls = self.play.worst_case[state], self.play.most_calls[state]
            return Charges(dearest.tokens + worst.tokens, dearest.cost + worst.cost, dearest.calls + calls)
        # By differences, since the position of the source may be that of another path with the same key.
        dearest = self.tree.charges(source.number)
        before, after = source.position.now, moved.position.now
        old, new = before.ledger.settled, after.ledger.settled
        if new is not old:
            dearest = dearest._replace(
                tokens=dearest.tokens + new.tokens - old.tokens, cost=dearest.cost + new.cost - old.cost
            )
        if after.visit and before.visit and after.hops == before.hops and after.visit.calls > before.visit.calls:
            dearest = dearest._replace(calls=dearest.calls + 1)
        return dearest

    def _shared(self, position: Position) -> Position:
        """Return a position with a context that it shares with all positions of equal values."""
        # Contexts take more room than everything else that is held.
        values = self.play.abstraction.values(position.now.context)
        context = self._contexts.setdefault(values, position.now.context)
        return position._replace(now=replace(position.now, context=context))
