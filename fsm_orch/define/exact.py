"""Which types JSON cannot change: what is written of any value that they hold is read back as that value.

This is known of a class, and saves every write of its fields a look at what comes back. It is said of few types, those
that nearly all fields are of; whatever is not among them is looked at.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from enum import Enum, Flag
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .marks import Mark

_SCALARS: dict[Any, str] = {None: "null", type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}
"""Pydantic keeps no subclass of these: a text of a class of the user's own becomes a text."""
_NUMBERS = frozenset({"bool", "int", "float"})
_OTHERS = ("builtins", "fsm_orch", "pydantic", "typing")
_MAKERS = frozenset({"__init__", "model_post_init", "__get_pydantic_core_schema__"})
_ALIKE = frozenset(_SCALARS.values())

Words = frozenset[str]
"""The kinds of JSON that a type is written as."""


def inexact_fields(kind: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields of which some value might be read back from JSON as another."""
    fields, decorators, config = kind.__pydantic_fields__, kind.__pydantic_decorators__, kind.model_config
    whole = (decorators.model_validators, decorators.root_validators, decorators.model_serializers)
    if any(whole) or config.get("json_encoders") or config.get("allow_inf_nan") or _is_made_otherwise(kind):
        return frozenset(fields)
    touched = {
        name
        for group in (decorators.validators, decorators.field_validators, decorators.field_serializers)
        for decorator in group.values()
        for name in (fields if "*" in decorator.info.fields else decorator.info.fields)
    }
    return frozenset(name for name, field in fields.items() if name in touched or not _is_exact_field(field))


def _is_made_otherwise(kind: type[BaseModel]) -> bool:
    """Return whether a user's own code makes the instances of a class."""
    users = (vars(base) for base in kind.__mro__ if base.__module__.partition(".")[0] not in _OTHERS)
    return any(not _MAKERS.isdisjoint(body) for body in users)


def _is_exact_field(field: FieldInfo) -> bool:
    return _are_plain(field.metadata) and written_as(field.annotation) is not None


def _are_plain(marks: Iterable[Any]) -> bool:
    return all(_are_plain(m.metadata) if isinstance(m, FieldInfo) else _is_plain(m) for m in marks)


def _is_plain(mark: object) -> bool:
    """Return whether a mark around a type changes no value: a comment, a mark of ours, or a bound."""
    return isinstance(mark, Mark | str) or type(mark).__module__ == "annotated_types"


def written_as(hint: Any) -> Words | None:
    """Return the kinds of JSON that a type is written as, if JSON cannot change any value of it; else None."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(hint, "__supertype__"):
        return written_as(hint.__supertype__)
    if origin is typing.Annotated:
        return written_as(arguments[0]) if _are_plain(arguments[1:]) else None
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is typing.Literal:
        return _values(arguments)
    if origin in (tuple, frozenset):
        inner = [written_as(argument) for argument in arguments if argument is not ...]
        return None if None in inner else frozenset({"array"})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return None if issubclass(hint, Flag) else _values([member.value for member in hint], is_enum=True)
    try:
        return frozenset({_SCALARS[hint]}) if hint in _SCALARS else None
    except TypeError:  # not hashable
        return None


def _values(values: Sequence[object], *, is_enum: bool = False) -> Words | None:
    """Return what texts alone, or whole numbers alone, are written as."""
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return frozenset({"enum", "str"} if is_enum else {"str"})
    return frozenset({"enum", *_NUMBERS}) if kinds == {int} else None


def _union(members: tuple[Any, ...]) -> Words | None:
    """Return what a union is written as, if each member is written as what no other is read from."""
    known: set[str] = set()
    for words in map(written_as, members):
        # texts are texts and numbers are numbers, whichever member they are read as
        if words is None or (words & known and not (words <= _ALIKE and known <= _ALIKE)):
            return None
        known |= words
    return frozenset(known)
