"""Visits left: how often a run can still enter the states whose visits may run out, as far as it makes a difference."""

from __future__ import annotations

from ...define.definition import Definition
from ...kernel.configuration import Configuration
from ...limits import Limits

_NEVER = 1 << 30
"""More hops than any run has: a state that cannot be entered again."""


class VisitsLeft:
    """The count of visits that are left, for one definition within limits."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        self._hops = limits.hops
        # States whose visits run out no sooner than the hops need no count: the limit of hops stops them first.
        self._scarce = {
            name: state.max_visits
            for name, state in definition.states.items()
            if state.max_visits is not None and state.max_visits < limits.hops
        }
        far = {name: _distances(definition, name) for name in definition.states}
        self._ways = {
            name: [(far[name].get(scarce, _NEVER), far[scarce].get(scarce, _NEVER)) for scarce in self._scarce]
            for name in definition.states
        }
        """By state, for each scarce one the fewest hops until it is entered, and then until it is entered again."""

    def of(self, now: Configuration) -> tuple[int, ...]:
        """Return for each scarce state how often it can still be entered, by its visits and by the hops left."""
        # Capped by the hops, the last of which lands: visits that a run has no hops for decide nothing.
        hops = self._hops - 1 - now.hops
        left = []
        for (name, most), (first, again) in zip(self._scarce.items(), self._ways[now.state], strict=True):
            fitting = 0 if hops < first else 1 + (hops - first) // again
            left.append(min(most - now.visits.get(name, 0), fitting))
        return tuple(left)

    def used_up(self, now: Configuration) -> tuple[str, ...]:
        """Return the states that have had all their visits."""
        return tuple(name for name, most in self._scarce.items() if now.visits.get(name, 0) >= most)


def _distances(definition: Definition, start: str) -> dict[str, int]:
    """Return the fewest hops, at least one, from a state to each that can follow it."""
    found: dict[str, int] = {}
    front, hops = [start], 0
    while front:
        hops += 1
        after = dict.fromkeys(target for state in front for target in definition.successors[state])
        front = [target for target in after if target in definition.states and target not in found]
        found.update(dict.fromkeys(front, hops))
    return found
