"""What happens to a context: it is validated, changed, written as JSON and taken back.

A context itself never changes; each of these returns another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json
from pydantic_core.core_schema import ErrorType

from ..errors import ContextError, is_failure
from ..limits import UNKNOWN_LIMIT
from .context import C, Context, json_fields, starting_fields
from .marks import PRESET
from .ordered import in_one_order
from .same import difference
from .wording import without_surrogates


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


def validated(context_type: type[C], values: Mapping[str, Any], *, told: bool = False) -> C:
    """Return a context made of values.

    Args:
        told: the error goes to who wrote the values: see `describe`.

    Raises ContextError: if one does not fit its field; says which, without the value.
    """
    try:
        # by name: an alias is for the outside, a journal holds the names of fields
        return context_type.model_validate(dict(values), by_alias=False, by_name=True)
    except ValidationError as error:
        raise ContextError(describe(error, told=told)) from None
    except UnicodeEncodeError as error:
        raise ContextError(broken(error, told=told)) from None
    except BaseException as error:
        if not is_failure(error):
            raise
        raise ContextError(f"a validator raised {type(error).__name__}") from error  # it means no


def changed(context: C, changes: Mapping[str, Any], *, told: bool = False) -> C:
    """Return a context with changes written to it and validated as a whole; the one given stays as it was.

    Args:
        told: the error goes to who wrote the changes: see `describe`.

    Raises ContextError: if a value does not fit its field, or validation changed a field that was not written
        (a validator that derives one field from another must be declared by the agent that triggers it).
    """
    if not changes:
        return context
    before = values_of(context)
    # the whole is validated, not the changes alone: a validator may look at several fields together
    after = validated(type(context), {**before, **changes}, told=told)
    for name, value in values_of(after).items():
        if name not in changes and not _is_same(value, before[name]):
            raise ContextError(f"a validator changed {name!r}, which the agent does not declare to write")
    return after


def _is_same(one: object, other: object) -> bool:
    """Compare as the journal does: 0 differs from False, and NaN equals NaN."""
    return one is other or (type(one) is type(other) and (one == other or (one != one and other != other)))  # noqa: PLR0124


def values_of(context: Context) -> dict[str, Any]:
    """Return the values of the fields, without what a context may have cached beside them."""
    held, fields = vars(context), type(context).__pydantic_fields__
    if len(held) == len(fields):  # nothing beside them, as nearly always
        return held.copy()
    return {name: held[name] for name in fields}


def journaled(context: Context, names: Iterable[str]) -> dict[str, Any]:
    """Return fields as a journal holds them: JSON, by each field's own serializer.

    A run folds this form, live as well as replayed, so that both are the same by construction.

    What is computed is left out, since it is not read back; sets are written in one order.

    Raises ContextError: if a value cannot be written, such as bytes or a text that is not Unicode.
    """
    wanted = set(names)
    try:
        # without warnings, which quote values: what is read back is compared instead
        text = context.model_dump_json(include=wanted, by_alias=False, exclude_computed_fields=True, warnings=False)
        written: dict[str, Any] = from_json(text)
    except (PydanticSerializationError, ValueError) as error:
        raise ContextError(_why_unwritable(context, wanted, error)) from None
    fields = json_fields(type(context))
    if fields.inexact and (type(written) is not dict or not written.keys() <= wanted):
        raise ContextError("a serializer of its class writes something else than its fields")
    if fields.with_sets:
        for name in fields.with_sets.intersection(written):
            written[name] = in_one_order(vars(context)[name], written[name])
    return written


def _why_unwritable(context: Context, names: Iterable[str], error: Exception) -> str:
    """Return which fields cannot be written as JSON; the error is named, and not shown, since it may quote a value."""
    wrong = sorted(name for name in names if not _is_writable(context, name))
    return (
        f"{', '.join(wrong) or 'the whole'} cannot be written as JSON ({type(error).__name__}): JSON holds Unicode "
        "text, so write bytes as base64, and no half of a surrogate pair; nest less than 200 deep; and let no "
        "serializer fail"
    )


def _is_writable(context: Context, name: str) -> bool:
    try:
        context.model_dump_json(include={name}, by_alias=False, exclude_computed_fields=True, warnings=False)
    except (PydanticSerializationError, ValueError):
        return False
    return True


def journaled_start(context: Context) -> dict[str, Any]:
    """Return the fields that a run starts with as a journal holds them; those that start with their default are left
    out, so that nothing that a journal says can set them early.

    Raises ContextError: if a value cannot be written, or is read back as another.
    """
    context_type = type(context)
    try:
        written = journaled(context, starting_fields(context_type).journaled)
    except ContextError as error:
        raise ContextError(f"cannot be journaled: {error}") from None
    # Read back before the run: it begins with what its journal holds, live as well as resumed. What JSON cannot give
    # back is an error now, and not a run that nobody can resume.
    try:
        _check_same(context, validated(context_type, written), written)
    except ContextError as error:
        raise ContextError(
            f"does not come back from JSON ({error}), and runs begin with what their journal holds: use types whose "
            "values JSON gives back, and name subclasses in them"
        ) from None
    return written


def journaled_changes(context: Context, changes: Mapping[str, Any], *, told: bool = False) -> dict[str, Any]:
    """Return changes to a context as a journal holds them.

    Args:
        told: the error goes to who wrote the changes: see `describe`.

    Raises ContextError: if a value does not fit its field, cannot be written, or is read back as another.
    """
    after = changed(context, changes, told=told)
    written = journaled(after, changes)
    inexact = json_fields(type(context)).inexact
    if inexact and not inexact.isdisjoint(changes):
        _check_same(after, changed(context, written), changes)
    return written


def _check_same(meant: Context, read: Context, names: Iterable[str]) -> None:
    """Check that fields were read back as what was written.

    Raises ContextError: if one is another value, or one that can change; names the field, and tells no value.
    """
    for name in sorted(json_fields(type(meant)).inexact.intersection(names)):
        try:
            wrong = difference(vars(meant)[name], vars(read)[name], name)
        except Exception as error:  # how values compare is user code: whatever it raises is a no
            raise ContextError(f"{name} cannot be compared with what is read back: {type(error).__name__}") from None
        if wrong is not None:
            raise ContextError(wrong)


def shown(context: Context) -> dict[str, Any]:
    """Return a context as JSON to look at, with what is computed; sets are in one order."""
    told: dict[str, Any] = in_one_order(context, context.model_dump(mode="json", warnings=False))
    return told


def overwritten(context: C, values: Mapping[str, Any]) -> C:
    """Return a context with values that have been checked before; nothing is validated, so it cannot fail."""
    if not values:
        return context
    # pydantic's own `model_copy(update=)` would keep names that are not fields
    after = context.model_copy()
    object.__setattr__(after, "__dict__", {**values_of(context), **values})
    return after


_SHOWN = frozenset((*get_args(ErrorType), UNKNOWN_LIMIT)) - {"value_error", "assertion_error", "union_tag_invalid"}
"""Kinds of errors whose message holds nothing of the value that came."""

_TOLD_CHARS = 600
"""The longest description that a model is told: it is part of its next prompt."""

_BY_PYDANTIC = re.compile("^(Value error|Assertion failed), ")
"""What pydantic puts before a validator's own message."""


def misfits(error: ValidationError) -> list[ErrorDetails]:
    """Return what failed, each with its place and kind, without the values that came: they may be private."""
    return error.errors(include_input=False, include_url=False, include_context=False)


def describe(error: ValidationError, *, told: bool = False) -> str:
    """Return what failed and where in a sentence, without the values that came.

    Args:
        told: it goes to who wrote the values, a model that is to write better ones. Then a validator's own message,
            which may quote a value, is in it; it is cut where it is very long.
    """
    if not told:
        return "; ".join(map(describe_item, misfits(error)))
    text = "; ".join(f"{_place(item)}: {_BY_PYDANTIC.sub('', item['msg'], count=1)}" for item in misfits(error))
    return _short(text)


def broken(error: UnicodeEncodeError, *, told: bool = False) -> str:
    """Return what a validator said that is no Unicode text, with `?` for what cannot be encoded.

    pydantic raises this error in the place of one that says where: it cannot write the validator's message.

    Args:
        told: as in `describe`.
    """
    if not told:
        return "a validator refused it, in a message that is no Unicode text"
    return _short(without_surrogates(error.object))


def _short(text: str) -> str:
    return text if len(text) <= _TOLD_CHARS else f"{text[:_TOLD_CHARS]} [...]"


def describe_item(item: ErrorDetails) -> str:
    """Return what failed and where, for one of several errors."""
    return f"{_place(item)}: {item['msg'] if item['type'] in _SHOWN else 'Input is refused by a validator'}"


def _place(item: ErrorDetails) -> str:
    return ".".join(map(str, item["loc"])) or "context"
