"""How well a machine routes, from the records of its runs on queries whose right states are known.

A *label* is a state that some query is expected to reach, such as a specialist. A query is *in scope* if it is expected
to reach a label; any other expectation, such as `out_of_scope`, means that it should reach none. A run is *routed* to
the first label that it enters; if it enters none, to the state in which it ends.

Report misroute, false fallback and leak together, since each can be bought with the others: a machine that sends
everything to the fallback misroutes nothing. Nothing here judges whether an answer is right, and nothing here runs.
"""

from __future__ import annotations

import math
import types
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
    Overspent,
    Record,
    Refused,
    RunFinished,
    VisitStarted,
)

RouteVerdict = Literal["right", "misroute", "false_fallback", "leak"]
"""Of a run: it reached what was expected; another label; no label though one was expected; a label though none was."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole: `count` of `of`."""

    count: int
    of: int

    @property
    def rate(self) -> float | None:
        """The share, from 0 to 1; None if the whole is 0."""
        return self.count / self.of if self.of else None


def verdict(expected: str, reached: str, labels: Collection[str]) -> RouteVerdict:
    """Return what a query that reached a state says of the routing.

    Args:
        expected: the label that it should reach; any other word: none of the labels.
        reached: the label that it reached; any other word: none of the labels.
        labels: names of states.
    """
    is_routed = reached in labels
    if expected not in labels:
        return "leak" if is_routed else "right"
    if reached == expected:
        return "right"
    return "misroute" if is_routed else "false_fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often a routing was right, and each way in which it was wrong: told together, as each buys the others."""

    accuracy: Share
    """Queries that reached their label, or no label if none was expected."""
    misroute: Share
    """Queries in scope that reached another's label."""
    false_fallback: Share
    """Queries in scope that reached no label."""
    leak: Share
    """Queries out of scope that reached a label."""

    @classmethod
    def of(cls, verdicts: Mapping[RouteVerdict, int], in_scope: int) -> Rates:
        """Make the rates of queries, so many of which are in scope, from how often each verdict was given."""
        count = sum(verdicts.values())
        return cls(
            accuracy=Share(verdicts.get("right", 0), count),
            misroute=Share(verdicts.get("misroute", 0), in_scope),
            false_fallback=Share(verdicts.get("false_fallback", 0), in_scope),
            leak=Share(verdicts.get("leak", 0), count - in_scope),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What one run did with its query."""

    expected: str
    reached: str
    """The first label that it entered; without one, the state in which it ended."""
    path: tuple[str, ...]
    """The states that it entered up to there, in their order."""
    seconds: float
    """The time until it entered that state."""
    ended: str | None
    """The final state; None if the run was left before its end."""
    landing: LandingReason | None
    refusals: tuple[RefusalReason, ...]
    failures: tuple[FailureReason, ...]
    calls: int
    reserved: int
    """Tokens that its calls reserved."""
    used: int
    """Tokens that its calls were charged."""
    cost: int
    """Micro-dollars; a call whose price is unknown adds 0."""


def route(expected: str, records: Sequence[Record], labels: Collection[str]) -> Route:
    """Return what a run did, by its records. If they are not all of them, the rest does not count.

    Args:
        expected: the label that it should reach; any other word: none of the labels.
        records: the first records of the run, at least one.
        labels: names of states.
    """
    entered = [r.stamp for r in records if isinstance(r, VisitStarted)]
    decided = next((stamp for stamp in entered if stamp.state in labels), records[-1].stamp)
    admitted = [r for r in records if isinstance(r, CallReserved)]
    charged = [r for r in records if isinstance(r, CallSettled | Overspent)]
    return Route(
        expected=expected,
        reached=decided.state,
        path=tuple(stamp.state for stamp in entered[: entered.index(decided) + 1 if decided in entered else None]),
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
        """By (expected, reached): how many queries."""
        return Counter((route.expected, route.reached) for route in self.routes)

    @cached_property
    def rates(self) -> Rates:
        """How often the routing was right, and each way in which it was wrong."""
        return Rates.of(Counter(verdict(r.expected, r.reached, self.labels) for r in self.routes), self.in_scope)

    @property
    def in_scope(self) -> int:
        """The number of queries that should reach a label."""
        return sum(route.expected in self.labels for route in self.routes)

    def right(self, expected: str) -> Share:
        """Return the share of queries with this expectation that went where they should."""
        own = [route for route in self.routes if route.expected == expected]
        return Share(sum(verdict(r.expected, r.reached, self.labels) == "right" for r in own), len(own))

    def seconds(self, quantile: float) -> float | None:
        """Return a quantile of the time to a decision, by nearest rank; None if there are no runs.

        Args:
            quantile: from 0 to 1; 0.5 is the median.
        """
        ordered = sorted(route.seconds for route in self.routes)
        return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)] if ordered else None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How often a specialist hands on questions, of others and of its own."""

    label: str
    foreign: Share
    """Questions of others that it handed on: ideally all of them."""
    own: Share
    """Its own questions that it handed on: ideally none. Without this, handing on everything would look perfect."""


def handed_on(definition: Definition, label: str, labels: Collection[str]) -> frozenset[str]:
    """Return the states to which a specialist hands a question that is not its own.

    Those are, where it has an exit to them: the fallback, the other labels, and the states that hand to it.
    """
    callers = {name for name, targets in definition.successors.items() if label in targets}
    elsewhere = {definition.fallback.name, *labels, *callers} - {label}
    return frozenset(handoff.target.name for handoff in definition.states[label].exits) & elsewhere


def alone(machine: AnyMachine, label: str) -> AnyMachine:
    """Make a machine of one specialist: its agent and its exits, each of which ends the run.

    Raises DefinitionError: if the specialist cannot stand alone, such as one that reads what another state writes.
    """
    whole = machine.definition
    own, fallback = whole.states[label], whole.fallback.name
    ends = {name: Final(fallback=name == fallback) for name in {fallback, *(exit.target.name for exit in own.exits)}}
    state = State(own.agent, initial=True, timeout_s=own.timeout_s)
    ways = {exit.name: state.to(ends[exit.target.name], exit.description, guard=exit.guard) for exit in own.exits}
    body = {**ends, label: state, **ways, "limits": whole.limits, "model": whole.model, "__doc__": whole.doc}
    base = Machine[whole.context, whole.deps]  # type: ignore[name-defined]
    # A class like any other, and checked like one: so what cannot stand alone is refused by its own rules.
    made = types.new_class(f"{whole.name}_{label}", (base,), exec_body=lambda namespace: namespace.update(body))
    return cast("AnyMachine", made)
