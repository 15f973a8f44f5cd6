"""One step of a run and of all its policies together: the real kernel, on the abstract context.

A *configuration* is all that a run is; a *position* is a configuration with the states of the policies' automata. Two
positions with the same key have the same future, so only one of them is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

from ...amounts import Amount, Price
from ...define.context import Context
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.states import EdgeKind
from ...define.used import use_name
from ...define.worst import shares_of
from ...kernel import inputs
from ...kernel.begin import started
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...kernel.records import HandedOff, Landed, Record, VisitStarted
from ...kernel.step import step
from ...limits import Limits
from .abstract import Abstraction
from .adversary import Adversary, FullAdversary, LeanAdversary, SpendingAdversary
from .automata import automaton, guards
from .breach import Breach
from .domain import NO_HOMES, Outcome
from .liveness import live
from .memory import NO_MEMORY, Memory, remembered
from .oracle import GuardOracle, LeafAnswer, Origin
from .reality import RUN_ID
from .summary import most_calls, summaries
from .theorems import Theorems
from .uses import begun, spoken_of
from .visits import VisitsLeft

Against = Literal["full", "lean", "tame", "spending"]


class Position(NamedTuple):
    """A configuration of a run, with the states of its policies' automata."""

    now: Configuration
    at: tuple[int, ...]
    """The state of each policy's automaton, in the order of the policies."""
    memory: Memory = NO_MEMORY
    """What is known of the opaque fields."""


class Successor(NamedTuple):
    """The position that an input led to, with what happened on the way."""

    position: Position
    records: tuple[Record, ...]
    breaches: list[Breach]
    """The theorems that this step broke."""


def passed_through(moved: Successor) -> str | None:
    """Return the state that a step entered and left at once by landing; None if there is none."""
    if moved.position.now.landing is None:
        return None
    return next((record.stamp.state for record in moved.records if isinstance(record, VisitStarted)), None)


class Play:
    """A definition to be explored, with an adversary, its oracle and the automata of its policies.

    Args:
        prices: by state, the price of its model; a state that is not named costs nothing.
        against: the adversary; `tame` is the lean one, under which code proposes no handoff.
        also: further leaves that are told apart, each with the class of the contexts that it is asked on.
    """

    def __init__(
        self,
        definition: Definition,
        limits: Limits,
        prices: Mapping[str, Price],
        policies: tuple[Policy, ...],
        *,
        against: Against = "full",
        also: Mapping[Guard[Any], type[Context]] = NO_HOMES,
    ) -> None:
        self.abstraction = Abstraction(definition, (*guards(definition, policies), *also), also)
        self.oracle = GuardOracle(self.abstraction)
        shares = shares_of(definition, prices)
        self.compiled = CompiledMachine(
            self.abstraction.definition,
            limits=limits,
            prices=prices,
            oracle=self.oracle,
            shares=shares,
            parts=summaries(definition, shares),
        )
        self.against = against
        self._spoken = spoken_of(policies)
        self.adversary = self._adversary()
        self.automata = tuple(map(automaton, policies))
        always = (*(g for policy in policies for g in policy.guards), *also)
        self._live = live(definition, self.abstraction.domain, always)
        opaque = {leaf: self.abstraction.may_read[leaf] for leaf in self.abstraction.opaque_leaves}
        self._worth = remembered(definition, opaque, always)
        self.visits = VisitsLeft(definition, limits)
        # Of the original definition: its guards and edges are what the theorems speak of.
        self._theorems = Theorems(definition, limits, self.compiled.parts)
        worst, cost = _worst_case(self.compiled), limits.cost_micros
        self._may_lack_money = cost is not None and worst.cost > cost
        self.may_run_out = self._may_lack_money or worst.tokens > limits.tokens
        """Whether the most expensive visits together exceed a limit; if not, the ledger denies nothing in any run."""
        self.final_values = {n: {r.name: value for r, value in f.sets.items()} for n, f in definition.finals.items()}
        """The values that each final state writes, by final state and field."""
        self.worst_case = {name: state.worst for name, state in self.compiled.states.items()}
        """What a visit of each state is charged at most."""
        self.most_calls = most_calls(definition)
        """The requests to models that a visit of each state makes at most, in its parts too."""
        self._kinds: dict[str, EdgeKind] = {handoff.name: handoff.kind for handoff in definition.handoffs}

    def _adversary(self) -> Adversary:
        if self.against == "full":
            return FullAdversary(self.compiled, self.abstraction, self.is_tight, self._spoken)
        if self.against == "spending":
            return SpendingAdversary(self.compiled, self.abstraction, self.is_tight)
        return LeanAdversary(self.compiled, self.abstraction, self._spoken, is_tame=self.against == "tame")

    def starts(self) -> Iterator[inputs.Started]:
        """Yield every input that a run can begin with."""
        for context in self.abstraction.starts():
            for state in self.compiled.definition.starts:
                yield started(self.compiled, context, run_id=RUN_ID, state=state)

    def kind(self, handoff: str) -> EdgeKind:
        """Return what kind of edge a handoff is."""
        return self._kinds[handoff]

    def moves(self, position: Position) -> Iterable[Input]:
        """Return every input that may come next; none once the run has finished."""
        if position.now.status == "finished":
            return ()
        return self.adversary.moves(position.now)

    def take(self, position: Position | None, event: Input) -> Iterator[tuple[Successor, tuple[LeafAnswer, ...]]]:
        """Take a step; yield every result that the opaque guards allow, with their answers."""
        before = position and position.now.context
        return self.oracle.paths(before, self._memory(position), _written(event), lambda: self._take(position, event))

    def retake(
        self, position: Position | None, event: Input, script: tuple[Outcome, ...]
    ) -> tuple[Successor, tuple[LeafAnswer, ...]]:
        """Take a step once more, with the answers that opaque guards gave before; return those that it recalls too."""
        before, memory = position and position.now.context, self._memory(position)
        # the theorems were checked when it was taken first
        run = partial(self._take, position, event, is_checked=False)
        moved, asked = self.oracle.replay(before, memory, _written(event), run, script)
        return moved, (*self.oracle.recalled, *(answered for answered in asked if not answered.is_idle))

    def _memory(self, position: Position | None) -> Memory:
        return position.memory if position else Memory(fresh=frozenset(self.abstraction.opaque_defaults))

    def key(self, position: Position) -> Hashable:
        """Return what decides the future of a position, but for its hops; of a finished run, how it ended."""
        if position.now.visit is None:
            return position.now.state, position.now.landing is not None, position.at
        return self.kind_of(position), self.visits.of(position.now)

    def kind_of(self, position: Position) -> Hashable:
        """Return what decides the future of a run that has not finished, but for its hops, and the visits it has left.

        Of two of one kind, one that has taken no more hops and has no fewer visits left can do all that the other can.
        """
        # Everything left out here must decide nothing, or a run would be dropped that can do what no other does.
        # - Hops: positions are compared within a layer, where all have taken as many.
        # - Dead fields, and values that no guard distinguishes: no guard will read them, or none will answer otherwise.
        # - Messages: neither guards nor what is legal depend on them.
        # - Time: the adversary knows two moments, 0 and the deadline, and a run does not get past the second.
        return (
            position.now.state,
            position.at,
            self.live_values(position.now),
            position.memory,
            self.adversary.stage(position.now),
        )

    def without_memory(self, position: Position) -> Hashable:
        """Return the key of a position as if nothing were known of its opaque fields."""
        return self.key(position._replace(memory=NO_MEMORY))

    def is_sure(self, position: Position | None, event: Input) -> bool:
        """Return whether a step leads to the same whatever opaque guards answer, and whatever they have answered."""
        if position is not None:
            position = position._replace(memory=position.memory.without_answers())
        results = {
            (moved.position.now.hops, self.without_memory(moved.position), passed_through(moved))
            for moved, _ in self.take(position, event)
        }
        return len(results) == 1

    def live_values(self, now: Configuration) -> tuple[object, ...]:
        """Return the values of the fields that may still decide something."""
        return self.abstraction.values(now.context, self._live[now.state])

    def broken(self, position: Position) -> list[bool]:
        """Return for each policy whether it is broken."""
        ended, landed = position.now.status == "finished", position.now.landing is not None
        return [
            automaton.is_broken(at, ended=ended, landed=landed)
            for automaton, at in zip(self.automata, position.at, strict=True)
        ]

    def is_tight(self, now: Configuration) -> bool:
        """Return whether the ledger may still deny something: the worst case to come does not fit what is left."""
        # `ceiling` bounds the tokens of the whole run and never rises, so a run that is not tight never becomes so.
        # There is no such bound of money: where money may run out in some run, every run counts as tight.
        return self.may_run_out and (self._may_lack_money or now.ceiling > self.compiled.limits.tokens)

    def _take(self, position: Position | None, event: Input, *, is_checked: bool = True) -> Successor:
        before, at = (position.now, position.at) if position else (None, ())
        stepped = step(self.compiled, before, event)
        # what happens inside parts is proved of each part by itself
        after, records = stepped.configuration, tuple([r for r in stepped.records if not r.stamp.path])
        hop = _HopContext(self, before, event, records)
        breaches = (
            self._theorems.breaches(before, event, stepped.records, after, hop.holds) if is_checked else list[Breach]()
        )
        if before is None:
            assert isinstance(event, inputs.Started)  # a journal begins with it
            first = event.state or self.compiled.definition.initial.name
            at = tuple([automaton.start(first, hop.holds) for automaton in self.automata])
        for tool in begun(before, after) if self._spoken else ():
            used = use_name(after.state, tool)
            at = tuple([a.use(n, used, hop.holds) for a, n in zip(self.automata, at, strict=True)])
        if self.automata and after.hops != (before.hops if before else 0):
            for record in records:
                if isinstance(record, HandedOff):
                    # A final state writes as it is entered, and policies see what it wrote.
                    holds = hop.holds_in(record.target) if record.target in self.final_values else hop.holds
                    moved = zip(self.automata, at, strict=True)
                    at = tuple([a.hop(n, record.handoff, record.target, holds) for a, n in moved])
                elif isinstance(record, Landed):
                    holds = hop.holds_in(record.target)
                    at = tuple([a.landed(n, record.target, holds) for a, n in zip(self.automata, at, strict=True)])
        return Successor(Position(after, at, self._remembered(after, records)), records, breaches)

    def _remembered(self, after: Configuration, records: tuple[Record, ...]) -> Memory:
        """Return what is known of the opaque fields after a step; of a run that has finished, nothing."""
        if after.visit is None:
            return NO_MEMORY
        is_written = any(isinstance(record, HandedOff) and record.written for record in records)
        return self.oracle.remember(self._worth[after.state], is_written=is_written)


def _written(event: Input) -> Iterable[str]:
    """Return the fields that an input would write."""
    return event.changes if isinstance(event, inputs.Replied) else ()


class _HopContext:
    """The context that the hop of a step left; put together only if a guard is asked on it."""

    def __init__(self, play: Play, before: Configuration | None, event: Input, records: tuple[Record, ...]) -> None:
        self._play = play
        self._step = before, event, records

    @cached_property
    def _known(self) -> tuple[dict[str, object], Origin]:
        """The values of the finite fields, and whose opaque fields go with them."""
        # Put together from the input, and not read from the configuration after the step: a hop may be followed by a
        # landing in the same step, and the final state may have written over what the hop left.
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
        """Return whether a guard holds on what the hop left."""
        return self._play.oracle.holds(guard, *self._known)

    def holds_in(self, final: str) -> Callable[[Guard[Any]], bool]:
        """Return a function that asks a guard once a final state has written what it sets."""
        return lambda guard: self._play.oracle.holds_at_end(guard, *self._known, self._play.final_values[final])


def _worst_case(compiled: CompiledMachine) -> Amount:
    """Bound what a run may be charged: its visits, the most expensive first, whatever edges there are."""
    hops = compiled.limits.hops
    charged = [(state.worst, int(min(state.max_visits, hops))) for state in compiled.states.values()]
    return Amount(
        _dearest([(amount.tokens, visits) for amount, visits in charged], hops),
        _dearest([(amount.cost, visits) for amount, visits in charged], hops),
    )


def _dearest(charged: Iterable[tuple[int, int]], hops: int) -> int:
    total = 0
    for amount, visits in sorted(charged, reverse=True):
        total, hops = total + amount * min(visits, hops), hops - min(visits, hops)
    return total
