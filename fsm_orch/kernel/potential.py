"""The potential: two tables of numbers that say, wherever a run stands, what it may still be charged.

`pi(s, h)` is what may follow a visit of state s that began after h hops, `lambda(s)` what each visit of s that is left
may add. They bound every run if, with c(t) the worst case of a visit of t, on every edge s -> t and at every hop h

    c(t) <= pi(s, h) - pi(t, h + 1) + lambda(t)

Then `ahead` never rises by more than was spent, by telescoping. A certificate brings tables that are tight; those of
`by_hops` follow from counting hops alone, and need no solver.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ..amounts import FREE
from ..define.definition import Definition
from ..limits import Limits


class Potential(NamedTuple):
    """Bounds, in tokens, of what a run may still be charged."""

    worst_case: Mapping[str, int]
    """c: what one visit of each state is charged at most."""
    to_come: Mapping[str, Sequence[Fraction | int]]
    """pi: what may follow a visit of each state, by the hops taken when it began."""
    per_visit: Mapping[str, Fraction | int]
    """lambda, of the states where it is not 0."""
    max_visits: Mapping[str, int]
    """Visits at most, of the states that `per_visit` names."""

    def ahead(self, state: str, hops: int, visits: Mapping[str, int]) -> int:
        """Tell the tokens that a run may still be charged when it has just entered a state.

        Args:
            hops: those taken.
            visits: by state, this visit included.
        """
        left = sum(toll * (self.max_visits[s] - visits.get(s, 0)) for s, toll in self.per_visit.items())
        return math.ceil(self.worst_case[state] + self.to_come[state][hops] + left)


def by_hops(definition: Definition, limits: Limits) -> Potential:
    """Follow the dearest edges backwards from the last hop; `max_visits` is not looked at, so lambda is 0."""
    worst = {name: state.spec.worst_case(FREE).tokens for name, state in definition.states.items()}
    follow = {name: [t for t in definition.successors[name] if t in worst] for name in worst}
    layer = dict.fromkeys(worst, 0)
    layers = [layer]
    for _ in range(limits.hops - 1):
        layer = {name: max((worst[t] + layer[t] for t in follow[name]), default=0) for name in worst}
        layers.append(layer)
    return Potential(worst, {name: [row[name] for row in reversed(layers)] for name in worst}, {}, {})
