"""Measures: the most that a run can use of something, each with a run that does. They are found when asked for.

Policies are decided without them. A run that has spent less can do no less, so what decides a policy spends nothing;
what uses most has to be looked for apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ...amounts import Price
from ...define.definition import Definition
from ...limits import Limits
from .exhaustion import Exhaustion, ForcedExit
from .play import Play
from .retrace import Calls, retrace
from .trace import Trace
from .tree import Way
from .walk import OnProgress, Walk, walk


class Extreme(NamedTuple):
    """The most that a run can use of something, and a run that does."""

    amount: int
    trace: Trace


@dataclass(frozen=True)
class Measures:
    """The most that the runs of a definition can use."""

    definition: Definition
    limits: Limits
    prices: Mapping[str, Price]
    room: int
    on_progress: OnProgress | None

    @property
    def is_complete(self) -> bool:
        """Whether every run was looked at for hops and calls; if not, they are what was found so far."""
        return self._lean.is_complete

    @property
    def is_tight(self) -> bool:
        """Whether the ledger could deny something in some run, so that what runs spent has to be told apart."""
        tokens, cost = self._dearest("tokens"), self._dearest("cost")
        most = self.limits.cost_micros
        return tokens > self.limits.tokens or (most is not None and cost > most)

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
            for (state, left), seen in self._exhaustion.found.items()
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
    def _exhaustion(self) -> Exhaustion:
        return Exhaustion(self._play)

    @cached_property
    def _lean(self) -> Walk:
        return walk(self._play, self.room, self.on_progress, on_visit=self._exhaustion.look_into)

    @cached_property
    def _spending(self) -> Walk:
        play = Play(self.definition, self.limits, self.prices, (), against="spending")
        return walk(play, self.room, self.on_progress)

    def _dearest(self, way: Way) -> int:
        return self._lean.tree.dearest(way)[0]

    def _extreme(self, found: Walk, way: Way, calls: Calls) -> Extreme:
        amount, node = found.tree.dearest(way)
        return Extreme(amount, retrace(found.play, found.tree.path(node, way), calls=calls))
