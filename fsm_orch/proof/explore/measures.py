"""Measures: the most that a run can use of something, each with a run that does. They are found when asked for.

Policies are decided without them. A run that has spent less can do no less, so what decides a policy spends nothing;
what uses most has to be looked for apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ...amounts import NOTHING, Amount, Price
from ...define.definition import Definition
from ...limits import Limits
from .exhaustion import Exhaustion, ForcedExit
from .play import Play, Position
from .retrace import Calls, retrace
from .trace import Trace
from .tree import SearchTree, Way
from .walk import OnProgress, Walk, walk


class Extreme(NamedTuple):
    """The most that a run can use of something, and a run that does."""

    amount: int
    trace: Trace


class _Lookout:
    """What a walk shows each visit to that begins."""

    def __init__(self, play: Play) -> None:
        self.exhaustion = Exhaustion(play)
        self.need = NOTHING
        """The most that a run may have to be able to reserve, beside all that it was charged before."""
        self._play = play

    def __call__(self, node: int, position: Position, tree: SearchTree) -> None:
        self.exhaustion.look_into(node, position)
        play, state = self._play, position.now.state
        charged, worst = tree.charges(node), play.worst_case[state]
        # A handoff is on the menu only if the first call of its target can be paid for beside this visit's own calls,
        # whether or not hops and visits are left to take it.
        targets = play.compiled.definition.successors[state]
        grants = [play.compiled.states[target].grant for target in targets if target in play.compiled.states]
        self.need = Amount(
            max(self.need.tokens, charged.tokens + worst.tokens + max((g.tokens for g in grants), default=0)),
            max(self.need.cost, charged.cost + worst.cost + max((g.cost for g in grants), default=0)),
        )


@dataclass(frozen=True)
class Measures:
    """The most that the runs of a definition can use."""

    definition: Definition
    limits: Limits
    prices: Mapping[str, Price]
    room: int
    on_progress: OnProgress | None
    most_steps: int | None = None
    """Of the walk for hops and calls; None: as many as `walk` takes."""

    @property
    def is_complete(self) -> bool:
        """Whether every run was looked at for hops and calls; if not, they are what was found so far."""
        return self._lean.is_complete

    @property
    def steps(self) -> int:
        """How many steps of the kernel were taken to find hops and calls."""
        return self._lean.steps

    @property
    def is_tight(self) -> bool:
        """Whether the ledger could deny something in some run, so that what runs spent has to be told apart."""
        self._lean  # noqa: B018 - which has shown every visit to the lookout
        need, most = self._lookout.need, self.limits.cost_micros
        return need.tokens > self.limits.tokens or (most is not None and need.cost > most)

    @cached_property
    def hops(self) -> Extreme:
        """The most hops."""
        found = self._lean
        return Extreme(found.deepest.hops, retrace(found.play, found.tree.path(found.deepest.node, "first")))

    @cached_property
    def calls(self) -> Extreme:
        """The most requests to models: each uses nothing, so that none is denied."""
        return self._extreme(self._lean, "calls", "free")

    @cached_property
    def tokens(self) -> Extreme:
        """The most tokens; under a tight ledger, of runs whose calls use their whole reservation or nothing."""
        return self._spent("tokens")

    @cached_property
    def cost(self) -> Extreme:
        """The most micro-dollars; as for tokens under a tight ledger."""
        return self._spent("cost")

    @cached_property
    def forced(self) -> tuple[ForcedExit, ...]:
        """Where exhaustion leaves a model one exit of several, each with a shortest path."""
        found = self._lean
        return tuple(
            ForcedExit(
                state=state,
                left=left,
                closed=seen.closed,
                trace=retrace(found.play, found.tree.path(seen.node, "first")),
            )
            for (state, left), seen in self._lookout.exhaustion.found.items()
        )

    def _spent(self, way: Way) -> Extreme:
        # Where the dearest path fits the limits, the ledger denies nothing on any path. Where it does not, runs differ
        # by what they have spent, and far more of them have to be looked at.
        if self.is_tight:
            return self._extreme(self._spending, way, "none")
        return self._extreme(self._lean, way, "full")

    @cached_property
    def _play(self) -> Play:
        return Play(self.definition, self.limits, self.prices, (), against="lean")

    @cached_property
    def _lookout(self) -> _Lookout:
        return _Lookout(self._play)

    @cached_property
    def _lean(self) -> Walk:
        return walk(self._play, self.room, self.on_progress, on_visit=self._lookout, most_steps=self.most_steps)

    @cached_property
    def _spending(self) -> Walk:
        play = Play(self.definition, self.limits, self.prices, (), against="spending")
        return walk(play, self.room, self.on_progress)

    def _extreme(self, found: Walk, way: Way, calls: Calls) -> Extreme:
        amount, node = found.tree.dearest(way)
        return Extreme(amount, retrace(found.play, found.tree.path(node, way), calls=calls))
