"""Which fields may be redacted: plain texts that nothing but agents reads, so that a fold without them is the same."""

from __future__ import annotations

from collections.abc import Iterator

from ..define.any_text import takes_any_text
from ..define.context import FieldRef, field_refs
from ..define.definition import Definition
from ..define.source import where_defined
from ..define.states import State
from ..define.worst import machines_in
from ..errors import ContextError, StartError

_CODEC = "Leave it out, or keep all under a codec: SqlStore(url, codec=...)"


def redactable(definition: Definition, given: object) -> frozenset[str]:
    """Return the names of the fields that are to be redacted.

    Args:
        given: one field of the machine's context, or several.

    Raises StartError: if one is no field of it, or may not be redacted; names who reads it, and the line.
    Raises TypeError: if it is no field, such as a text.
    """
    try:
        fields = field_refs(given)
    except ContextError as error:
        raise TypeError(f"redact= takes fields: {error}") from None
    wrong = [f"{field!r} {why}" for field in fields for why in _why_not(definition, field)]
    wrong += list(_leaks(definition)) if fields else []
    if wrong:
        raise StartError("; ".join(dict.fromkeys(wrong)) + f". {_CODEC}")
    return frozenset(field.name for field in fields)


def _why_not(definition: Definition, field: FieldRef) -> Iterator[str]:
    """Yield why a field may not be redacted."""
    context, name = definition.context, field.name
    if not issubclass(context, field.owner):
        yield f"is no field of {context.__name__}, on which {definition.name} runs: only its own fields are redacted"
        return
    if not takes_any_text(context, name):
        yield (
            "cannot be redacted: it is no plain text (str, or str | None), or a constraint, validator or serializer of "
            f"its class may look at it ({where_defined(context)})"
        )
        return
    yield from _guards(definition, name)
    for state in definition.states.values():
        yield from _crossings(state, name)


def _guards(definition: Definition, name: str) -> Iterator[str]:
    """Yield which guards may read a field."""
    from ..proof.explore.domain import leaves_of  # noqa: PLC0415 - whoever redacts nothing needs no prover
    from ..proof.explore.reads import may_read  # noqa: PLC0415

    asked = [(f"a guard of {handoff.name!r}", handoff.guard) for handoff in definition.handoffs]
    asked += [("a guard of a policy", guard) for policy in definition.policies for guard in policy.guards]
    for whose, guard in asked:
        for leaf in leaves_of((guard,)):
            if name in may_read(leaf, definition.context):
                yield f"cannot be redacted: {whose}, {leaf!r}, may read it ({leaf.where})"


def _crossings(state: State, name: str) -> Iterator[str]:
    """Yield why what a state does with a field keeps it from being redacted."""
    spec, at = state.spec, f"of {state.name!r} ({state.spec.where})"
    for part in spec.parts:
        if name in {ref.name for ref in part.given.values()}:
            yield f"cannot be redacted: part {part.name!r} {at} is given it"
        if name in part.taken:
            yield f"cannot be redacted: it is taken from part {part.name!r} {at}, which keeps it in clear"
    if spec.kind == "human" and name in spec.written_names:
        yield f"cannot be redacted: the human {at} writes it, and answers wait in an inbox in clear"
    if spec.kind == "human" and name in spec.read_names:
        yield f"cannot be redacted: the human {at} reads it, and no run that waits there could go on"


def _leaks(definition: Definition) -> Iterator[str]:
    """Yield what would keep in clear what an agent has read, whichever field that is."""
    for state in definition.states.values():
        spec = state.spec
        if spec.parts and spec.kind not in ("nested", "parallel", "map"):
            names = ", ".join(repr(part.name) for part in spec.parts)
            yield f"nothing can be redacted: what {state.name!r} gives to {names} is kept in clear ({spec.where})"
    for machine in (definition, *(inner for _, inner in machines_in(definition))):
        for state in machine.states.values():
            spec, at = state.spec, f"{state.name!r} of {machine.name} ({state.spec.where})"
            if spec.asks_human and spec.kind != "human":
                yield f"nothing can be redacted: what a human answers {at} is kept in clear"
            for tool in spec.tools:
                if tool.approval:
                    yield f"nothing can be redacted: who approves {tool.name!r} in {at} would not see what it is given"
