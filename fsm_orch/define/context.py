"""The context: a frozen, validated snapshot, the only thing that agents share.

A *field reference* is what `Ticket.query` gives on the class; it names a field without a string.
A *watched* context is a view that reports each field somebody reads of it.
"""

from __future__ import annotations

import types
import typing
from collections import abc, deque
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, dataclass_transform, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretBytes, SecretStr, ValidationError
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json
from pydantic_core.core_schema import ErrorType

from ..errors import ContextError, DefinitionError, Finding
from .annotations import where_defined

_INSTEAD: dict[type, str] = {
    list: "tuple[...]",
    deque: "tuple[...]",
    dict: "a nested Context, or a tuple of pairs",
    set: "frozenset[...]",
    bytearray: "bytes",
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
}
"""What pydantic puts where an annotation names only a protocol."""


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

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)
    _watched_type: ClassVar[type[Any] | None] = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._watched_type = None
        findings = [
            _mutable(cls, name, mutable)
            for name, field in cls.__pydantic_fields__.items()
            for mutable in _mutable_types(field.annotation)
        ]
        findings += [_mutable(cls, name, "private attribute") for name in cls.__private_attributes__]
        findings += _loosened(cls)
        if findings:
            raise DefinitionError(cls.__name__, findings)


C = TypeVar("C", bound=Context)


def _mutable(owner: type[Context], name: str, mutable: type | str) -> Finding:
    holds = mutable if isinstance(mutable, str) else mutable.__name__
    return Finding(
        code="FSM130",
        where=where_defined(owner),
        came=f"{owner.__name__}.{name} holds a {holds}, which can change behind the journal's back",
        allowed="fields with values that cannot change",
        do=f"use {_INSTEAD.get(mutable, 'a frozen model') if isinstance(mutable, type) else 'a field'}",
    )


def _loosened(owner: type[Context]) -> Iterable[Finding]:
    """Find what a subclass takes back of the promises of a context."""
    if not owner.model_config.get("frozen") or owner.model_config.get("extra") != "forbid":
        yield Finding(
            code="FSM130",
            where=where_defined(owner),
            came=f"{owner.__name__} is configured with frozen off, or with extra fields allowed",
            allowed="frozen contexts without unknown fields",
            do="leave frozen and extra out of its model_config",
        )
    for name, field in owner.__pydantic_fields__.items():
        if field.exclude or _holds_secret(field.annotation):
            yield Finding(
                code="FSM130",
                where=where_defined(owner),
                came=f"{owner.__name__}.{name} is masked or left out when it is written, so a journal would lose it",
                allowed="fields that a journal can hold",
                do="pass secrets as dependencies, which are never journaled",
            )


def _holds_secret(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    is_secret = isinstance(origin, type) and issubclass(origin, SecretStr | SecretBytes)
    return is_secret or any(map(_holds_secret, typing.get_args(annotation)))


def _mutable_types(annotation: Any, seen: frozenset[Any] = frozenset()) -> Iterable[type]:
    """Tell every type in an annotation whose values can change, through aliases, models and dataclasses."""
    annotation = getattr(annotation, "__value__", annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin in _ABSTRACT:
        yield _ABSTRACT[origin]
    elif isinstance(origin, type) and origin not in seen:
        yield from _mutable_values(origin, seen | {origin})
    for argument in typing.get_args(annotation):  # marks of Annotated and values of Literal are no types: passed over
        yield from _mutable_types(argument, seen)


def _mutable_values(kind: type, seen: frozenset[Any]) -> Iterable[type]:
    if issubclass(kind, tuple(_INSTEAD)):
        yield next(mutable for mutable in _INSTEAD if issubclass(kind, mutable))
    elif issubclass(kind, BaseModel):
        if not kind.model_config.get("frozen"):
            yield kind
        for field in kind.__pydantic_fields__.values():
            yield from _mutable_types(field.annotation, seen)
    elif issubclass(kind, tuple):
        for hint in getattr(kind, "__annotations__", {}).values():  # of a NamedTuple
            yield from _mutable_types(hint, seen)
    elif is_dataclass(kind):
        if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from _mutable_types(hint, seen)


def field_refs(refs: Iterable[object]) -> tuple[FieldRef, ...]:
    """Take what a user wrote as field references; a set is sorted, since its own order differs from run to run.

    Raises ContextError: if one is not a field reference, such as a string.
    """
    if isinstance(refs, FieldRef):
        raise ContextError(f"{refs!r} is one field where several are taken: write ({refs!r},)")
    taken = tuple(refs)
    for ref in taken:
        if not isinstance(ref, FieldRef):
            raise ContextError(f"{ref!r} is not a field. Name fields as attributes of a context class: Ticket.query")
    in_order = sorted(taken, key=lambda ref: ref.name) if isinstance(refs, Set) else taken  # type: ignore[attr-defined]
    return cast("tuple[FieldRef, ...]", tuple(in_order))


def given_fields(context_type: type[Context]) -> frozenset[str]:
    """Tell the fields that every run has from its start: required ones, and those marked `Given`."""
    return frozenset(
        name
        for name, field in context_type.__pydantic_fields__.items()
        if field.is_required() or any(isinstance(mark, Given) or mark is Given for mark in field.metadata)
    )


def taken_ahead(context: Context) -> tuple[str, ...]:
    """Tell the fields that a first context holds a value of its own in, although only agents are to write them.

    These are the fields with a default that are not marked `Given`: a policy is proved from their defaults on, and a
    run that began with a refund approved would be none that was proved. What a factory makes is not compared.
    """
    context_type, given, held = type(context), given_fields(type(context)), values_of(context)
    fields = context_type.__pydantic_fields__
    others = [name for name, field in fields.items() if name not in given and field.default_factory is None]
    if not others:
        return ()
    fresh = values_of(validated(context_type, {name: held[name] for name in given}))
    return tuple(name for name in others if not _is_same(held[name], fresh[name]))


def validated(context_type: type[C], values: Mapping[str, Any]) -> C:
    """Make a context of values.

    Raises ContextError: if one does not fit its field; says which, without the value.
    """
    try:
        return context_type.model_validate(dict(values), by_alias=False, by_name=True)
    except ValidationError as error:
        raise ContextError(describe(error)) from None
    except Exception as error:  # a validator is user code: whatever it raises is a no
        raise ContextError(f"a validator raised {type(error).__name__}") from error


def changed(context: C, changes: Mapping[str, Any]) -> C:
    """Write changes, validating the whole; the context given stays as it was.

    Raises ContextError: if a value does not fit its field, or validation changed a field that was not written
        (a validator that derives one field from another must be declared by the agent that triggers it).
    """
    if not changes:
        return context
    before = values_of(context)
    after = validated(type(context), {**before, **changes})
    for name, value in values_of(after).items():
        if name not in changes and not _is_same(value, before[name]):
            raise ContextError(f"a validator changed {name!r}, which the agent does not declare to write")
    return after


def _is_same(one: object, other: object) -> bool:
    """Compare values as a journal does: 0 is not False, and what is not a number is still itself."""
    return one is other or (type(one) is type(other) and (one == other or (one != one and other != other)))  # noqa: PLR0124


def values_of(context: Context) -> dict[str, Any]:
    """Give the values of the fields, without what a context may have cached beside them."""
    held = vars(context)
    return {name: held[name] for name in type(context).__pydantic_fields__}


def journaled(context: Context, names: Iterable[str]) -> dict[str, Any]:
    """Give fields as a journal holds them: JSON, by each field's own serializer.

    A run folds this form, live as well as replayed, so that both are the same by construction.

    Raises ContextError: if a value cannot be written, such as bytes or a text that is not Unicode.
    """
    try:
        written: dict[str, Any] = from_json(context.model_dump_json(include=set(names), by_alias=False))
    except (PydanticSerializationError, ValueError) as error:
        raise ContextError(f"it cannot be written as JSON: {type(error).__name__}") from None
    return written


def overwritten(context: C, values: Mapping[str, Any]) -> C:
    """Write values that have been checked before, without validating the whole: it cannot fail."""
    if not values:
        return context
    after = context.model_copy()
    object.__setattr__(after, "__dict__", {**values_of(context), **values})
    return after


_SHOWN = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error", "union_tag_invalid"}
"""Kinds of errors whose message holds nothing of the value that came."""


def describe(error: ValidationError) -> str:
    """Say what failed and where, without the values that came: they may be private."""
    return "; ".join(map(describe_item, error.errors(include_input=False, include_url=False, include_context=False)))


def describe_item(item: ErrorDetails) -> str:
    """Say what failed and where, for one of several errors."""
    place = ".".join(map(str, item["loc"])) or "context"
    return f"{place}: {item['msg'] if item['type'] in _SHOWN else 'Input is refused by a validator'}"


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
        ("__dict__", values_of(context)),  # a copy: what the view caches stays with the view
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
        elif name in ("__dict__", "__pydantic_fields_set__"):
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
    except Exception:  # an annotation is any expression, and may raise anything
        return None
    return next((hint for name, hint in hints.items() if name not in ("return", "self")), None)
