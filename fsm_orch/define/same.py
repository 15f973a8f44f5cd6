"""Whether a value came back from JSON as it was: of the same class, at every depth, and never one that can change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet
from typing import Any

from pydantic import BaseModel

_CHANGE = (MutableMapping, MutableSequence, MutableSet)


def difference(one: object, other: object, place: str) -> str | None:
    """Return how a value was read back as another, or that it can change; None if it is the same.

    Types are told, and never values, which may be private.

    Args:
        one, other: what was written, and what was read.
        place: the name of the field.
    """
    if isinstance(other, _CHANGE):
        return f"{place} holds a {type(other).__name__}, which can change behind the journal's back"
    if type(one) is not type(other):
        return f"{place} is {_of(one)} and is read back from JSON as {_of(other)}"
    parts, others = parts_of(one), parts_of(other)
    if parts is None or others is None:
        if type(other).__hash__ is None:  # of a class of the user's own, in which Python sees a value that changes
            return f"{place} holds {_of(other)}, which can change behind the journal's back"
        return None if _are_equal(one, other) else f"{place} is read back from JSON as another {type(one).__name__}"
    if parts.keys() != others.keys():
        return f"{place} is read back from JSON as another {type(one).__name__}"
    # a member of a set is its own name, and may be private
    inner = (place if isinstance(one, frozenset) else f"{place}.{name}" for name in parts)
    found = (difference(value, others[name], at) for (name, value), at in zip(parts.items(), inner, strict=True))
    return next(filter(None, found), None)


def changeable(value: object) -> str | None:
    """Return the name of a class in a value that can change; None if nothing in it can."""
    if isinstance(value, _CHANGE) or (isinstance(value, BaseModel) and not value.model_config.get("frozen")):
        return type(value).__name__
    if not getattr(getattr(value, "__dataclass_params__", None), "frozen", True):
        return type(value).__name__
    return next(filter(None, map(changeable, (parts_of(value) or {}).values())), None)


def parts_of(value: Any) -> Mapping[Any, object] | None:
    """Return what a value is made of, by name, place or itself; None if it has no parts."""
    if isinstance(value, BaseModel):
        return {**{name: vars(value)[name] for name in type(value).__pydantic_fields__}, **(value.model_extra or {})}
    if isinstance(value, tuple):
        return dict(enumerate(value))
    if isinstance(value, frozenset):
        return {member: member for member in value}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return value if isinstance(value, Mapping) else None


def _are_equal(one: Any, other: Any) -> bool:
    if hasattr(one, "isoformat"):  # a time, known by a method, since no clock is imported here
        return bool(one.isoformat() == other.isoformat())  # an hour that comes twice a year equals none of another zone
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 - NaN


def _of(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
