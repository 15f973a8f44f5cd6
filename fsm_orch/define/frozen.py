"""What is wrong with a type that a context cannot keep: its values can change, or a journal would lose them."""

from __future__ import annotations

from collections import abc, deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, NamedTuple

import typing_extensions
from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from .held import Kind, Scope, Unknown, kinds_in

INSTEAD: dict[type, str] = {
    list: "tuple[...]",
    deque: "tuple[...]",
    dict: "a nested Context, or a tuple of pairs",
    set: "frozenset[...]",
    bytearray: "bytes",
    memoryview: "bytes",
    FunctionType: "dependencies for functions, which no journal can hold",
}

_ABSTRACT: dict[object, type] = {
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    abc.Iterator: list,
    abc.Generator: list,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    abc.Set: set,
    abc.MutableSet: set,
    abc.Callable: FunctionType,
}
"""What pydantic puts where an annotation names only a protocol."""

_ANYTHING = (Any, typing_extensions.Any, object, abc.Hashable)
_BARE = (tuple, frozenset)
"""What holds anything if it does not say what."""


class Flaw(NamedTuple):
    """Why a field cannot be kept."""

    problem: str
    fix: str


def field_flaws(field: FieldInfo, scope: Scope, module: str, given: Iterable[Any] = ()) -> Iterator[Flaw]:
    """Yield why values of a field can change behind the journal's back, or would be lost in it; each reason once.

    Args: see `kinds_in`.
    """
    kinds = (field, *kinds_in(field.annotation, scope, module, given))
    yield from dict.fromkeys(flaw for kind in kinds for flaw in _flaws(kind))


def holds_sets(annotation: Any, scope: Scope, module: str) -> bool:
    """Return whether a value of a type may have a set in it, whose order differs from process to process."""
    return any(map(_may_be_set, kinds_in(annotation, scope, module)))


def _may_be_set(kind: Kind | FieldInfo | Unknown) -> bool:
    if isinstance(kind, Kind):
        return isinstance(kind.type, type) and issubclass(kind.type, Set)
    return isinstance(kind, Unknown)


def _flaws(kind: Kind | FieldInfo | Unknown) -> Iterable[Flaw]:
    if isinstance(kind, FieldInfo):
        return (_LOST,) if kind.exclude or getattr(kind, "exclude_if", None) is not None else ()
    if isinstance(kind, Unknown):
        return ()  # not there yet: `unknown_names` says so when the machine is built
    if kind.type in _ANYTHING or (kind.is_bare and kind.type in _BARE):
        return (_anything(kind.type),)
    if kind.type in _ABSTRACT:
        return (_changes(_ABSTRACT[kind.type]),)
    return _of_class(kind.type) if isinstance(kind.type, type) else ()


def _of_class(kind: type) -> Iterator[Flaw]:
    if issubclass(kind, SecretStr | SecretBytes):
        yield _LOST
    elif issubclass(kind, tuple(INSTEAD)) or typing_extensions.is_typeddict(kind):
        yield _changes(next((mutable for mutable in INSTEAD if issubclass(kind, mutable)), dict))
    elif issubclass(kind, BaseModel):
        if not kind.model_config.get("frozen"):
            yield _changes(kind)
        if kind.model_config.get("extra") == "allow":
            yield Flaw(f"holds a {kind.__name__}, whose extra fields are of any type", "leave extra='allow' out of it")
        for name in kind.__private_attributes__:
            yield Flaw(f"holds a {kind.__name__}, whose private attribute {name} can change", "make it a field")
    elif is_dataclass(kind) and not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        yield _changes(kind)


_LOST = Flaw(
    "is masked or left out when it is written, so a journal would lose it",
    "pass secrets as dependencies, which are never journaled",
)


def _changes(kind: type) -> Flaw:
    return Flaw(
        f"holds a {kind.__name__}, which can change behind the journal's back",
        f"use {INSTEAD.get(kind, 'a frozen model')}",
    )


def _anything(kind: Any) -> Flaw:
    name = getattr(kind, "__name__", None) or str(kind)
    fix = (
        f"name the types in it: {name}[...]" if kind in _BARE else "name the types that it may hold, such as str | int"
    )
    return Flaw(f"holds values of any type ({name}), which can change behind the journal's back", fix)


def unknown_names(annotation: Any, scope: Scope, module: str) -> tuple[str, ...]:
    """Return the names in an annotation that stand for nothing."""
    return tuple(kind.text for kind in kinds_in(annotation, scope, module) if isinstance(kind, Unknown))
