"""One step of a run and of all its policies together: the real kernel, on the abstract context.

A *place* is where both stand. Two places with the same key have the same future, so only one of them is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ...amounts import Amount, Price
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.states import EdgeKind
from ...kernel import VERSION, inputs
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...kernel.records import HandedOff, Landed, Record
from ...kernel.step import step
from ...limits import Limits
from .abstract import Abstraction, GuardOracle, LeafAnswer, Origin
from .adversary import Adversary
from .automata import automaton, guards
from .domain import Outcome
from .liveness import live
from .theorems import Breach, Theorems


class Position(NamedTuple):
    """Where a run and its policies stand."""

    now: Configuration
    at: tuple[int, ...]
    """The automaton of each policy."""


class Successor(NamedTuple):
    """What an input led to."""

    place: Position
    records: tuple[Record, ...]
    breaches: list[Breach]


class Play:
    """A definition to be explored, with its adversary, its oracle and its policies."""

    def __init__(
        self,
        definition: Definition,
        limits: Limits,
        prices: Mapping[str, Price],
        policies: tuple[Policy, ...],
    ) -> None:
        self.abstraction = Abstraction(definition, guards(definition, policies))
        self.oracle = GuardOracle(self.abstraction)
        self.compiled = CompiledMachine(self.abstraction.definition, limits=limits, prices=prices, oracle=self.oracle)
        self.adversary = Adversary(self.compiled, self.abstraction)
        self.automata = tuple(map(automaton, policies))
        self._live = live(definition, self.abstraction.domain, (g for policy in policies for g in policy.guards))
        self._theorems = Theorems(definition, limits)
        worst, cost = _worst_case(self.compiled), limits.cost_micros
        self._may_run_dry = cost is not None and worst.cost > cost
        self.may_run_out = self._may_run_dry or worst.tokens > limits.tokens
        """Whether the ledger may deny something in some run, as far as counting visits tells."""
        self.sets = {n: {ref.name: value for ref, value in f.sets.items()} for n, f in definition.finals.items()}
        """What each final state writes."""
        self._kinds: dict[str, EdgeKind] = {handoff.name: handoff.kind for handoff in definition.handoffs}
        self._scarce = tuple(
            name for name, s in definition.states.items() if s.max_visits is not None and s.max_visits < limits.hops
        )

    def starts(self) -> Iterator[inputs.Started]:
        """List how runs begin."""
        for context in self.abstraction.starts():
            yield inputs.Started(
                run_id="explored",
                context=context,
                digest=self.compiled.definition.digest,
                kernel=VERSION,
                limits=self.compiled.limits,
            )

    def kind(self, handoff: str) -> EdgeKind:
        """Tell what kind of edge a handoff is."""
        return self._kinds[handoff]

    def moves(self, place: Position) -> Iterable[Input]:
        """List what the world may do next; nothing once the run has finished."""
        if place.now.status == "finished":
            return ()
        return self.adversary.moves(place.now, is_tight=self.is_tight(place.now))

    def take(self, place: Position | None, event: Input) -> Iterator[tuple[Successor, tuple[LeafAnswer, ...]]]:
        """Take a step in every way that unknown guards allow."""
        return self.oracle.paths(place and place.now.context, lambda: self._take(place, event))

    def retake(
        self, place: Position | None, event: Input, script: tuple[Outcome, ...]
    ) -> tuple[Successor, tuple[LeafAnswer, ...]]:
        """Take a step as it was taken before."""
        return self.oracle.replay(place and place.now.context, lambda: self._take(place, event), script)

    def key(self, place: Position) -> Hashable:
        """Tell what decides the future of a place, but for the hops; of a finished run, how it ended."""
        now, visit = place.now, place.now.visit
        if visit is None:
            return now.state, now.landing, place.at
        return (
            now.state,
            now.status,
            place.at,
            self.abstraction.values(now.context, self._live[now.state]),
            tuple([now.visits.get(name, 0) for name in self._scarce]),
            (visit.calls, visit.attempt, visit.failures, visit.pauses, visit.is_denied, bool(visit.open)),
            (now.ledger.settled.tokens, now.ledger.settled.cost) if self.is_tight(now) else None,
        )

    def broken(self, place: Position) -> list[bool]:
        """Tell of each policy whether it is broken."""
        ended, landed = place.now.status == "finished", place.now.landing is not None
        return [
            automaton.is_broken(at, ended=ended, landed=landed)
            for automaton, at in zip(self.automata, place.at, strict=True)
        ]

    def is_tight(self, now: Configuration) -> bool:
        """Tell whether the ledger may still deny something: the worst case to come does not fit what is left."""
        return self.may_run_out and (self._may_run_dry or now.ceiling > self.compiled.limits.tokens)

    def _take(self, place: Position | None, event: Input) -> Successor:
        before, at = place if place else (None, ())
        after, records, _ = step(self.compiled, before, event)
        left = _Left(self, before, event, records)
        breaches = self._theorems.breaches(before, event, after, records, left.holds)
        if before is None:
            initial = self.compiled.definition.initial.name
            at = tuple([automaton.start(initial, left.holds) for automaton in self.automata])
        if self.automata and after.hops != (before.hops if before else 0):
            for record in records:
                if isinstance(record, HandedOff):
                    holds = left.ended(record.target) if record.target in self.sets else left.holds
                    moved = zip(self.automata, at, strict=True)
                    at = tuple([a.hop(n, record.handoff, record.target, holds) for a, n in moved])
                elif isinstance(record, Landed):
                    holds = left.ended(record.target)
                    at = tuple([a.landed(n, record.target, holds) for a, n in zip(self.automata, at, strict=True)])
        return Successor(Position(after, at), records, breaches)


class _Left:
    """The context that the hop of a step left, looked at only where a guard is asked."""

    def __init__(self, play: Play, before: Configuration | None, event: Input, records: tuple[Record, ...]) -> None:
        self._play = play
        self._step = before, event, records

    @cached_property
    def _known(self) -> tuple[dict[str, object], Origin]:
        """Tell the finite fields, and whose opaque fields go with them."""
        before, event, records = self._step
        finite = self._play.abstraction.domain.finite
        if before is None:
            assert isinstance(event, inputs.Started)  # a journal begins with it
            return {name: event.context[name] for name in finite}, "after"
        known = dict(zip(finite, self._play.abstraction.values(before.context), strict=True))
        written = any(isinstance(record, HandedOff) and record.written for record in records)
        if isinstance(event, inputs.Replied) and written:
            return {name: event.changes.get(name, value) for name, value in known.items()}, "after"
        return known, "before"

    def holds(self, guard: Guard[Any]) -> bool:
        return self._play.oracle.holds(guard, *self._known)

    def ended(self, final: str) -> Callable[[Guard[Any]], bool]:
        """Ask guards where a final state has written what it sets."""
        return lambda guard: self._play.oracle.holds_at_end(guard, *self._known, self._play.sets[final])


def _worst_case(compiled: CompiledMachine) -> Amount:
    """Bound what a run may be charged by counting its visits alone, the dearest first."""
    hops = compiled.limits.hops
    charged = [
        (state.spec.worst_case(compiled.prices[name]), min(state.max_visits or hops, hops))
        for name, state in compiled.definition.states.items()
    ]
    return Amount(
        _dearest([(amount.tokens, visits) for amount, visits in charged], hops),
        _dearest([(amount.cost, visits) for amount, visits in charged], hops),
    )


def _dearest(charged: Iterable[tuple[int, int]], hops: int) -> int:
    total = 0
    for amount, visits in sorted(charged, reverse=True):
        total, hops = total + amount * min(visits, hops), hops - min(visits, hops)
    return total
