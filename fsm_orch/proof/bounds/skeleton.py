"""The skeleton of a machine: its states and edges as plain numbers, without guards, contexts or agents.

A run visits one of the states to start in after 0 hops, and each visit ends with one hop. A state can be entered after
h hops only if h + 1 <= hops, because the last hop is kept for landing. So a run makes at most `hops` visits, and each
is charged at most its worst case. Guards are ignored: a handoff whose guard never holds counts as possible. That can
only add paths, so a bound of the skeleton is a bound of every run.
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

    starts: tuple[str, ...]
    """The states that a run can visit first."""
    onward: Mapping[str, tuple[str, ...]]
    """By state, the states that its handoffs and failure edges lead to, each once, in order of declaration."""
    visits_left: Mapping[str, int]
    """By state, how often it can be entered, the first visit of a run not counted where it has only one to begin with;
    the hop limit if it declares no `max_visits`."""
    hops: int
    """The most hops of a run, the landing included."""

    @property
    def has_one_start(self) -> bool:
        """Whether all runs begin with a visit of the same state, which is then taken off the visits that are left."""
        return len(self.starts) == 1

    @cached_property
    def scarce(self) -> frozenset[str]:
        """The states whose visits can run out before the hops do; only these have a toll."""
        return frozenset(state for state, left in self.visits_left.items() if 0 < left < self.hops - self.has_one_start)

    @cached_property
    def edges(self) -> int:
        """How many pairs of states an edge joins."""
        return sum(map(len, self.onward.values()))


def skeleton(definition: Definition, limits: Limits) -> Skeleton:
    """Reduce a definition to its skeleton.

    Args:
        limits: the limits of runs, of which only `hops` is read.
    """
    starts = definition.starts
    left = {
        name: limits.hops if state.max_visits is None else state.max_visits - ((name,) == starts)
        for name, state in definition.states.items()
    }
    onward = {name: tuple(t for t in definition.successors[name] if left.get(t, 0) > 0) for name in left}
    return Skeleton(starts, onward, left, limits.hops)


def worst_cases(
    definition: Definition,
    limits: Limits,
    prices: Mapping[str, Price],
    parts: Mapping[str, Mapping[Measure, int]],
) -> dict[Measure, dict[str, int]]:
    """Return the most that one visit is charged, by measure and state; without cost if some price is missing.

    Args:
        prices: by state, the price of its model.
        parts: by `state.part`, the most that a run of that machine is charged.
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
    call, calls = caps.max_input_tokens + caps.max_output_tokens, spec.calls

    def of_parts(measure: Measure) -> int:
        # all of them together, and not the largest: of a race the losers are charged too
        return sum(part.most * parts[part.name][measure] for part in spec.parts)

    visit: dict[Measure, int] = {
        "tokens": calls * call + of_parts("tokens"),
        "hops": 1,  # those inside parts are the parts' own
        "calls": calls + of_parts("calls"),
        # Through its text, since the float 0.1 is a little more than 0.1 and would be rounded up to 101 milliseconds.
        "milliseconds": ceil(Fraction(str(state.seconds(limits))) * 1_000),
    }
    if (calls == 0 or price is not None) and all("cost" in part for part in parts.values()):
        own = spec.grant(price).cost * calls if calls and price is not None else 0
        visit["cost"] = own + of_parts("cost")
    return visit
