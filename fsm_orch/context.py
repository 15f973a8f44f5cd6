"""The context: a frozen, validated snapshot, the only thing that agents share.

A *field reference* is what `Ticket.query` gives on the class; it names a field without a string.
A *watched* context is a view that reports each field somebody reads of it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, dataclass_transform

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic._internal._model_construction import ModelMetaclass

from .errors import ContextError, DefinitionError, Finding
from .source import where_defined

_MUTABLE: dict[type, str] = {
    list: "tuple[...]",
    dict: "a nested Context, or a tuple of pairs",
    set: "frozenset[...]",
    bytearray: "bytes",
}


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A field of a context class."""

    owner: type[Context]
    name: str

    def __repr__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


class Given:
    """Mark a field with a default as an input that may be read from the start.

    A read must have been written on every path to it. Required fields are given by the caller; a field
    with a default counts as written from the start only if it says so:
    `locale: Annotated[str, Given()] = "en"`.
    """


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
class _ContextMeta(ModelMetaclass):
    """pydantic's metaclass, whose classes answer `Ticket.query` with a field reference."""

    if not TYPE_CHECKING:  # a checker sees the field's own type, and refuses a misspelt one

        def __getattr__(cls, name: str) -> FieldRef:  # noqa: N805
            fields = cls.__dict__.get("__pydantic_fields__", {})
            if name in fields:
                return FieldRef(cls, name)
            if not name.startswith("_") and fields:
                raise AttributeError(f"{cls.__name__} has no field {name!r}. Fields: {', '.join(fields)}")
            return super().__getattr__(name)


class Context(BaseModel, metaclass=_ContextMeta):
    """Base of user contexts: frozen, no unknown fields, nothing mutable inside.

    Raises DefinitionError: when a subclass declares a field of a mutable type (FSM130).
    Raises pydantic.ValidationError: when values do not fit the fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    _watched_type: ClassVar[type[Any] | None] = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._watched_type = None
        findings = [
            Finding(
                code="FSM130",
                where=where_defined(cls),
                came=f"{cls.__name__}.{name} holds a {mutable.__name__}, which can change behind the journal's back",
                allowed="values that cannot change",
                do=f"use {_MUTABLE.get(mutable, 'a frozen model')}",
            )
            for name, field in cls.__pydantic_fields__.items()
            for mutable in _mutable_types(field.annotation)
        ]
        if findings:
            raise DefinitionError(cls.__name__, findings)


C = TypeVar("C", bound=Context)


def _mutable_types(annotation: Any) -> Iterable[type]:
    origin = typing.get_origin(annotation) or annotation
    if isinstance(origin, type):
        if issubclass(origin, tuple(_MUTABLE)) or origin in (Mapping, typing.Mapping):
            yield next((mutable for mutable in _MUTABLE if issubclass(origin, mutable)), dict)
        elif issubclass(origin, BaseModel) and not origin.model_config.get("frozen"):
            yield origin
    for argument in typing.get_args(annotation):
        yield from _mutable_types(argument)


def field_refs(refs: Iterable[object]) -> tuple[FieldRef, ...]:
    """Take what a user wrote as field references.

    Raises ContextError: if one is not a field reference, such as a string.
    """
    taken = tuple(refs)
    for ref in taken:
        if not isinstance(ref, FieldRef):
            raise ContextError(f"{ref!r} is not a field. Name fields as attributes of a context class: Ticket.query")
    return cast("tuple[FieldRef, ...]", taken)


def given_fields(context_type: type[Context]) -> frozenset[str]:
    """Tell the fields that every run has from its start: required ones, and those marked `Given`."""
    return frozenset(
        name
        for name, field in context_type.__pydantic_fields__.items()
        if field.is_required() or any(isinstance(mark, Given) or mark is Given for mark in field.metadata)
    )


def validated(context_type: type[C], values: Mapping[str, Any]) -> C:
    """Make a context of values.

    Raises ContextError: if one does not fit its field; says which, without the value.
    """
    try:
        return context_type.model_validate(dict(values))
    except ValidationError as error:
        raise ContextError(describe(error)) from None


def changed(context: C, changes: Mapping[str, Any]) -> C:
    """Write changes, validating the whole; the context given stays as it was.

    Raises ContextError: if a value does not fit its field, or validation changed a field that was not written
        (a validator that derives one field from another must be declared by the agent that triggers it).
    """
    if not changes:
        return context
    before = vars(context)
    after = validated(type(context), {**before, **changes})
    for name, value in vars(after).items():
        if name not in changes and value != before[name]:
            raise ContextError(f"a validator changed {name!r}, which the agent does not declare to write")
    return after


def describe(error: ValidationError) -> str:
    """Say what failed and where, without the values that came: they may be private."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'context'}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    )


def watched(context: C, on_read: Callable[[str], object]) -> C:
    """Give a view of a context that calls `on_read(name)` before each field is read.

    The view is an instance of a subclass, so methods and properties of the context are seen through, and
    short-circuits show only what was really read. Reading it as a whole (dumping, comparing, iterating)
    reads every field. What `on_read` raises reaches the reader.
    """
    context_type = type(context)
    if context_type._watched_type is None:
        context_type._watched_type = _watched_subclass(context_type)
    view = object.__new__(context_type._watched_type)
    for slot, value in (
        ("__dict__", vars(context)),
        ("__pydantic_fields_set__", context.__pydantic_fields_set__),
        ("__pydantic_extra__", context.__pydantic_extra__),
        ("__pydantic_private__", context.__pydantic_private__),
        ("_on_read", on_read),
    ):
        object.__setattr__(view, slot, value)
    return cast("C", view)


def _watched_subclass(context_type: type[C]) -> type[C]:
    fields = frozenset(context_type.__pydantic_fields__)

    def read(self: Any, name: str) -> Any:
        if name in fields:
            object.__getattribute__(self, "_on_read")(name)
        elif name == "__dict__":
            on_read = object.__getattribute__(self, "_on_read")
            for field in fields:
                on_read(field)
        elif name == "__class__":
            return context_type
        return object.__getattribute__(self, name)

    namespace = {"__slots__": ("_on_read",), "__getattribute__": read, "__module__": context_type.__module__}
    return types.new_class(context_type.__name__, (context_type,), exec_body=lambda body: body.update(namespace))


def annotated_context(function: Callable[..., Any], localns: Mapping[str, Any]) -> type[Context] | None:
    """Tell the context class that a function's first parameter is annotated with: `Ticket` or `Visit[Ticket]`.

    None if it is not annotated, or the annotation cannot be resolved.
    """
    hint = _first_hint(function, localns)
    for candidate in (hint, *typing.get_args(hint)):
        if isinstance(candidate, type) and issubclass(candidate, Context):
            return candidate
    return None


def annotated_deps(function: Callable[..., Any], localns: Mapping[str, Any]) -> object:
    """Tell the dependencies that a function is annotated for: the `Shop` of `Visit[Ticket, Shop]`; None if none."""
    arguments = typing.get_args(_first_hint(function, localns))
    return arguments[1] if len(arguments) > 1 and arguments[1] not in (Any, type(None)) else None


def _first_hint(function: Callable[..., Any], localns: Mapping[str, Any]) -> Any:
    target = function if hasattr(function, "__annotations__") else type(function).__call__
    try:
        hints = typing.get_type_hints(target, localns=dict(localns))
    except (NameError, TypeError):
        return None
    return next((hint for name, hint in hints.items() if name not in ("return", "self")), None)
