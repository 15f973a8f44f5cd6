"""The potential: two tables, in tokens, that bound what a run may still be charged wherever it stands.

`pi(s, h)` bounds what may follow a visit of state s that began after h hops. `lambda(s)` bounds what each visit of s
that is left may add. They bound every run if on every edge s -> t, at every hop h, with c(t) the worst case of a visit,

    c(t) <= pi(s, h) - pi(t, h + 1) + lambda(t)

Summed along a path the inequalities telescope, so `settled + reserved + ahead` never rises. A certificate brings
tables that are tight; those of `by_hops` follow from counting hops alone, and need no solver.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

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
        """Return the tokens that a run may still be charged when it has just entered a state.

        This is c(s) + pi(s, h) + the sum over all t of lambda(t) x the visits of t that are left.

        Args:
            hops: transitions taken so far.
            visits: how often each state was entered, this visit included.
        """
        ahead = self.worst_case[state] + self.to_come[state][hops]
        for name, toll in self.per_visit.items():
            ahead += toll * (self.max_visits[name] - visits.get(name, 0))
        # up: the tables of a certificate are fractions, and a bound that is rounded down is not a bound
        return math.ceil(ahead)


def by_hops(definition: Definition, limits: Limits, worst: Mapping[str, int]) -> Potential:
    """Return the tables of the dearest path, found backwards from the last hop. Ignores `max_visits`: lambda is 0.

    Args:
        worst: what one visit of each state is charged at most.
    """
    follow = {name: [t for t in definition.successors[name] if t in worst] for name in worst}
    layer = dict.fromkeys(worst, 0)
    layers = [layer]
    for _ in range(limits.hops - 1):  # the last hop enters no visit: it goes to a final state, or lands
        layer = {name: max((worst[t] + layer[t] for t in follow[name]), default=0) for name in worst}
        layers.append(layer)
    return Potential(worst, {name: [row[name] for row in reversed(layers)] for name in worst}, {}, {})
