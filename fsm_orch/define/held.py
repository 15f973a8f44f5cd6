"""Every kind of value that a type can hold: through aliases, new types, unions, models, dataclasses and named tuples.

Names that are written as text are looked up where they stand: in the module, and in the function that is under way.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import typing_extensions
from pydantic import BaseModel, PydanticUserError
from pydantic.fields import FieldInfo

Hints = dict[type, dict[str, Any]]


class Scope(NamedTuple):
    """Where annotations are looked up, and what was found of them."""

    names: Mapping[str, Any]
    """What texts in annotations may name besides what their module holds."""
    hints: Hints
    """What the fields of dataclasses and named tuples are annotated with: filled in while the names are at hand."""


class Unknown(NamedTuple):
    """A name in an annotation that stands for nothing yet."""

    text: str


class Kind(NamedTuple):
    """A class that values are of."""

    type: Any
    is_bare: bool = False
    """Whether it says nothing of what it holds, as `tuple` alone."""


def kinds_in(
    annotation: Any, scope: Scope, module: str, given: Iterable[Any] = ()
) -> Iterator[Kind | FieldInfo | Unknown]:
    """Yield all that a value of a type may be made of, at any depth, each once; fields of models beside their types.

    Args:
        module: the one that the annotation stands in.
        given: variables whose types are given later, where a generic class is used.
    """
    yield from _Walk(scope).kinds(annotation, module, frozenset(given))


class _Walk:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._seen: set[Any] = set()

    def kinds(self, hint: Any, module: str, given: frozenset[Any]) -> Iterator[Kind | FieldInfo | Unknown]:
        """Yield what an annotation holds.

        Args:
            given: variables whose types were given where they are used.
        """
        hint = self._resolved(hint, module)
        if isinstance(hint, Unknown):
            yield hint
            return
        if isinstance(hint, typing.TypeVar | typing_extensions.TypeVar):
            if hint not in given:
                yield from self._variable(hint, module)
            return
        if hasattr(hint, "__supertype__"):  # NewType
            yield from self.kinds(hint.__supertype__, hint.__module__ or module, given)
            return
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Literal:
            return  # its values are no types
        if origin is typing.Annotated:
            arguments = arguments[:1]  # the rest are marks
        elif origin not in (typing.Union, types.UnionType):
            yield from self._one(hint, module, origin or hint, arguments)
        for argument in arguments:
            if argument is not ... and argument != ():
                yield from self.kinds(argument, module, given)

    def _resolved(self, hint: Any, module: str) -> Any:
        return resolved(hint, module, self._scope.names) if isinstance(hint, str | typing.ForwardRef) else hint

    def _variable(self, variable: Any, module: str) -> Iterator[Kind | FieldInfo | Unknown]:
        default = getattr(variable, "__default__", None)
        bounds = variable.__constraints__ or (variable.__bound__ or (Any if _says_nothing(default) else default),)
        for bound in bounds:
            yield from self.kinds(bound, variable.__module__ or module, frozenset())

    def _one(
        self, hint: Any, module: str, origin: Any, arguments: tuple[Any, ...]
    ) -> Iterator[Kind | FieldInfo | Unknown]:
        """Yield a class and what its fields hold, or what an alias stands for."""
        is_bare = not arguments and not hasattr(hint, "__args__")
        key = (origin, is_bare)
        try:
            if key in self._seen:
                return
            self._seen.add(key)
        except TypeError:  # an annotation that cannot be hashed is no class
            return
        variables: tuple[Any, ...] = getattr(origin, "__type_params__", ()) or getattr(origin, "__parameters__", ())
        given = frozenset(variables) if arguments else frozenset()
        module = getattr(origin, "__module__", None) or module
        if hasattr(origin, "__value__"):
            yield from self.kinds(origin.__value__, module, given)
            return
        yield Kind(origin, is_bare)
        if isinstance(origin, type):
            for inner in self._fields(origin):
                if isinstance(inner, FieldInfo):
                    yield inner
                yield from self.kinds(inner.annotation if isinstance(inner, FieldInfo) else inner, module, given)

    def _fields(self, kind: Any) -> Iterable[Any]:
        if issubclass(kind, BaseModel):
            if not kind.__pydantic_fields_complete__:
                with suppress(PydanticUserError):
                    kind.model_rebuild(raise_errors=False, _types_namespace=dict(self._scope.names))
            return [*kind.__pydantic_fields__.values()]
        return self._hints(kind).values()

    def _hints(self, kind: Any) -> Mapping[str, Any]:
        names = _field_names(kind)
        if names and kind not in self._scope.hints:
            found = {name: self._resolved(_annotation(kind, name), kind.__module__) for name in names}
            if any(isinstance(hint, Unknown) for hint in found.values()):
                return {name: hint.text if isinstance(hint, Unknown) else hint for name, hint in found.items()}
            self._scope.hints[kind] = found
        return self._scope.hints.get(kind, {})


def _field_names(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or a named tuple; none of any other class."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(getattr(kind, "_fields", ())) if issubclass(kind, tuple) else ()


def _annotation(kind: type, name: str) -> Any:
    """Return how a field of a class is annotated; Any if it is not."""
    for base in kind.__mro__:
        annotations = typing_extensions.get_annotations(base, format=typing_extensions.Format.FORWARDREF)
        if name in annotations:
            hint = annotations[name]
            return typing.ForwardRef(hint, module=base.__module__) if isinstance(hint, str) else hint
    return Any


def _says_nothing(default: object) -> bool:
    return default is None or type(default).__name__ == "NoDefaultType"


def resolved(text: str | typing.ForwardRef, module: str, names: Mapping[str, Any]) -> Any:
    """Return what an annotation that is written as text says; `Unknown` if it names what is not there."""
    if isinstance(text, typing.ForwardRef):
        module = getattr(text.__forward_module__, "__name__", text.__forward_module__) or module
        text = text.__forward_arg__
    asked = types.SimpleNamespace(__annotations__={"it": text})
    try:
        found = typing_extensions.get_type_hints(
            asked, vars(sys.modules.get(module, typing)), {**names}, include_extras=True
        )
    except Exception:  # an annotation is any expression, and may raise anything
        return Unknown(text)
    return found["it"]
