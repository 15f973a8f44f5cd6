"""Least: the fewest hops, and visits of a state, with which runs can take each handoff and come to an answer after it.

A bound below them closes a handoff, or leaves a run that takes it nothing but to be landed. Guards are not asked, and
what other bounds close is left out.
"""

from __future__ import annotations

from collections.abc import Callable

from .definition import Definition
from .graph import least, reversed_graph


def least_hops(definition: Definition) -> int:
    """Return the fewest hops with which each edge can be taken by a run that then comes to an answer."""
    return _least(definition, lambda _: 1) - 1  # where a run starts it comes without a hop


def least_visits(definition: Definition, state: str) -> int:
    """Return the fewest visits of a state with which each edge can be taken by a run that then comes to an answer."""
    return _least(definition, lambda name: int(name == state))


def _least(definition: Definition, price: Callable[[str], int]) -> int:
    """Return the price of the dearest edge: of all ends on its cheapest way from a start to an answer."""
    answers = [name for name, final in definition.finals.items() if not final.fallback]
    there = least(definition.successors, definition.starts, price)
    onward = least(reversed_graph(definition.successors), answers, price)
    ways = [
        there[source] + onward.get(handoff.target.name, price(handoff.target.name))
        for source, handoff in definition.edges
        if source in there
    ]
    return max(ways, default=1)
