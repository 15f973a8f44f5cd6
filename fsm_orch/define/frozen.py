"""Which types hold values that can change, or that a journal would lose."""

from __future__ import annotations

import typing
from collections import abc, deque
from collections.abc import Iterable
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

INSTEAD: dict[type, str] = {
    list: "tuple[...]",
    deque: "tuple[...]",
    dict: "a nested Context, or a tuple of pairs",
    set: "frozenset[...]",
    bytearray: "bytes",
    FunctionType: "dependencies for functions, which no journal can hold",
}


_ABSTRACT: dict[object, type] = {
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    abc.Set: set,
    abc.MutableSet: set,
    abc.Callable: FunctionType,
}
"""What pydantic puts where an annotation names only a protocol."""


def holds_secret(annotation: Any) -> bool:
    """Return whether values of a type are masked when they are written, as pydantic's secrets are."""
    origin = typing.get_origin(annotation) or annotation
    is_secret = isinstance(origin, type) and issubclass(origin, SecretStr | SecretBytes)
    return is_secret or any(map(holds_secret, typing.get_args(annotation)))


def mutable_types(annotation: Any, seen: frozenset[Any] = frozenset()) -> Iterable[type]:
    """Yield every type in an annotation whose values can change, also inside aliases, models and dataclasses."""
    if hasattr(annotation, "__value__"):
        if annotation in seen:  # `type Tree = int | tuple[Tree, ...]`
            return
        annotation, seen = annotation.__value__, seen | {annotation}
    origin = typing.get_origin(annotation) or annotation
    if origin in _ABSTRACT:
        yield _ABSTRACT[origin]
    elif isinstance(origin, type) and origin not in seen:
        yield from _mutable_values(origin, seen | {origin})
    for argument in typing.get_args(annotation):  # marks of Annotated and values of Literal are not types: passed over
        if not isinstance(argument, list):  # what a `Callable[[int], str]` takes
            yield from mutable_types(argument, seen)


def _mutable_values(kind: type, seen: frozenset[Any]) -> Iterable[type]:
    if issubclass(kind, tuple(INSTEAD)):
        yield next(mutable for mutable in INSTEAD if issubclass(kind, mutable))
    elif issubclass(kind, BaseModel):
        if not kind.model_config.get("frozen"):
            yield kind
        for field in kind.__pydantic_fields__.values():
            yield from mutable_types(field.annotation, seen)
    elif issubclass(kind, tuple):
        for hint in getattr(kind, "__annotations__", {}).values():  # of a NamedTuple
            yield from mutable_types(hint, seen)
    elif is_dataclass(kind):
        if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from mutable_types(hint, seen)
