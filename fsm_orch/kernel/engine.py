"""The engine: a definition compiled once onto one synchronous `transitions.Machine`, shared by all runs.

This is the only module that knows `transitions`, and the only place where guards are evaluated. A run is never
registered with it: a transition is fired on a bare cursor, one trigger for every handoff and one for landing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import transitions

from ..amounts import FREE, Amount, Price
from ..define.context import Context
from ..define.definition import Definition
from ..define.guards import Guard, as_bool
from ..define.states import EdgeKind, Handoff
from ..limits import Limits
from .potential import Potential, by_hops

_LAND = "*land*"
"""The trigger of the landing edge; no handoff can bear this name, since `*` is not allowed on the wire."""


class GuardAnswer(NamedTuple):
    """What a guard answered."""

    holds: bool
    error: str | None = None
    """Set if the guard raised, which counts as false."""


Oracle = Callable[[Handoff, Context], GuardAnswer]
"""Answers for a handoff that has a guard."""


class CompiledMachine:
    """A machine ready to be stepped: its definition, the limits and prices of a run, and its one evaluator.

    Args:
        definition: what to compile; it has been checked.
        limits: those of the definition, unless overridden.
        prices: what each state's model costs; a state that is not named costs nothing.
        oracle: answers instead of the guards; for exploration.
        potential: bounds what a run may still be charged; by its hops alone unless a certificate says more.
        children: machines that a visit may run inside it, by name.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        limits: Limits | None = None,
        prices: Mapping[str, Price] | None = None,
        oracle: Oracle | None = None,
        potential: Potential | None = None,
        children: Mapping[str, CompiledMachine] | None = None,
    ) -> None:
        self.definition = definition
        self.limits = limits or definition.limits
        self.prices = {name: (prices or {}).get(name, FREE) for name in definition.states}
        self.children = dict(children or {})
        self.holds: Oracle = oracle or _ask_guard
        self.potential = potential or by_hops(definition, self.limits)
        self.exits: dict[str, tuple[Handoff, ...]] = {s: definition.exits(s) for s in definition.states}
        self.named = {s: {handoff.name: handoff for handoff in exits} for s, exits in self.exits.items()}
        self.failure_edges: dict[str, dict[EdgeKind, Handoff]] = {
            name: definition.failure_edges(name) for name in definition.states
        }
        self.grants: dict[str, Amount] = {
            name: state.spec.grant(self.prices[name]) for name, state in definition.states.items()
        }
        inner = self._compile()
        self._events = {handoff: inner.events[handoff.name] for handoff in definition.handoffs}
        self._landing = inner.events[_LAND]
        self._targets: dict[tuple[transitions.Event, str], str] = {}

    def _compile(self) -> transitions.Machine:
        definition = self.definition
        inner = transitions.Machine(
            model=None,
            states=[*definition.states, *definition.finals],
            initial=definition.initial.name,
            auto_transitions=False,  # they would jump over every guard
        )
        for handoff in definition.handoffs:
            for source in handoff.sources:
                inner.add_transition(
                    handoff.name,
                    source.name,
                    handoff.target.name,
                    conditions=[] if handoff.guard is None else [partial(self._opens, handoff)],
                )
        for state in definition.states:
            inner.add_transition(_LAND, state, definition.fallback.name)
        return inner

    def _opens(self, handoff: Handoff, context: Context) -> bool:
        return self.holds(handoff, context).holds

    def fire(self, state: str, handoff: Handoff, context: Context) -> str | None:
        """Fire a handoff from a state; returns the state it leads to, or None if its guard does not hold.

        Raises KeyError: if the handoff is another machine's.
        Raises transitions.MachineError: if it does not leave this state.
        """
        event = self._events[handoff]
        if handoff.guard is None:
            return self._fire_always(event, state)
        cursor = _Cursor(state)
        return cursor.state if event.trigger(cursor, context) else None

    def land(self, state: str) -> str:
        """Fire the landing edge, which has no guard; returns the fallback."""
        return self._fire_always(self._landing, state)

    def _fire_always(self, event: transitions.Event, state: str) -> str:
        """Fire an edge that has no guard, once for all runs: it leads all of them to the same state."""
        target = self._targets.get((event, state))
        if target is None:
            cursor = _Cursor(state)
            event.trigger(cursor)
            target = self._targets[event, state] = cursor.state
        return target


class _Cursor:
    """The bare object that `transitions` moves: nothing but a place."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


_HOLDS, _FAILS = GuardAnswer(holds=True), GuardAnswer(holds=False)


def judged(guard: Guard[Any], context: Context) -> GuardAnswer:
    """Ask a guard; one that raises, or answers anything but a bool, does not hold."""
    try:
        return _HOLDS if as_bool(guard(context)) else _FAILS
    except Exception as error:  # a guard is user code: whatever it raises means no
        return GuardAnswer(holds=False, error=f"{type(error).__name__} in {guard!r}")


def _ask_guard(handoff: Handoff, context: Context) -> GuardAnswer:
    return _HOLDS if handoff.guard is None else judged(handoff.guard, context)
