"""What happens to a context: it is validated, changed, written as JSON and taken back.

A context itself never changes; each of these returns another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json
from pydantic_core.core_schema import ErrorType

from ..errors import ContextError, is_failure
from .context import C, Context, starting_fields
from .marks import PRESET


def fields_set_early(context: Context) -> tuple[str, ...]:
    """Return the fields that the caller set although only agents may write them.

    These are the fields with a default that are not marked `Given`. Policies are proved from their defaults, so a run
    that started with a refund already approved would not be covered by the proof. Fields with a default factory are not
    compared, since a factory may make another value each time.
    """
    context_type, starting = type(context), starting_fields(type(context))
    suspects = context.model_fields_set.intersection(starting.defaulted)
    if not suspects:  # most callers leave them alone, and the comparison below takes a validation
        return ()
    held = values_of(context)
    fresh = values_of(validated(context_type, {name: held[name] for name in starting.given}))
    return tuple([name for name in starting.defaulted if name in suspects and not _is_same(held[name], fresh[name])])


def why_early(context_type: type[Context], names: Iterable[str]) -> str:
    """Return why callers may not set these fields, and what to do: the first that is marked `Preset` says most."""
    for name in names:
        if PRESET in context_type.__pydantic_fields__[name].metadata:
            return (
                f"{name} is marked Preset: only agents write it. Leave it out, or mark it as the caller's: Given[...]"
            )
    return "only agents write a field with a default: leave it out, or mark the field as the caller's: Given[...]"


def validated(context_type: type[C], values: Mapping[str, Any]) -> C:
    """Return a context made of values.

    Raises ContextError: if one does not fit its field; says which, without the value.
    """
    try:
        # by name: an alias is for the outside, a journal holds the names of fields
        return context_type.model_validate(dict(values), by_alias=False, by_name=True)
    except ValidationError as error:
        raise ContextError(describe(error)) from None
    except BaseException as error:
        if not is_failure(error):
            raise
        raise ContextError(f"a validator raised {type(error).__name__}") from error  # it means no


def changed(context: C, changes: Mapping[str, Any]) -> C:
    """Return a context with changes written to it and validated as a whole; the one given stays as it was.

    Raises ContextError: if a value does not fit its field, or validation changed a field that was not written
        (a validator that derives one field from another must be declared by the agent that triggers it).
    """
    if not changes:
        return context
    before = values_of(context)
    # the whole is validated, not the changes alone: a validator may look at several fields together
    after = validated(type(context), {**before, **changes})
    for name, value in values_of(after).items():
        if name not in changes and not _is_same(value, before[name]):
            raise ContextError(f"a validator changed {name!r}, which the agent does not declare to write")
    return after


def _is_same(one: object, other: object) -> bool:
    """Compare as the journal does: 0 differs from False, and NaN equals NaN."""
    return one is other or (type(one) is type(other) and (one == other or (one != one and other != other)))  # noqa: PLR0124


def values_of(context: Context) -> dict[str, Any]:
    """Return the values of the fields, without what a context may have cached beside them."""
    held = vars(context)
    return {name: held[name] for name in type(context).__pydantic_fields__}


def journaled(context: Context, names: Iterable[str]) -> dict[str, Any]:
    """Return fields as a journal holds them: JSON, by each field's own serializer.

    A run folds this form, live as well as replayed, so that both are the same by construction.

    Raises ContextError: if a value cannot be written, such as bytes or a text that is not Unicode.
    """
    try:
        written: dict[str, Any] = from_json(context.model_dump_json(include=set(names), by_alias=False))
    except (PydanticSerializationError, ValueError) as error:
        raise ContextError(f"it cannot be written as JSON: {type(error).__name__}") from None
    return written


def overwritten(context: C, values: Mapping[str, Any]) -> C:
    """Return a context with values that have been checked before; nothing is validated, so it cannot fail."""
    if not values:
        return context
    # pydantic's own `model_copy(update=)` would keep names that are not fields
    after = context.model_copy()
    object.__setattr__(after, "__dict__", {**values_of(context), **values})
    return after


_SHOWN = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error", "union_tag_invalid"}
"""Kinds of errors whose message holds nothing of the value that came."""


def describe(error: ValidationError) -> str:
    """Return what failed and where, without the values that came: they may be private."""
    return "; ".join(map(describe_item, error.errors(include_input=False, include_url=False, include_context=False)))


def describe_item(item: ErrorDetails) -> str:
    """Return what failed and where, for one of several errors."""
    place = ".".join(map(str, item["loc"])) or "context"
    return f"{place}: {item['msg'] if item['type'] in _SHOWN else 'Input is refused by a validator'}"
