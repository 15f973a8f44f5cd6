"""Rules about fields: those that agents and final states name, and that a journal can hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from ...errors import Finding
from .. import codes
from ..changes import describe_item, misfits
from ..context import Context, FieldRef, json_fields, unkept_fields
from ..definition import Definition
from ..frozen import unknown_names
from ..held import Scope
from ..same import changeable, difference
from ..source import names_of_caller, told_apart, where_defined
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
        problem=f"{subject} {ref!r}, which is not a field of {definition.context.__name__}"
        f"{told_apart(ref.owner, definition.context)}",
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
        about = [item for item in misfits(error) if item["loc"][:1] == (name,)]
        if about:
            return "; ".join(map(describe_item, about))
    adapter = TypeAdapter(context.__pydantic_fields__[name].rebuild_annotation())
    try:
        return difference(value, adapter.validate_json(adapter.dump_json(value)), name)
    except ValueError:
        return "it does not survive being written as JSON"


def kept(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field whose values can change, or be lost, if its class could not know it yet.

    An annotation may name a class that is declared later; by the time of the machine it is there.
    """
    context, names = definition.context, names_of_caller()
    if not context.__pydantic_complete__:
        with suppress(PydanticUserError):  # `schema` tells of it
            context.model_rebuild(raise_errors=False, _types_namespace=names)
        context._json_fields = None  # what is known of its fields may have been known too early
    yield from unkept_fields(context, names)
    yield from _named_too_late(context, names, definition.where)
    yield from _changeable_defaults(context)


def _named_too_late(context: type[Context], names: Mapping[str, Any], where: str) -> Iterator[Finding]:
    if context.__pydantic_complete__:
        return
    for name, field in context.__pydantic_fields__.items():
        for text in unknown_names(field.annotation, Scope(names, {}), context.__module__):
            yield codes.finding(
                "FSM122",
                where=where,
                problem=f"{context.__name__}.{name} is annotated with {text!r}, which names nothing here",
                fix="declare what it names before the machine, in the same module or function",
            )


def _changeable_defaults(context: type[Context]) -> Iterator[Finding]:
    """Find defaults of a class that is not the field's own, and that can change: all runs would share it."""
    for name in sorted(json_fields(context).inexact):
        changes = changeable(_default(context, name))
        if changes is not None:
            yield codes.finding(
                "FSM130",
                where=where_defined(context),
                problem=f"{context.__name__}.{name} has a default that holds a {changes}, which can change behind the "
                "journal's back",
            )


def _default(context: type[Context], name: str) -> object:
    """Return the default of a field as a run holds it; None if it has none, or one that no run can hold."""
    field = context.__pydantic_fields__[name]
    if field.is_required() or field.default_factory is not None:
        return None
    try:
        # in a tuple, since the configuration of a model that stands alone is its own
        alone: Any = tuple[field.rebuild_annotation()]  # type: ignore[misc]
        (held,) = TypeAdapter(alone, config=context.model_config).validate_python((field.default,))
    except Exception:  # a validator is user code: whatever it raises is a no, and no run starts with it
        return None
    return cast("object", held)


def schema(definition: Definition) -> Iterator[Finding]:
    """Yield a finding if the context has no JSON schema."""
    # Asked of the whole context, not only of what models write: before a run it is the one sign that a field cannot be
    # read back from a journal. No digest is taken of it.
    context = definition.context
    error = _schema_error(context)
    if error is None or any(_named_too_late(context, names_of_caller(), definition.where)):  # that has been said
        return
    fields = context.__pydantic_fields__.items()
    wrong = [name for name, field in fields if _schema_error(field.rebuild_annotation(), context)]
    for named in [f"{context.__name__}.{name}" for name in wrong] or [context.__name__]:
        yield codes.finding("FSM122", where=definition.where, problem=f"{named} has no JSON schema: {error}")


def _schema_error(kind: Any, context: type[Context] | None = None) -> str | None:
    """Return what a class, or a type in a context, raises instead of a JSON schema; None if it has one."""
    try:
        # in a tuple, since the configuration of a model that stands alone is its own
        inside: Any = tuple[kind]
        alone = TypeAdapter(kind) if context is None else TypeAdapter(inside, config=context.model_config)
        alone.json_schema()
    except Exception as error:  # whatever keeps it from a schema keeps it from a journal
        return type(error).__name__
    return None


def asked(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field that a model, or a human, writes, and cannot be asked for."""
    fields = definition.context.__pydantic_fields__
    for state in definition.states.values():
        is_asked = state.spec.kind in ("llm", "human") or (state.spec.proposes and state.spec.calls > 0)
        for ref in state.spec.writes if is_asked else ():
            why = why_unsayable(fields[ref.name].rebuild_annotation()) if ref.name in fields else None
            if why is not None:
                who = "human" if state.spec.kind == "human" else "model"
                yield codes.finding(
                    "FSM124",
                    where=state.where,
                    problem=f"the {who} of {state.name!r} writes {ref!r}, which holds {why}",
                )
