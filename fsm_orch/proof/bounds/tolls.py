"""What follows from a toll on each visit: a bound of every run, whatever the tolls are.

Charge a toll lambda(s) >= 0 for every visit still allowed, up front, and refund it when the visit is made.
Then the dearest way on from s, once h hops are taken, can be found without counting visits:

    pi(s, H - 1) = 0    pi(s, h) = max(0, max over s -> t of c(t) - lambda(t) + pi(t, h + 1))

On each edge c(t) <= pi(s, h) - pi(t, h + 1) + lambda(t), so by telescoping no run is charged more than

    c(initial) + pi(initial, 0) + sum left(s) * lambda(s)

This is Lagrange's relaxation of the limits of visits (Fisher, "The Lagrangian relaxation method", Management Science
27, 1981). `program` finds the tolls at which the bound is lowest. Everything here is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm

from .skeleton import Skeleton


@dataclass(frozen=True)
class Tolls:
    """A skeleton in one measure, with a toll on visits."""

    skeleton: Skeleton
    worst_case: Mapping[str, int]
    """c: what one visit of each state is charged at most."""
    per_visit: Mapping[str, Fraction]
    """lambda; a visit of a state that is not named has no toll."""

    @cached_property
    def unit(self) -> int:
        """By what `gain` and `layers` are multiplied, so that they are whole."""
        return lcm(*(toll.denominator for toll in self.per_visit.values()))

    @cached_property
    def gain(self) -> Mapping[str, int]:
        """c - lambda, in parts of a unit."""
        return {s: int((c - self.per_visit.get(s, 0)) * self.unit) for s, c in self.worst_case.items()}

    @cached_property
    def layers(self) -> tuple[Mapping[str, int], ...]:
        """pi, in parts of a unit, by how many visits may still follow: from none to one more than a run can make."""
        layer = dict.fromkeys(self.gain, 0)
        layers = [layer]
        for _ in range(self.skeleton.hops):
            value = {t: self.gain[t] + pi for t, pi in layer.items()}
            layer = {s: max([0, *(value[t] for t in ways)]) for s, ways in self.skeleton.onward.items()}
            layers.append(layer)
        return tuple(layers)

    def follows(self, state: str, hops: int) -> Fraction:
        """Give pi(s, h)."""
        return Fraction(self.layers[self.skeleton.hops - 1 - hops][state], self.unit)

    @cached_property
    def to_come(self) -> Fraction:
        """What may follow the first visit, beyond the tolls of visits."""
        return self.follows(self.skeleton.initial, 0)

    @cached_property
    def first(self) -> Fraction:
        """The first visit, and every visit that is left then at its toll."""
        paid = sum((self.skeleton.visits_left[s] * toll for s, toll in self.per_visit.items()), Fraction(0))
        return self.worst_case[self.skeleton.initial] + paid

    @property
    def total(self) -> Fraction:
        """The bound. What is charged is whole, so the whole part of it is a bound too."""
        return self.first + self.to_come

    @property
    def per_hop(self) -> Fraction:
        """What one more hop would add to the bound, at these tolls."""
        return Fraction(self.layers[-1][self.skeleton.initial], self.unit) - self.to_come

    def reach(self, gained: int, state: str, hops: int) -> int:
        """Bound what a path that stands in a state may come to.

        Args:
            gained: the sum of `gain` over its visits after the first.
            hops: those it has taken.
        """
        return (self._first + gained + self.layers[self.skeleton.hops - 1 - hops][state]) // self.unit

    @cached_property
    def _first(self) -> int:
        return int(self.first * self.unit)
