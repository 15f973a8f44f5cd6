"""Live fields: those whose values may still decide something once a run has entered a state.

They are what compilers call *live variables*. A field is dead if every way onward writes it before a guard reads it.
Runs that differ only in dead fields have the same future, so only one of them is followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import Handoff, State
from .domain import Domain, leaves


def live(definition: Definition, domain: Domain, always: Iterable[Guard[Any]]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each state, the finite fields that are live in a visit of it, in order of declaration.

    Args:
        always: guards that are asked wherever a run stands, as those of policies are; what they read is always live.
    """
    kept = domain.read_by(always)
    found: dict[str, frozenset[str]] = {}
    onward = dict.fromkeys(definition.states, kept)
    # What successors need is added until nothing changes. Fields are never taken away again, so this ends.
    while onward != found:
        found = onward
        onward = {s: kept | _in_visit(domain, found, state) for s, state in definition.states.items()}
    return {state: tuple(name for name in domain.finite if name in names) for state, names in found.items()}


def _in_visit(domain: Domain, found: Mapping[str, frozenset[str]], state: State) -> frozenset[str]:
    """Return what is live in a visit of a state, given what is live in the states after it."""
    written = state.spec.written_names
    live: set[str] = set()
    for handoff in state.exits:
        # Every reply writes every field that its agent declares: the kernel refuses one that leaves some out. So what
        # was in those fields before is lost when a handoff is taken, and its guard reads the new values.
        live |= _after(found, handoff) - written
        # An opaque guard is the exception: on entry it is asked on the old values, and these decide which of its leaves
        # the oracle has to answer for.
        live |= domain.read_by([handoff.guard]) - (frozenset() if _is_opaque(domain, handoff.guard) else written)
    # A failure edge has no guard, and leaves with the context of entry: nothing was written.
    for handoff in state.failure_edges.values():
        live |= _after(found, handoff)
    return frozenset(live)


def _after(found: Mapping[str, frozenset[str]], handoff: Handoff) -> frozenset[str]:
    return found.get(handoff.target.name, frozenset())


def _is_opaque(domain: Domain, guard: Guard[Any] | None) -> bool:
    """Return whether a guard has an opaque leaf."""
    return any(map(domain.is_opaque, leaves(guard)))
