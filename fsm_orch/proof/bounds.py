"""The plain bounds of a run: what follows from counting visits alone, without looking at the edges.

The *worst case* of a visit is `calls` x (max input + max output) tokens. A run makes at most `hops` visits: it begins
with one of the initial state, and a handoff into a state is legal only while `hops + 2 <= limits.hops`. It visits no
state more than `max_visits` times. So no run can ever be charged more than

    c(initial) + max sum n(s) * c(s)    over whole numbers n(s) >= 0
                                        with sum n(s) <= hops - 1, and n(s) <= max_visits(s) - [s is initial]

which is reached by taking the dearest visits first. It holds as long as providers honour their output caps and report
honest usage. Paths are not looked at, so it may be far above what any run can reach; nothing here knows prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..budget import FREE
from ..definition import Definition, State
from ..limits import Limits

Verdict = Literal["slack", "guarded"]
"""Slack: no run is ever landed for tokens. Guarded: the ledger may land one. Both keep the limit."""


@dataclass(frozen=True, kw_only=True)
class VisitBounds:
    """What one state can cost."""

    state: str
    agent: str
    calls: int
    """Requests to a model that one visit makes at most."""
    grant: int
    """Tokens reserved on entry: the first call."""
    worst_case: int
    """Tokens that one visit is charged at most."""
    max_visits: int
    """Visits at most in one run; the hop limit where none is declared."""
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class RunBounds:
    """What one run can cost."""

    states: tuple[VisitBounds, ...]
    """In order of declaration."""
    limits: Limits
    dearest: tuple[tuple[str, int], ...]
    """The states of the worst case with their visits there, dearest first; visits that cost nothing are left out."""

    @property
    def worst_case(self) -> int:
        """Tokens that no run is charged more than, whatever its limit."""
        costs = {bounds.state: bounds.worst_case for bounds in self.states}
        return sum(visits * costs[state] for state, visits in self.dearest)

    @property
    def verdict(self) -> Verdict:
        return "slack" if self.worst_case <= self.limits.tokens else "guarded"


def bounds(definition: Definition, limits: Limits | None = None) -> RunBounds:
    """Bound every run of a definition that has been checked; see the formula above.

    Args:
        limits: instead of the definition's.
    """
    limits = limits or definition.limits
    states = {name: _visit_bounds(state, limits) for name, state in definition.states.items()}
    return RunBounds(
        states=tuple(states.values()),
        limits=limits,
        dearest=_dearest(states, definition.initial.name, limits.hops),
    )


def _visit_bounds(state: State, limits: Limits) -> VisitBounds:
    spec = state.spec
    return VisitBounds(
        state=state.name,
        agent=spec.name,
        calls=spec.calls,
        grant=spec.grant(FREE).tokens,
        worst_case=spec.worst_case(FREE).tokens,
        max_visits=limits.hops if state.max_visits is None else min(state.max_visits, limits.hops),
        timeout_s=state.timeout_s or limits.visit_s,
    )


def _dearest(states: dict[str, VisitBounds], initial: str, hops: int) -> tuple[tuple[str, int], ...]:
    """Spread `hops` visits over the states, one to the initial state and then the dearest first."""
    taken = dict.fromkeys(states, 0)
    taken[initial] = min(1, hops)
    left = hops - taken[initial]
    by_cost = sorted(states.values(), key=lambda bounds: -bounds.worst_case)
    for bound in by_cost:
        more = min(left, bound.max_visits - taken[bound.state])
        taken[bound.state] += more
        left -= more
    return tuple((bound.state, taken[bound.state]) for bound in by_cost if bound.worst_case and taken[bound.state])
