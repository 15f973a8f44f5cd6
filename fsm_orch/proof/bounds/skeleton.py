"""The skeleton of a machine: its states and edges as plain numbers, without guards, contexts or agents.

A run visits the initial state after 0 hops, and each visit ends with one hop. A state can be entered after h hops only
if h + 1 <= hops, because the last hop is kept for landing. So a run makes at most `hops` visits, and each is charged at
most its worst case. Guards are ignored: a handoff whose guard never holds counts as possible. That can only add paths,
so a bound of the skeleton is a bound of every run.
"""

from __future__ import annotations

from collections.abc import Mapping
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
"""What a run uses up, as whole numbers. Cost is in micro-dollars; milliseconds of a visit are rounded up."""

MEASURES: tuple[Measure, ...] = ("tokens", "cost", "hops", "calls", "milliseconds")


@dataclass(frozen=True)
class Skeleton:
    """The states that runs can visit, and how often."""

    initial: str
    onward: Mapping[str, tuple[str, ...]]
    """By state, the states that its handoffs and failure edges lead to, each once, in order of declaration."""
    visits_left: Mapping[str, int]
    """By state, how often it can be entered once the run has begun; the hop limit if it declares no `max_visits`."""
    hops: int
    """The most hops of a run, the landing included."""

    @cached_property
    def scarce(self) -> frozenset[str]:
        """The states whose visits can run out before the hops do; only these have a toll."""
        return frozenset(state for state, left in self.visits_left.items() if 0 < left < self.hops - 1)

    @cached_property
    def edges(self) -> int:
        """How many pairs of states an edge joins."""
        return sum(map(len, self.onward.values()))


def skeleton(definition: Definition, limits: Limits) -> Skeleton:
    """Reduce a definition to its skeleton.

    Args:
        limits: the limits of runs, of which only `hops` is read.
    """
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
    parts: Mapping[str, Mapping[Measure, int]],
) -> dict[Measure, dict[str, int]]:
    """Return the most that one visit is charged, by measure and state; without cost if some price is missing.

    Args:
        prices: by state, the price of its model.
        parts: by `state.part`, the bounds of the machines that visits run inside them.
    """
    visits = {
        name: _visit(state, limits, prices.get(name), {p.name: parts[f"{name}.{p.name}"] for p in state.spec.parts})
        for name, state in definition.states.items()
    }
    known: list[Measure] = [measure for measure in MEASURES if all(measure in visit for visit in visits.values())]
    return {measure: {name: visit[measure] for name, visit in visits.items()} for measure in known}


def _visit(
    state: State, limits: Limits, price: Price | None, parts: Mapping[str, Mapping[Measure, int]]
) -> dict[Measure, int]:
    spec, caps = state.spec, state.spec.call_limits
    call = caps.max_input_tokens + caps.max_output_tokens
    # every run of every part, and not the dearest alone: of a race the losers are charged too
    visit: dict[Measure, int] = {
        "tokens": spec.calls * call
        + sum(p.most * min(p.definition.limits.tokens, parts[p.name]["tokens"]) for p in spec.parts),
        "hops": 1,
        "calls": spec.calls + sum(p.most * parts[p.name]["calls"] for p in spec.parts),
        # Through its text, since the float 0.1 is a little more than 0.1 and would be rounded up to 101 milliseconds.
        "milliseconds": ceil(Fraction(str(state.seconds(limits))) * 1_000),
    }
    if (spec.calls == 0 or price is not None) and all("cost" in part for part in parts.values()):
        own = price.amount(caps.max_input_tokens, caps.max_output_tokens).cost * spec.calls if price is not None else 0
        visit["cost"] = own + sum(p.most * _cost(p.definition.limits, parts[p.name]["cost"]) for p in spec.parts)
    return visit


def _cost(limits: Limits, bound: int) -> int:
    return bound if limits.cost_micros is None else min(bound, limits.cost_micros)
