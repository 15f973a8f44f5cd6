"""The context: a frozen, validated snapshot, the only thing that agents share.

A *field reference* is what `Ticket.query` is on the class; it names a field without a string.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, cast, dataclass_transform

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic._internal._model_construction import ModelMetaclass

from ..errors import ContextError, DefinitionError, Finding
from . import codes
from .exact import inexact_fields
from .frozen import Flaw, field_flaws, holds_sets
from .held import Hints, Scope
from .marks import GIVEN, PRESET, Given, Mark, Preset, marks_in
from .source import names_of_caller, where_defined


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A field of a context class."""

    owner: type[Context]
    name: str

    def __repr__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


class StartingFields(NamedTuple):
    """The fields of a context class by what a run may start with."""

    given: frozenset[str]
    """A caller may set them."""
    readable: frozenset[str]
    """Agents may read them from the start."""
    defaulted: tuple[str, ...]
    """Every run starts with their default: only agents write them, and no factory makes them."""
    journaled: tuple[str, ...]
    """All others: what a run starts with is written down."""


class JsonFields(NamedTuple):
    """The fields of a context class of which more is to be known when they are written as JSON."""

    inexact: frozenset[str]
    """Some value might be read back as another, so each write of one is compared with what is read."""
    with_sets: frozenset[str]
    """They may hold sets, which are written in one order."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
class _ContextMeta(ModelMetaclass):
    """pydantic's metaclass, whose classes answer `Ticket.query` with a field reference."""

    if not TYPE_CHECKING:  # a checker sees the field's own type, and refuses a misspelt one

        def __getattr__(cls, name: str) -> FieldRef:  # noqa: N805
            # `__dict__`, not `getattr`: while pydantic builds a class, its fields are still those of the base
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

    # `frozen` alone is shallow: a list in a frozen model still changes. So types are looked into too, below.
    # NaN and infinity are refused, since they are not JSON and NaN is not equal to itself. Names that pydantic protects
    # are left to `_hidden`, which says what to do.
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )
    _watched_type: ClassVar[type[Any] | None] = None
    _starting_fields: ClassVar[StartingFields | None] = None
    _json_fields: ClassVar[JsonFields | None] = None
    _hints: ClassVar[Hints] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._watched_type = cls._starting_fields = cls._json_fields = None  # a base's own are not its
        cls._hints = {**cls._hints}
        if findings := cls._findings(names_of_caller()):
            raise DefinitionError(cls.__name__, findings)

    @classmethod
    def _findings(cls, names: Mapping[str, Any]) -> Sequence[Finding]:
        """Return what keeps this class from being a context."""
        variables = cls.__pydantic_generic_metadata__["parameters"]
        return [*unkept_fields(cls, names, variables), *_loosened(cls), *_mismarked(cls), *_hidden(cls)]

    if not TYPE_CHECKING:  # a checker would take it that any attribute may be set

        def __setattr__(self, name: str, value: object) -> None:
            _check_frozen(self, name)
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            _check_frozen(self, name)
            super().__delattr__(name)


def _check_frozen(context: Context, name: str) -> None:
    """Raise ContextError if somebody is about to change a field: pydantic's own error does not say what to do."""
    if name in type(context).__pydantic_fields__:
        field = f"{type(context).__name__}.{name}"
        raise ContextError(f"A context is frozen. An agent returns what it changes: return {{{field}: ...}}")


C = TypeVar("C", bound=Context)


def unkept_fields(owner: type[Context], names: Mapping[str, Any], variables: Iterable[Any] = ()) -> Iterable[Finding]:
    """Find the fields whose values can change behind the journal's back, or would be lost in it.

    What dataclasses and named tuples inside are annotated with is kept with the class, while the names are at hand.

    Args:
        names: what annotations that are texts may name besides what their module holds.
        variables: those of a generic class, whose types are given where it is used.
    """
    scope = Scope(names, owner._hints)
    for name, field in owner.__pydantic_fields__.items():
        for flaw in field_flaws(field, scope, owner.__module__, variables):
            yield _unkept(owner, name, flaw)
    for name in owner.__private_attributes__:
        flaw = Flaw("holds a private attribute, which can change behind the journal's back", "use a field")
        yield _unkept(owner, name, flaw)


def _unkept(owner: type[Context], name: str, flaw: Flaw) -> Finding:
    return codes.finding(
        "FSM130", where=where_defined(owner), problem=f"{owner.__name__}.{name} {flaw.problem}", fix=flaw.fix
    )


def _hidden(owner: type[Context]) -> Iterable[Finding]:
    """Find the fields that cannot be named as `Ticket.query`, since the class has an attribute of that name."""
    for name in owner.__pydantic_fields__:
        if getattr(owner, name, None) != FieldRef(owner, name):
            yield codes.finding(
                "FSM114",
                where=where_defined(owner),
                problem=f"{owner.__name__}.{name} is no field on the class, but an attribute that every class or one "
                "of its bases has",
                expected=f"names of fields that are free, so that {owner.__name__}.{name} is the field",
                fix=f"name it otherwise, such as {name}_",
            )


def _loosened(owner: type[Context]) -> Iterable[Finding]:
    """Find what a subclass takes back of the promises of a context."""
    if not owner.model_config.get("frozen") or owner.model_config.get("extra") != "forbid":
        yield codes.finding(
            "FSM130",
            where=where_defined(owner),
            problem=f"{owner.__name__} is configured with frozen off, or with extra fields allowed",
            expected="frozen contexts without unknown fields",
            fix="leave frozen and extra out of its model_config",
        )


def _mismarked(owner: type[Context]) -> Iterable[Finding]:
    """Yield a finding for each mark that could not be kept."""
    for name, field in owner.__pydantic_fields__.items():
        own = [mark for mark in field.metadata if isinstance(mark, Mark)]
        bare = [mark for mark in field.metadata if mark in (Given, Preset)]
        inner = marks_in(field.annotation)
        if inner:
            problem, fix = (
                f"has a mark inside its type: {inner[0]}[...]",
                f"put it around the whole: {inner[0]}[...] = ...",
            )
        elif bare:
            problem, fix = "has a mark that is not put around its type", "write Given[...] or Preset[...] around it"
        elif len(set(own)) > 1:
            problem, fix = "is marked Given and Preset", "keep one: who may set it first, the caller or agents alone"
        elif PRESET in own and field.is_required():
            problem, fix = "is marked Preset and has no default", "give it the value that runs start with"
        else:
            continue
        yield codes.finding("FSM131", where=where_defined(owner), problem=f"{owner.__name__}.{name} {problem}", fix=fix)


def field_refs(refs: object) -> tuple[FieldRef, ...]:
    """Return what a user wrote as field references, one or several.

    A set is sorted, since its own order differs from process to process.

    Raises ContextError: if one is not a field reference, such as a string.
    """
    if isinstance(refs, FieldRef):
        return (refs,)
    taken = tuple(refs) if isinstance(refs, Iterable) and not isinstance(refs, str) else (refs,)
    for ref in taken:
        if not isinstance(ref, FieldRef):
            raise ContextError(f"{ref!r} is not a field. Name fields as attributes of a context class: Ticket.query")
    found = cast("tuple[FieldRef, ...]", taken)
    return tuple(sorted(found, key=lambda ref: ref.name)) if isinstance(refs, Set) else found


def given_fields(context_type: type[Context]) -> frozenset[str]:
    """Return the names of the fields that a caller may set: required ones, and those marked `Given`."""
    return starting_fields(context_type).given


def first_readable(context_type: type[Context]) -> frozenset[str]:
    """Return the names of the fields that agents may read from the start: given ones, and those marked `Preset`."""
    return starting_fields(context_type).readable


def starting_fields(context_type: type[Context]) -> StartingFields:
    """Return which fields a run may start with, found once for each class."""
    known = context_type._starting_fields
    if known is None:
        known = context_type._starting_fields = _starting_fields(context_type)
    return known


def json_fields(context_type: type[Context]) -> JsonFields:
    """Return of which fields more is to be known when they are written, found once for each class."""
    known = context_type._json_fields
    if known is None:
        fields, module = context_type.__pydantic_fields__, context_type.__module__
        scope = Scope({}, context_type._hints)
        with_sets = frozenset(name for name, field in fields.items() if holds_sets(field.annotation, scope, module))
        known = context_type._json_fields = JsonFields(inexact_fields(context_type), with_sets)
    return known


def _starting_fields(context_type: type[Context]) -> StartingFields:
    fields = context_type.__pydantic_fields__.items()
    given = frozenset(name for name, field in fields if field.is_required() or GIVEN in field.metadata)
    # a factory may make another value each time, so what it made is written down, and compared with nothing
    defaulted = tuple(name for name, field in fields if name not in given and field.default_factory is None)
    return StartingFields(
        given=given,
        readable=given | {name for name, field in fields if PRESET in field.metadata},
        defaulted=defaulted,
        journaled=tuple(name for name, _ in fields if name not in defaulted),
    )
