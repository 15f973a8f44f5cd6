"""How well a machine routes: what the records of many runs say of a table of queries with their right states.

A *label* is a state that queries are expected to reach, such as a specialist. A query is *in scope* if a label is
expected of it; any other expectation, such as `out_of_scope`, means that no label should be reached. A run is *routed*
to the first label it enters; without one, to wherever it stands at the end.

Misroute, false fallback and leak belong together, for any one of them is had at the price of the others: who sends
everything to the fallback misroutes nothing. Nothing here says whether an answer is right, and nothing here runs.
"""

from __future__ import annotations

import math
import types
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

from ..define.definition import Definition
from ..define.machine import AnyMachine, Machine
from ..define.states import Final, State
from ..kernel.reasons import FailureReason, LandingReason, RefusalReason
from ..kernel.records import (
    AttemptFailed,
    CallReserved,
    CallSettled,
    Landed,
    Record,
    Refused,
    RunFinished,
    VisitStarted,
)

RouteVerdict = Literal["right", "misroute", "false_fallback", "leak"]
"""Of one run: it reached its label (or none, if none was expected); another label; no label; a label none expected."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None of nothing."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What one run did with its query."""

    expected: str
    reached: str
    """The first label; without one, the state it stands in at the end."""
    seconds: float
    """Until it was there."""
    ended: str | None
    """The final state; None for a run that was left before its end."""
    landing: LandingReason | None
    refusals: tuple[RefusalReason, ...]
    failures: tuple[FailureReason, ...]
    calls: int
    reserved: int
    """Tokens of its calls."""
    used: int
    """Tokens it was charged for them."""
    cost: int
    """Micro-dollars; 0 where a price is not known."""


def route(expected: str, records: Sequence[Record], labels: Collection[str]) -> Route:
    """Read what a run did out of its records, or out of the first of them: what is not there is not counted.

    Args:
        expected: the state it should reach, or any other word for none of the labels.
        records: at least one.
        labels: names of states.
    """
    entered = (r for r in records if isinstance(r, VisitStarted) and r.stamp.state in labels)
    decided = next(entered, records[-1]).stamp
    admitted = [r for r in records if isinstance(r, CallReserved)]
    charged = [r for r in records if isinstance(r, CallSettled)]
    return Route(
        expected=expected,
        reached=decided.state,
        seconds=decided.at,
        ended=next((r.stamp.state for r in records if isinstance(r, RunFinished)), None),
        landing=next((r.reason for r in records if isinstance(r, Landed)), None),
        refusals=tuple(r.reason for r in records if isinstance(r, Refused)),
        failures=tuple(r.reason for r in records if isinstance(r, AttemptFailed)),
        calls=len(admitted),
        reserved=sum(r.input_tokens + r.output_tokens for r in admitted),
        used=sum(r.tokens for r in charged),
        cost=sum(r.cost for r in charged),
    )


@dataclass(frozen=True)
class Routing:
    """What many runs did with their queries."""

    labels: tuple[str, ...]
    routes: tuple[Route, ...]

    @cached_property
    def matrix(self) -> Counter[tuple[str, str]]:
        """How many queries with which expectation reached which state."""
        return Counter((route.expected, route.reached) for route in self.routes)

    @cached_property
    def verdicts(self) -> Counter[RouteVerdict]:
        return Counter(self._verdict(route) for route in self.routes)

    def _verdict(self, route: Route) -> RouteVerdict:
        is_routed = route.reached in self.labels
        if route.expected not in self.labels:
            return "leak" if is_routed else "right"
        if route.reached == route.expected:
            return "right"
        return "misroute" if is_routed else "false_fallback"

    @property
    def in_scope(self) -> int:
        """Queries of which a label was expected."""
        return sum(route.expected in self.labels for route in self.routes)

    @property
    def accuracy(self) -> Share:
        """Queries that reached their label, or no label if none was expected."""
        return Share(self.verdicts["right"], len(self.routes))

    @property
    def misroute(self) -> Share:
        """Queries in scope that reached another's label."""
        return Share(self.verdicts["misroute"], self.in_scope)

    @property
    def false_fallback(self) -> Share:
        """Queries in scope that reached no label."""
        return Share(self.verdicts["false_fallback"], self.in_scope)

    @property
    def leak(self) -> Share:
        """Queries out of scope that reached a label."""
        return Share(self.verdicts["leak"], len(self.routes) - self.in_scope)

    def right(self, expected: str) -> Share:
        """Tell how many of the queries with one expectation went where they should."""
        own = [route for route in self.routes if route.expected == expected]
        return Share(sum(self._verdict(route) == "right" for route in own), len(own))

    def seconds(self, quantile: float) -> float | None:
        """Tell a quantile of the time to a decision, by nearest rank: 0.5 is the median. None of no runs."""
        ordered = sorted(route.seconds for route in self.routes)
        return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)] if ordered else None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Whether a specialist says so when a question is not its own."""

    label: str
    foreign: Share
    """Questions of others that it handed on: all of them, ideally."""
    own: Share
    """Its own questions that it handed on: none, ideally. Who hands on everything says so of everything."""


def handed_on(definition: Definition, label: str, labels: Collection[str]) -> frozenset[str]:
    """Tell where the exits lead by which a specialist says that a question is not its own.

    That is to the fallback, to another label, or back to a state that hands to it.
    """
    callers = {name for name, targets in definition.successors.items() if label in targets}
    elsewhere = {definition.fallback.name, *labels, *callers} - {label}
    return frozenset(handoff.target.name for handoff in definition.exits(label)) & elsewhere


def alone(machine: AnyMachine, label: str) -> AnyMachine:
    """Make a machine of one specialist: its agent and its exits, each of which ends the run.

    Raises DefinitionError: if it cannot stand alone, such as one that reads what another state writes.
    """
    whole = machine.definition
    exits, fallback = whole.exits(label), whole.fallback.name
    ends = {name: Final(fallback=name == fallback) for name in {fallback, *(exit.target.name for exit in exits)}}
    state = State(whole.states[label].agent, initial=True, timeout_s=whole.states[label].timeout_s)
    ways = {exit.name: state.to(ends[exit.target.name], exit.description, guard=exit.guard) for exit in exits}
    body = {**ends, label: state, **ways, "limits": whole.limits, "model": whole.model, "__doc__": whole.doc}
    base = Machine[whole.context, whole.deps]  # type: ignore[name-defined]
    made = types.new_class(f"{whole.name}_{label}", (base,), exec_body=lambda namespace: namespace.update(body))
    return cast("AnyMachine", made)
