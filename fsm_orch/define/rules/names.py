"""Rules about names: of handoffs, on the wire, and of the functions that a digest names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import Finding
from .. import codes
from ..definition import Definition
from ..parts import USE, USE_ALL
from ..states import NONE_OF_THESE
from .functions import guards_in_use

WIRE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


RESERVED_FIELDS = frozenset({"handoff"})
"""Keys of a decision that no context field may take."""
RESERVED_HANDOFFS = frozenset({NONE_OF_THESE})
"""What a decision may hold in place of a handoff's name."""


def unnamed_handoffs(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each handoff that is not an attribute of the class."""
    named = {id(handoff) for handoff in definition.handoffs}
    unnamed = {id(h): h for state in definition.states.values() for h in state.handoffs if id(h) not in named}
    for handoff in unnamed.values():
        yield codes.finding(
            "FSM107",
            where=handoff.where,
            problem=f"a handoff to {handoff.target.name or 'a state'!r} that is assigned to no attribute",
            fix=f"write to_{handoff.target.name or 'it'} = ...",
        )


def wire_names(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each name that a provider would not take, or that a decision needs for itself."""
    places = [(name, part.where) for name, part in (*definition.states.items(), *definition.finals.items())]
    places += [(handoff.name, handoff.where) for handoff in definition.handoffs]
    places += [(ref.name, state.where) for state in definition.states.values() for ref in state.spec.writes]
    places += [(tool.name, state.where) for state in definition.states.values() for tool in state.spec.tools]
    for name, where in places:
        if not WIRE_NAME.fullmatch(name):
            yield codes.finding(
                "FSM114",
                where=where,
                problem=f"the name {name!r}",
                expected="1 to 64 of A-Z a-z 0-9 _ -, which is what every provider accepts",
            )
    for handoff in definition.handoffs:
        if handoff.name in RESERVED_HANDOFFS:
            yield codes.finding(
                "FSM114",
                where=handoff.where,
                problem=f"a handoff named {handoff.name!r}",
                expected="any other name: by this one a model takes none of the handoffs",
                fix="rename the handoff",
            )
    for state in definition.states.values():
        for name in sorted(state.spec.written_names & RESERVED_FIELDS):
            yield codes.finding(
                "FSM114",
                where=state.where,
                problem=f"state {state.name!r} writes a field named {name!r}",
                expected="any other name: a decision has a key of its own by this one",
                fix="rename the field",
            )
        for name in sorted(state.spec.written_names & {USE, USE_ALL} if state.spec.shown_chars else ()):
            yield codes.finding(
                "FSM114",
                where=state.where,
                problem=f"the model of {state.name!r} writes a field named {name!r}, beside tools",
                expected="any other name: by a key of this one its reply asks for a tool",
                fix="rename the field",
            )


def nameless_functions(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each function that a digest has no name for."""
    places: list[tuple[str, str, object]]
    places = [(s.where, f"the agent of {s.name!r}", s.spec.canonical) for s in definition.states.values()]
    places += [(where, subject, guard.canonical) for where, subject, guard in guards_in_use(definition)]
    for where, subject, canonical in places:
        if canonical is None:
            yield codes.finding(
                "FSM113",
                where=where,
                problem=f"{subject} has no name of its own: a lambda, a partial, a bound method or a closure",
            )
