"""Rules about fields: those that agents and final states name, and that a journal can hold them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from ...errors import Finding
from .. import codes
from ..changes import describe_item
from ..context import Context, FieldRef
from ..definition import Definition
from ..strict import why_unsayable
from ..wording import did_you_mean, quoted


def declared_fields(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field that the context does not have, or that a value does not fit."""
    for state in definition.states.values():
        for ref in (*state.spec.reads, *state.spec.writes):
            yield from _field(definition, ref, state.where, f"the agent of {state.name!r} names")
    for final in definition.finals.values():
        for ref, value in final.sets.items():
            foreign = tuple(_field(definition, ref, final.where, f"final state {final.name!r} sets"))
            yield from foreign or _default_answer(definition, ref, value, final.where)


def _field(definition: Definition, ref: FieldRef, where: str, subject: str) -> Iterator[Finding]:
    fields = definition.context.__pydantic_fields__
    if issubclass(definition.context, ref.owner) and ref.name in fields:
        return
    yield codes.finding(
        "FSM111",
        where=where,
        problem=f"{subject} {ref!r}, which is not a field of {definition.context.__name__}",
        expected=f"fields of {definition.context.__name__}: {quoted(fields)}",
        fix=f"{codes.CODES['FSM111'].fix}{did_you_mean(ref.name, fields)}",
    )


def _default_answer(definition: Definition, ref: FieldRef, value: object, where: str) -> Iterator[Finding]:
    problem = _misfit(definition.context, ref.name, value)
    if problem is not None:
        yield codes.finding(
            "FSM120",
            where=where,
            problem=f"sets {ref!r} to a value that does not fit: {problem}",
        )


def _misfit(context: type[Context], name: str, value: object) -> str | None:
    """Return why a field would refuse a value, or a journal would change it; None if neither would."""
    try:
        context.model_validate({name: value}, strict=True, by_alias=False, by_name=True)
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False, include_context=False)
        about = [item for item in items if item["loc"][:1] == (name,)]
        if about:
            return "; ".join(map(describe_item, about))
    adapter = TypeAdapter(context.__pydantic_fields__[name].rebuild_annotation())
    try:
        survives = adapter.validate_json(adapter.dump_json(value)) == value
    except ValueError:
        survives = False
    return None if survives else "it does not survive being written as JSON"


def schema(definition: Definition) -> Iterator[Finding]:
    """Yield a finding if the context has no JSON schema."""
    # Asked of the whole context, not only of what models write: before a run it is the one sign that a field cannot be
    # read back from a journal. No digest is taken of it.
    try:
        definition.context.model_json_schema()
    except Exception as error:  # whatever keeps it from a schema keeps it from a journal
        yield codes.finding(
            "FSM122",
            where=definition.where,
            problem=f"{definition.context.__name__} has no JSON schema: {type(error).__name__}",
        )


def asked(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field that a model writes, and cannot be asked for."""
    fields = definition.context.__pydantic_fields__
    for state in definition.states.values():
        for ref in state.spec.writes if state.spec.kind == "llm" else ():
            why = why_unsayable(fields[ref.name].rebuild_annotation()) if ref.name in fields else None
            if why is not None:
                yield codes.finding(
                    "FSM124",
                    where=state.where,
                    problem=f"the model of {state.name!r} writes {ref!r}, which holds {why}",
                )
