"""The audit: the theorems after everything that may happen within a visit, which the lean adversary leaves out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from ...kernel.inputs import Input
from .adversary import FullAdversary
from .breach import Breach, Theorem
from .memory import NO_MEMORY
from .play import Play, Position, Successor

_MOST_STEPS = 2_000
"""The most steps that are taken in one kind of visit."""
_MOST_POSITIONS = 256
"""The most positions that are followed in one kind of visit."""


class Audit:
    """The full adversary, let loose in one visit of each kind that is begun."""

    def __init__(self, play: Play) -> None:
        self.breaches: dict[Theorem, tuple[Breach, int, Input]] = {}
        """By theorem, the first step that broke it: how, in the visit that began at which node, and by which input."""
        self._play = play
        # Whatever was spent: in a visit it makes little difference to the number of steps.
        self._adversary = FullAdversary(play.compiled, play.abstraction, lambda _: True, {})
        self._seen: set[Hashable] = set()

    def look_into(self, node: int, position: Position) -> None:
        """Take every step that may be taken in a visit, unless one of its kind was looked into."""
        kind = self._kind(position)
        if kind in self._seen:
            return
        self._seen.add(kind)
        # without what guards have answered: then all that they may answer is taken, and one visit stands for all
        for event, moved in self._steps(position._replace(memory=NO_MEMORY)):
            for breach in moved.breaches:
                self.breaches.setdefault(breach.theorem, (breach, node, event))

    def _kind(self, position: Position) -> Hashable:
        """Return what a visit is to the rules of the kernel as it begins: what is open, and what has run out."""
        now, play = position.now, self._play
        is_last = now.hops + 2 > play.compiled.limits.hops
        return now.state, play.live_values(now), play.visits.used_up(now), is_last

    def _steps(self, begun: Position) -> Iterator[tuple[Input, Successor]]:
        front, steps = [begun], 0
        seen = {self._stage(begun)}
        while front and len(seen) < _MOST_POSITIONS:
            position = front.pop()
            for event in self._adversary.moves(position.now):
                for moved, _ in self._play.take(position, event):
                    if steps == _MOST_STEPS:
                        return
                    steps += 1
                    yield event, moved
                    is_within = moved.position.now.visit is not None and moved.position.now.hops == begun.now.hops
                    if is_within and (stage := self._stage(moved.position)) not in seen:
                        seen.add(stage)
                        front.append(moved.position)

    def _stage(self, position: Position) -> Hashable:
        return position.memory, self._adversary.stage(position.now)
