"""Rules about single handoffs: no two alike, each described to the model that chooses, each route once."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Finding
from .. import codes
from ..definition import Definition
from ..states import Handoff
from ..wording import counted, quoted


def duplicates(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each handoff that leaves a state as another one does."""
    for state in definition.states.values():
        seen: dict[object, Handoff] = {}
        for handoff in state.handoffs:
            guard = None if handoff.guard is None else (handoff.guard.canonical or id(handoff.guard))
            key = (handoff.kind, handoff.target.name, repr(guard)) if handoff.kind == "handoff" else handoff.kind
            first = seen.setdefault(key, handoff)
            if first is handoff:
                continue
            yield codes.finding(
                "FSM106" if handoff.kind == "handoff" else "FSM109",
                where=handoff.where,
                problem=f"{handoff.name!r} leaves {state.name!r} exactly as {first.name!r} does (at {first.where})",
            )


def descriptions(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each handoff that a model, or a human, chooses and nothing describes."""
    for handoff in definition.handoffs:
        # one that stands alone is on no menu
        models = [s.name for s in handoff.sources if s.spec.proposes and handoff.kind == "handoff" and len(s.exits) > 1]
        if models and not handoff.description.strip():
            yield codes.finding(
                "FSM117",
                where=handoff.where,
                problem=f"{handoff.name!r} leaves {quoted(models)} without a description",
                fix=f'say when to take it: .to({handoff.target.name}, "when ...")',
            )


def routes(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each state that a routing agent names, unless exactly one handoff leads there."""
    for state in definition.states.values():
        for target in state.spec.routes:
            ways = [h.name for h in state.exits if h.target is target]
            if len(ways) != 1:
                yield codes.finding(
                    "FSM121",
                    where=state.where,
                    problem=f"the agent of {state.name!r} routes to {target!r}, "
                    f"to which {counted(ways, 'handoff')} lead",
                    fix=f"declare one handoff from {state.name!r} to it",
                )
