"""The walk of an exploration: breadth first, hop by hop, and within a visit input by input.

So the first path to anything has the fewest hops, and a configuration is expanded when all ways to it are known: what
its dearest path was charged is exact by then. Only the configurations of two layers are held at a time; of all others
the tree keeps integers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from ...define.context import Context
from ...kernel import records
from ...kernel.inputs import Input
from .domain import Outcome
from .play import Play, Position, Successor
from .theorems import Breach, Theorem
from .tree import ROOT, Label, SearchTree, Worth

OnProgress = Callable[[int, int], object]
"""Told the configurations found so far, and how many of them are still to be expanded."""
_PROGRESS_EVERY = 1_000
STEPS_EACH = 100
"""Steps that a walk may take for each configuration it has room for: what bounds its time."""


class Sighting(NamedTuple):
    """Where something was seen."""

    hops: int
    node: int


class Sightings:
    """Where something was seen with the fewest hops: at all, and on a path that hangs on no unknown guard."""

    def __init__(self) -> None:
        self.first: Sighting | None = None
        self.surely: Sighting | None = None

    def add(self, sighting: Sighting, *, is_sure: bool) -> None:
        """Keep a sighting if it has fewer hops than those before."""
        self.first = min(self.first or sighting, sighting)
        if is_sure:
            self.surely = min(self.surely or sighting, sighting)


class _Node(NamedTuple):
    """A place with its number in the tree."""

    number: int
    place: Position
    passed: str | None = None
    """The state that was entered and left in one step, since nothing was legal there."""


_Layer = dict[Hashable, _Node]


class _Over(Exception):
    """There is no room for another configuration, or another step, or no need of one."""


def walk(play: Play, room: int, on_progress: OnProgress | None = None, *, until_broken: bool = False) -> Walk:
    """Go through all runs, or until there are more configurations, or steps to take, than there is room for.

    Args:
        until_broken: go no further once a policy is broken; where, is not told.
    """
    walked = Walk(play, room, on_progress, until_broken=until_broken)
    walked.go()
    return walked


class Walk:
    """What was found on a walk."""

    def __init__(self, play: Play, room: int, on_progress: OnProgress | None, *, until_broken: bool) -> None:
        self.tree = SearchTree()
        self.steps = 0
        self.is_complete = False
        self.is_tight = False
        """Whether it mattered somewhere what calls use."""
        self.deepest = Sighting(-1, ROOT)
        self.entered: dict[str, Sightings] = {}
        """Where each state and final state was entered."""
        self.taken: set[str] = set()
        """The handoffs that were taken."""
        self.breaks = [Sightings() for _ in play.automata]
        """Where each policy was broken."""
        self.breaches: dict[Theorem, tuple[Breach, int, Input]] = {}
        """The first step that broke each theorem: how, from which node, by which input."""
        self.play = play
        self._room = room
        self._on_progress = on_progress
        self._until_broken = until_broken
        self._ends: _Layer = {}
        self._contexts: dict[tuple[object, ...], Context] = {}

    def go(self) -> None:
        """Walk; what was seen of finished runs is judged last, when all ways to them are known."""
        visits: _Layer = {}
        try:
            for start in self.play.starts():
                self._arrive(None, start, visits, visits)
            while visits:
                visits = self._hop(visits)
            self.is_complete = True
        except _Over:
            pass
        for node in self._ends.values():
            self._look(node)

    def _hop(self, visits: _Layer) -> _Layer:
        """Expand every visit that began after as many hops; returns those that begin after one more."""
        onward: _Layer = {}
        while visits:
            deeper: _Layer = {}
            for node in visits.values():
                self._look(node)
                self.is_tight = self.is_tight or self.play.is_tight(node.place.now)
                for event in self.play.moves(node.place):
                    self._arrive(node, event, deeper, onward)
            visits = deeper
        return onward

    def _look(self, node: _Node) -> None:
        """Note what a node shows, once all ways to it are known."""
        now, is_sure = node.place.now, self.tree.is_sure(node.number)
        sighting = Sighting(now.hops, node.number)
        for state in (now.state, node.passed) if node.passed else (now.state,):
            self.entered.setdefault(state, Sightings()).add(sighting, is_sure=is_sure)
        for is_broken, breaks in zip(self.play.broken(node.place), self.breaks, strict=True):
            if is_broken:
                breaks.add(sighting, is_sure=is_sure)

    def _arrive(self, source: _Node | None, event: Input, deeper: _Layer, onward: _Layer) -> None:
        """Take a step, and put what it leads to into the layer where it belongs."""
        hops = source.place.now.hops if source else -1
        led: dict[tuple[int, Hashable, str | None], tuple[Successor, tuple[Outcome, ...]]] = {}
        for moved, answered in self.play.take(source and source.place, event):
            if self.steps >= self._room * STEPS_EACH:
                raise _Over
            self.steps += 1
            for breach in moved.breaches:
                self.breaches.setdefault(breach.theorem, (breach, source.number if source else ROOT, event))
            if moved.place.now.hops != hops:
                self.taken.update(record.handoff for record in moved.records if isinstance(record, records.HandedOff))
            key = moved.place.now.hops, self.play.key(moved.place), _passed(moved)
            led.setdefault(key, (moved, tuple([outcome for _, outcome in answered])))
        for key, (moved, script) in led.items():
            now = moved.place.now
            layer = self._ends if now.status == "finished" else deeper if now.hops == hops else onward
            self._put(layer, key, source, Label(event, script, is_sure=len(led) == 1), moved)

    def _put(self, layer: _Layer, key: Hashable, source: _Node | None, label: Label, moved: Successor) -> None:
        parent, worth = (source.number, self._worth(source, moved)) if source else (ROOT, Worth(0, 0, 0))
        known, place = layer.get(key), moved.place
        if known is None:
            if len(self.tree) >= self._room or (self._until_broken and any(self.play.broken(place))):
                raise _Over
            number = self.tree.add(parent, label, worth)
            layer[key] = _Node(number, self._shared(place), _passed(moved))
            if place.now.hops > self.deepest.hops:
                self.deepest = Sighting(place.now.hops, number)
            if self._on_progress is not None and number % _PROGRESS_EVERY == 0:
                self._on_progress(number, len(layer))
        else:
            self.tree.reach(known.number, parent, label, worth)
            if place.now.ledger.settled.tokens > known.place.now.ledger.settled.tokens and place.now.visit:
                layer[key] = _Node(known.number, self._shared(place))

    def _worth(self, source: _Node, moved: Successor) -> Worth:
        """Add what a step charged to what the dearest path to its source was."""
        dearest = self.tree.worth(source.number)
        before, after = source.place.now, moved.place.now
        old, new = before.ledger.settled, after.ledger.settled
        if new is not old:
            dearest = dearest._replace(
                tokens=dearest.tokens + new.tokens - old.tokens, cost=dearest.cost + new.cost - old.cost
            )
        if after.visit and before.visit and after.hops == before.hops and after.visit.calls > before.visit.calls:
            dearest = dearest._replace(calls=dearest.calls + 1)
        return dearest

    def _shared(self, place: Position) -> Position:
        """Hold one context for all places that agree on it: contexts take more room than all the rest."""
        values = self.play.abstraction.values(place.now.context)
        context = self._contexts.setdefault(values, place.now.context)
        return place._replace(now=place.now._replace(context=context))


def _passed(moved: Successor) -> str | None:
    """Tell the state that a step entered and left at once, landing; None if there is none."""
    if moved.place.now.landing is None:
        return None
    return next((record.stamp.state for record in moved.records if isinstance(record, records.VisitStarted)), None)
