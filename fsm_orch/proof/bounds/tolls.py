"""The bound that follows from a toll on each visit. It holds for every run, whatever the tolls are.

Let c(t) be the worst case of a visit of t, H the hop limit, and left(s) the visits of s that remain once the run has
begun. Charge a toll lambda(s) >= 0 for every visit still allowed, up front, and refund it when the visit is made.
Then pi(s, h), the most that may follow a visit of s that began after h hops, can be found without counting visits:

    pi(s, H - 1) = 0    pi(s, h) = max(0, max over s -> t of c(t) - lambda(t) + pi(t, h + 1))

So c(t) <= pi(s, h) - pi(t, h + 1) + lambda(t) on each edge. Added up along a run the potentials cancel, all but the
first and the last, and no run is charged more than

    c(initial) + pi(initial, 0) + sum left(s) * lambda(s)

Where a machine has several states to start in, none of them is surely visited, so left(s) counts first visits too. The
toll of a first visit is then refunded like any other, and the bound is

    max over starts s of (c(s) - lambda(s) + pi(s, 0)) + sum left(s) * lambda(s)

This is the Lagrangian relaxation of the limits of visits: a limit is dropped, and a toll is paid on what it limited
(Fisher, "The Lagrangian relaxation method", Management Science 27, 1981). `program` finds the tolls at which the bound
is lowest. Everything here is exact arithmetic.
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
    """A skeleton in one measure with a toll on visits, and the bound that follows."""

    skeleton: Skeleton
    worst_case: Mapping[str, int]
    """c, by state: the most that one visit is charged."""
    per_visit: Mapping[str, Fraction]
    """lambda, by state, at least 0; a state that is not named has no toll."""

    @cached_property
    def unit(self) -> int:
        """The factor of `gain` and `layers`: the least that makes all tolls whole numbers."""
        # Integers and not floats: a float that is rounded down is not a bound. Integers and not fractions: the layers
        # are computed for every state and hop, and integers are many times quicker to add and compare.
        return lcm(*(toll.denominator for toll in self.per_visit.values()))

    @cached_property
    def gain(self) -> Mapping[str, int]:
        """The gain of a visit, c - lambda, by state, times `unit`."""
        return {s: int((c - self.per_visit.get(s, 0)) * self.unit) for s, c in self.worst_case.items()}

    @cached_property
    def layers(self) -> tuple[Mapping[str, int], ...]:
        """The tables of pi, by state, times `unit`: one for each number of visits that may follow, from 0 to `hops`."""
        # The last table is for one visit more than any run can make; `per_hop` needs it.
        layer = dict.fromkeys(self.gain, 0)
        layers = [layer]
        for _ in range(self.skeleton.hops):
            value = {t: self.gain[t] + pi for t, pi in layer.items()}
            # 0 because a run may end here: any run can be landed after any visit.
            layer = {s: max([0, *(value[t] for t in ways)]) for s, ways in self.skeleton.onward.items()}
            layers.append(layer)
        return tuple(layers)

    def pi(self, state: str, hops: int) -> Fraction:
        """Return pi(s, h): the most that may follow a visit that began after so many hops, the tolls taken off."""
        return Fraction(self.layers[self.skeleton.hops - 1 - hops][state], self.unit)

    @cached_property
    def to_come(self) -> Fraction:
        """The most that may follow the first visit of the dearest start, the tolls taken off: pi(start, 0)."""
        _, to_come = max((self.begun(s) + pi, pi) for s, pi in self._starts(self.skeleton.hops - 1))
        return Fraction(to_come, self.unit)

    @cached_property
    def paid(self) -> Fraction:
        """The toll of every visit that is left, up front."""
        return sum((self.skeleton.visits_left[s] * toll for s, toll in self.per_visit.items()), Fraction(0))

    def begun(self, start: str) -> int:
        """Return what the first visit of a run adds to the tolls that are paid, times `unit`."""
        if self.skeleton.has_one_start:  # its visit is not among those that are left, and paid no toll
            return self.worst_case[start] * self.unit
        return self.gain[start]

    @property
    def total(self) -> Fraction:
        """The bound. A run is charged whole units, so the whole part of it is a bound too."""
        return self._total(self.skeleton.hops - 1)

    @property
    def per_hop(self) -> Fraction:
        """By how much one more hop would raise the bound, at these tolls."""
        return self._total(self.skeleton.hops) - self.total

    def _total(self, more: int) -> Fraction:
        """Return the bound where so many visits may follow the first."""
        return self.paid + Fraction(max(self.begun(s) + pi for s, pi in self._starts(more)), self.unit)

    def _starts(self, more: int) -> list[tuple[str, int]]:
        """Return pi of each start, times `unit`, where so many visits may follow."""
        return [(start, self.layers[more][start]) for start in self.skeleton.starts]

    def reach(self, gained: int, state: str, hops: int) -> int:
        """Bound what any continuation of a path is charged in all.

        Args:
            gained: what its first visit has `begun` with, and the sum of `gain` over those after it.
            state: where the path stands.
            hops: how many it has taken.
        """
        return (self._paid + gained + self.layers[self.skeleton.hops - 1 - hops][state]) // self.unit

    @cached_property
    def _paid(self) -> int:
        return int(self.paid * self.unit)
