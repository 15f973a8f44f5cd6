"""Live fields: those whose values may still decide something, once a run has entered a state.

The live variables of a compiler: a field that every way onward writes before a guard reads it is dead, and runs that
differ in it alone have the same future.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import Handoff, State
from .domain import Domain, leaves


def live(definition: Definition, domain: Domain, always: Iterable[Guard[Any]]) -> Mapping[str, tuple[str, ...]]:
    """Tell, for each state, the finite fields that are live in a visit of it, in order of declaration.

    Args:
        always: guards that are asked wherever a run stands, as those of policies are.
    """
    kept = domain.read_by(always)
    found: dict[str, frozenset[str]] = {}
    onward = dict.fromkeys(definition.states, kept)
    while onward != found:  # a field once found stays found, so this ends
        found = onward
        onward = {s: kept | _in_visit(definition, domain, found, state) for s, state in definition.states.items()}
    return {state: tuple(name for name in domain.finite if name in names) for state, names in found.items()}


def _in_visit(
    definition: Definition, domain: Domain, found: Mapping[str, frozenset[str]], state: State
) -> frozenset[str]:
    """Tell what is live in a visit, given what is live in those after it."""
    written = state.spec.written_names
    live: set[str] = set()
    for handoff in definition.exits(state.name):
        live |= _after(found, handoff) - written
        live |= domain.read_by([handoff.guard]) - (frozenset() if _is_guessed(domain, handoff.guard) else written)
    for handoff in definition.failure_edges(state.name).values():  # has no guard, and is taken with what was before
        live |= _after(found, handoff)
    return frozenset(live)


def _after(found: Mapping[str, frozenset[str]], handoff: Handoff) -> frozenset[str]:
    return found.get(handoff.target.name, frozenset())


def _is_guessed(domain: Domain, guard: Guard[Any] | None) -> bool:
    """Tell whether a guard has unknown leaves; on entry, what it reads decides which of them are guessed."""
    return any(map(domain.is_opaque, leaves(guard)))
