"""The skeleton of a machine: plain numbers, without guards, contexts or agents.

A run visits the initial state after 0 hops and ends each visit with one hop; what it enters after h hops it enters only
while h + 1 <= hops, so it makes at most `hops` visits. Each visit is charged at most its worst case. Nothing else is
known here: a handoff whose guard never holds counts as possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Literal

from ...amounts import Price
from ...define.definition import Definition
from ...define.states import State
from ...limits import Limits

Measure = Literal["tokens", "cost", "hops", "calls", "milliseconds"]
"""What a run uses up, always whole; cost is in micro-dollars, and milliseconds are rounded up."""

MEASURES: tuple[Measure, ...] = ("tokens", "cost", "hops", "calls", "milliseconds")


@dataclass(frozen=True)
class Skeleton:
    """Where the runs of a machine can go."""

    initial: str
    onward: Mapping[str, tuple[str, ...]]
    """The states that the handoffs and failure edges of each state lead to, each once, in order of declaration."""
    visits_left: Mapping[str, int]
    """How often each state can be entered once the run has begun; the hop limit where nothing else says so."""
    hops: int

    @cached_property
    def scarce(self) -> frozenset[str]:
        """The states whose visits can run out before the hops do."""
        return frozenset(state for state, left in self.visits_left.items() if 0 < left < self.hops - 1)

    @cached_property
    def edges(self) -> int:
        return sum(map(len, self.onward.values()))


def skeleton(definition: Definition, limits: Limits) -> Skeleton:
    """Reduce a definition to where its runs can go."""
    initial = definition.initial.name
    left = {
        name: limits.hops if state.max_visits is None else state.max_visits - (name == initial)
        for name, state in definition.states.items()
    }
    onward = {name: tuple(t for t in definition.successors[name] if left.get(t, 0) > 0) for name in left}
    return Skeleton(initial, onward, left, limits.hops)


def worst_cases(
    definition: Definition,
    limits: Limits,
    prices: Mapping[str, Price],
    parts: Mapping[str, Sequence[Mapping[Measure, int]]],
) -> dict[Measure, dict[str, int]]:
    """Give what one visit of each state is charged at most, by measure; without cost if a price is not known.

    Args:
        prices: of each state's model; the price of a state that is not named is not known.
        parts: by state, bounds of the machines that its visits run inside them, each in the place of one call.
    """
    visits = {
        name: _visit(state, limits, prices.get(name), parts.get(name, ())) for name, state in definition.states.items()
    }
    known: list[Measure] = [measure for measure in MEASURES if all(measure in visit for visit in visits.values())]
    return {measure: {name: visit[measure] for name, visit in visits.items()} for measure in known}


def _visit(
    state: State, limits: Limits, price: Price | None, parts: Sequence[Mapping[Measure, int]]
) -> dict[Measure, int]:
    spec, caps = state.spec, state.spec.call_limits
    call, calls = caps.max_input_tokens + caps.max_output_tokens, spec.calls - len(parts)
    visit: dict[Measure, int] = {
        "tokens": calls * call + sum(min(call, part["tokens"]) for part in parts),  # its share is at most one call
        "hops": 1,
        "calls": calls + sum(part["calls"] for part in parts),
        # The number as written: a float such as 0.1 is a little more, and any cancellation is a lot more.
        "milliseconds": ceil(Fraction(str(state.timeout_s or limits.visit_s)) * 1_000),
    }
    if (calls == 0 or price is not None) and all("cost" in part for part in parts):
        own = spec.grant(price).cost * calls if price is not None else 0
        visit["cost"] = own + sum(part["cost"] for part in parts)
    return visit
