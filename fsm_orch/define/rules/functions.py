"""Rules about functions of the user's: written for this context and these dependencies."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import Finding
from .. import codes
from ..definition import Definition
from ..guards import Guard
from ..source import told_apart
from ..states import State


def contexts(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each function that is annotated for another context."""
    for state in definition.states.values():
        yield from _foreign(definition, state.spec.contexts, state.spec.where, f"the agent of {state.name!r}")
    for where, subject, guard in guards_in_use(definition):
        yield from _foreign(definition, guard.contexts, where, subject)


def guards_in_use(definition: Definition) -> Iterator[tuple[str, str, Guard[Any]]]:
    """Yield every guard with where and how it is used."""
    for handoff in definition.handoffs:
        if handoff.guard is not None:
            yield handoff.where, f"the guard of {handoff.name!r}", handoff.guard
    for policy in definition.policies:
        for guard in policy.guards:
            yield policy.where, f"a guard of {policy}", guard


def dependencies(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each function that is annotated for other dependencies."""
    given = definition.deps
    for state in definition.states.values():
        for what, wanted in _asked_for(state):
            if wanted is not None and _is_foreign(wanted, given):
                yield _unmet(definition, state, what, wanted)


def needed(state: State) -> Any:
    """Return dependencies that serve the agent of a state, its tools and its parts; None if none are needed.

    Where they are of several classes that is the one that serves most of them.
    """
    asked = [wanted for _, wanted in _asked_for(state) if wanted is not None and _is_foreign(wanted, None)]
    return max(asked, key=lambda given: sum(not _is_foreign(wanted, given) for wanted in asked), default=None)


def _asked_for(state: State) -> Iterator[tuple[str, Any]]:
    """Yield the agent of a state and its parts, each with the dependencies that it was declared for."""
    yield f"the agent of {state.name!r} is annotated for", state.spec.deps
    for tool in state.spec.tools:
        yield f"tool {tool.name!r} of {state.name!r} is annotated for", tool.deps
    for part in state.spec.parts:
        yield f"{state.name!r} runs {part.name!r}, which has", part.definition.deps


def _unmet(definition: Definition, state: State, what: str, wanted: Any) -> Finding:
    given = definition.deps
    return codes.finding(
        "FSM112",
        where=state.spec.where,
        problem=f"{what} dependencies {_type_name(wanted)}"
        + (told_apart(wanted, given) if isinstance(wanted, type) and isinstance(given, type) else ""),
        expected=f"the dependencies of {definition.name}: {_type_name(given)}",
        fix=f"declare Machine[{definition.context.__name__}, {_type_name(wanted)}], or annotate the function anew",
    )


def _is_foreign(wanted: object, given: object) -> bool:
    """Return whether dependencies certainly do not fit; protocols and generics are left to type checkers."""
    if given is None:
        return wanted is not object and type(None) not in typing.get_args(wanted)
    if not isinstance(wanted, type) or not isinstance(given, type) or getattr(wanted, "_is_protocol", False):
        return False
    return not issubclass(given, wanted)


def _type_name(given: object) -> str:
    return "none" if given is None else getattr(given, "__name__", str(given))


def _foreign(definition: Definition, contexts: Iterable[type], where: str, subject: str) -> Iterator[Finding]:
    for context in contexts:
        if not issubclass(definition.context, context):
            yield codes.finding(
                "FSM112",
                where=where,
                problem=f"{subject} is annotated for {context.__name__}{told_apart(context, definition.context)}",
                expected=f"{definition.context.__name__}, the context of {definition.name}, or a base of it",
                fix="annotate it for that context, or use another",
            )
