"""The engine: a definition compiled once onto one synchronous `transitions.Machine`, shared by all runs.

This is the only module that imports `transitions`, and the only place of the kernel where guards are evaluated. A run
is never registered with it: a transition is fired on a bare cursor, one trigger for every handoff and one for landing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import transitions  # pinned exactly: what is relied on here was read in its source
from msgspec import Struct

from ..amounts import FREE, Amount, Price
from ..define.agent_spec import AgentSpec
from ..define.context import Context
from ..define.definition import Definition
from ..define.guards import Guard, as_bool
from ..define.parts import ToolSpec
from ..define.sealed import Sealed
from ..define.states import EdgeKind, Handoff, State
from ..define.watched import declared
from ..define.worst import shares_in, shares_of, within
from ..errors import is_failure
from ..limits import Limits
from .potential import Potential, by_hops
from .terms import Terms, terms

_NAME = "fsm_orch"
"""What every machine of `transitions` is called that is made here."""


def _is_not_ours(line: logging.LogRecord) -> bool:
    """Return whether a log line of `transitions` is about a machine that somebody else made."""
    return not (isinstance(line.args, tuple) and line.args[:1] == (f"{_NAME}: ",))


# It talks at INFO on each guarded hop. Not `setLevel`: an application that uses it too may want to hear its own.
logging.getLogger("transitions.core").addFilter(_is_not_ours)

_LAND = "*land*"
"""The trigger of the landing edge; no handoff can bear this name, since `*` is not allowed on the wire."""


class GuardAnswer(NamedTuple):
    """What a guard answered."""

    holds: bool
    error: str | None = None
    """Set if the guard raised, which counts as false."""


Oracle = Callable[[Handoff, Context], GuardAnswer]
"""Returns whether the guard of a handoff holds in a context."""


class CompiledState(Struct, frozen=True):
    """All that a step looks up of a state, found once for all runs."""

    # A struct is read much faster than what a user declares, whose attributes are guarded.

    state: State
    name: str
    max_visits: float
    """Infinite if nothing but the hops limits them."""
    spec: AgentSpec
    on_read: Callable[[str], None]
    """Raises ContextError for a field that its agent does not declare to read."""
    exits: tuple[Handoff, ...]
    """Its handoffs in declaration order, without the failure edges."""
    by_name: Mapping[str, Handoff]
    failure_edges: Mapping[EdgeKind, Handoff]
    price: Price
    grant: Amount
    """What is reserved on entry: its first call, more than which no later one takes; without calls, all its parts."""
    worst: Amount
    """What a visit is charged at most."""
    tools: Mapping[str, ToolSpec]
    visit_s: float
    """Seconds of one visit."""
    may_time_out: bool
    """Whether its time can be over before the run's is."""
    is_code: bool
    """Whether its agent may do anything in the world, and not only ask a model, a human or for parts."""
    acts_once: bool
    """Whether its agent must not act again if nobody knows whether it has."""


class CompiledPart(Struct, frozen=True):
    """All that a step looks up of a part."""

    compiled: CompiledMachine
    share: Amount
    """What is moved to each run of it."""
    most: int
    """How often one visit runs it at most."""

    @property
    def is_cost_limited(self) -> bool:
        """Whether its own limits bound its cost, be that of the whole run bounded or not."""
        return self.compiled.limits.cost_micros is not None


class CompiledHandoff(Struct, frozen=True):
    """All that a step looks up of a handoff."""

    name: str
    is_guarded: bool
    target: CompiledState | None
    """None if it leads to a final state."""


def _compiled_state(state: State, limits: Limits, price: Price, shares: Mapping[str, Amount]) -> CompiledState:
    exits, own = state.exits, shares_in(shares, state.name, state.spec)
    return CompiledState(
        state=state,
        name=state.name,
        max_visits=math.inf if state.max_visits is None else state.max_visits,
        spec=state.spec,
        on_read=declared(state),
        exits=exits,
        by_name=MappingProxyType({handoff.name: handoff for handoff in exits}),
        failure_edges=MappingProxyType(state.failure_edges),
        price=price,
        grant=state.spec.grant(price, own),
        worst=state.spec.worst_case(price, own),
        tools=MappingProxyType({tool.name: tool for tool in state.spec.tools}),
        visit_s=state.seconds(limits),
        may_time_out=state.may_time_out(limits),
        is_code=state.spec.kind == "code",
        acts_once=state.acts_once,
    )


def _parts(
    state: State,
    prices: Mapping[str, Price],
    shares: Mapping[str, Amount],
    instead: Mapping[str, CompiledMachine] | None,
    root: str,
) -> Mapping[str, CompiledPart]:
    found = {}
    for part in state.spec.parts:
        place = f"{state.name}.{part.name}"
        compiled = instead[part.name] if instead else None
        if compiled is None:
            prices_, shares_ = within(prices, place), within(shares, place)
            compiled = CompiledMachine(part.definition, prices=prices_, shares=shares_, root=root)
        found[part.name] = CompiledPart(compiled, shares[place], part.most)
    return MappingProxyType(found)


class CompiledMachine(Sealed):
    """A machine ready to be stepped: its definition, the limits and prices of a run, and its one evaluator.

    Args:
        definition: what to compile; it has been checked.
        limits: those of the definition, unless overridden.
        prices: what each state's model costs, inside parts by `state.part.state`; what is not named costs nothing.
        shares: what is moved to a run of each part, by `state.part`, and inside by `state.part.state.part`. None: its
            worst case, or its limit if that is less.
        oracle: is asked instead of the guards, for exploration. None: the guards themselves.
        potential: bounds what a run may still be charged. None: a bound from its hops alone, without a certificate.
        parts: machines to run in the place of parts, by state and part, for exploration. None: the parts themselves.
        root: the name of the machine that runs are of, if this one runs inside them. Empty: they are of this one.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        limits: Limits | None = None,
        prices: Mapping[str, Price] | None = None,
        oracle: Oracle | None = None,
        potential: Potential | None = None,
        shares: Mapping[str, Amount] | None = None,
        parts: Mapping[str, Mapping[str, CompiledMachine]] | None = None,
        root: str = "",
    ) -> None:
        self.definition = definition
        self.name, self.root = definition.name, root
        self.limits = limits or definition.limits
        prices = prices or {}
        shares = shares_of(definition, prices) if shares is None else shares
        self.states: Mapping[str, CompiledState] = MappingProxyType(
            {
                name: _compiled_state(state, self.limits, prices.get(name, FREE), shares)
                for name, state in definition.states.items()
            }
        )
        self.parts: Mapping[str, Mapping[str, CompiledPart]] = MappingProxyType(
            {
                name: _parts(state, prices, shares, (parts or {}).get(name), root or definition.name)
                for name, state in definition.states.items()
            }
        )
        self.handoffs: Mapping[Handoff, CompiledHandoff] = MappingProxyType(
            {
                handoff: CompiledHandoff(handoff.name, handoff.guard is not None, self.states.get(handoff.target.name))
                for handoff in definition.handoffs
            }
        )
        self.agents: Mapping[str, str] = {name: state.spec.name for name, state in self.states.items()}
        self.most_hops, self.deadline_s = self.limits.hops, self.limits.deadline_s
        self.terms: Terms = terms(self._charging(), shares)
        self.holds: Oracle = oracle or _ask_guard
        visits = {name: state.worst.tokens for name, state in self.states.items()}
        self.potential = potential or by_hops(definition, self.limits, visits)
        inner = self._compile()
        # by the handoff itself, not by its name: a handoff of another machine may bear the same name
        self._events = {handoff: inner.events[handoff.name] for handoff in definition.handoffs}
        self._landing = inner.events[_LAND]
        self._targets: dict[tuple[transitions.Event, str], str] = {}
        self.seal()

    @property
    def prices(self) -> dict[str, Price]:
        """What the model of each state costs, inside parts by `state.part.state`."""
        return {place: state.price for place, state in self._all_states()}

    def _charging(self) -> dict[str, Price]:
        """Return the prices at which something can be charged: those of states that make calls, and not for nothing."""
        return {place: state.price for place, state in self._all_states() if state.spec.calls and state.price != FREE}

    def _all_states(self) -> Iterator[tuple[str, CompiledState]]:
        """Yield every state in the tree by its place: `state`, or `state.part.state` inside a part."""
        yield from self.states.items()
        for name, parts in self.parts.items():
            for part, inside in parts.items():
                for place, state in inside.compiled._all_states():
                    yield f"{name}.{part}.{place}", state

    def _compile(self) -> transitions.Machine:
        definition = self.definition
        # The synchronous machine: agents run between triggers, never inside one, and `AsyncMachine` swallows
        # cancellations and cancels a trigger that is under way when another arrives.
        inner = transitions.Machine(
            model=None,  # a registered model costs up to 1.3 ms and 40 kB, for every run
            states=[*definition.states, *definition.finals],
            initial=definition.initial.name,
            auto_transitions=False,  # they would jump over every guard
            name=_NAME,
        )
        # names were validated when the class was built: `transitions` takes a misspelt state without a word
        for source, handoff in definition.edges:
            inner.add_transition(
                handoff.name,
                source,
                handoff.target.name,
                # a callable, never a text: a text with dots in it would be imported
                conditions=[] if handoff.guard is None else [partial(self._opens, handoff)],
            )
        for state in definition.states:
            inner.add_transition(_LAND, state, definition.fallback.name)
        return inner

    def _opens(self, handoff: Handoff, context: Context) -> bool:
        return self.holds(handoff, context).holds

    def fire(self, state: str, handoff: Handoff, context: Context) -> str | None:
        """Fire a handoff from a state. Return the state it leads to, or None if its guard does not hold.

        Raises KeyError: if the handoff is another machine's.
        Raises transitions.MachineError: if it does not leave this state.
        """
        event = self._events[handoff]
        if not self.handoffs[handoff].is_guarded:
            return self._fire_always(event, state)
        # evaluates the guard although `legal` has judged it: firing audits the decision, on what is about to be written
        cursor = _Cursor(state)
        return cursor.state if event.trigger(cursor, context) else None

    def land(self, state: str) -> str:
        """Fire the landing edge, which has no guard, and return the fallback."""
        return self._fire_always(self._landing, state)

    def _fire_always(self, event: transitions.Event, state: str) -> str:
        """Fire an edge that has no guard, and return the state it leads to."""
        # once for all runs: it leads every one of them to the same state, and a trigger costs about 30 us
        target = self._targets.get((event, state))
        if target is None:
            cursor = _Cursor(state)
            event.trigger(cursor)
            target = self._targets[event, state] = cursor.state
        return target


class _Cursor:
    """The bare object that `transitions` moves: it has a state and nothing else."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


_HOLDS, _FAILS = GuardAnswer(holds=True), GuardAnswer(holds=False)


def judged(guard: Guard[Any], context: Context) -> GuardAnswer:
    """Evaluate a guard. One that raises, or returns anything but a bool, does not hold."""
    try:
        return _HOLDS if as_bool(guard(context)) else _FAILS
    except BaseException as error:
        # An interrupt is no answer: it leaves the step, which has changed nothing then. Taken for a no, it could be a
        # yes when the journal is folded again.
        if not is_failure(error):
            raise
        # the type alone: the message may quote the context, and this goes into a record
        return GuardAnswer(holds=False, error=f"{type(error).__name__} in {guard!r}")


def _ask_guard(handoff: Handoff, context: Context) -> GuardAnswer:
    return _HOLDS if handoff.guard is None else judged(handoff.guard, context)
