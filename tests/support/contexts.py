"""Contexts of every kind of field, to be told in one dialect by every process and every version of pydantic."""

from __future__ import annotations

import json
import re
import typing
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from fractions import Fraction
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union

import annotated_types
import pydantic
from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    PlainValidator,
    PositiveInt,
    StringConstraints,
    Tag,
    WrapValidator,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import TypeAliasType

from fsm_orch import Context, Final, Given, Limits, Machine, Preset, State, Visit
from fsm_orch.define.dialect import dialect_of

T = TypeVar("T")
S = TypeVar("S", int, str)
UserId = NewType("UserId", str)
Tree = TypeAliasType("Tree", "int | tuple[Tree, ...]")
Pair = TypeAliasType("Pair", tuple[T, T], type_params=(T,))


def stripped(text: str) -> str:
    return text.strip()


def at_least(least: int, number: int) -> int:
    return max(least, number)


def around(value: Any, inner: Callable[[Any], Any]) -> Any:
    return inner(value)


def kind_of(value: Any) -> str:
    return value["kind"] if isinstance(value, dict) else value.kind


class Colour(Enum):
    """A colour that the shop has."""

    RED = "red"
    BLUE = "blue"
    CRIMSON = "red"


class Size(StrEnum):
    S = "s"
    L = "l"

    @classmethod
    def _missing_(cls, value: object) -> Size:
        return cls.S


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Rights(Flag):
    READ = 1
    WRITE = 2


class Address(Context):
    """Where somebody lives."""

    street: str = Field(description="with its number")
    zip: Annotated[str, Field(pattern=r"\d{5}")] = "00000"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, alias_generator=str.upper, strict=False)

    name: str = ""
    named: str = Field("", alias="Named")


@dataclass(frozen=True)
class Point:
    x: int
    y: Annotated[int, Field(ge=0)] = 0
    tags: tuple[str, ...] = field(default=(), metadata={"description": "of the point"})
    z: int = Field(default=3, le=4)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        assert self.x


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Checked:
    """A dataclass with a validator."""

    x: int = 0
    y: int = Field(default=0, alias="why")

    @field_validator("x", mode="before")
    @classmethod
    def checked(cls, x: Any) -> Any:
        return x


class Row(NamedTuple):
    name: str
    size: Annotated[int, Field(ge=0, description="in pieces")] = 0


class Node(Context):
    """A node of a tree."""

    value: int = 0
    children: tuple[Node, ...] = ()


class Box(BaseModel, Generic[T]):
    model_config = ConfigDict(frozen=True)

    held: T


class Cat(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: Literal["dog"] = "dog"


class Celsius:
    """A type that says itself how it is read and written."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(float)


class Late(Context):
    """With functions of every kind."""

    first: str = ""
    second: Annotated[str, AfterValidator(stripped)] = ""

    @field_validator("first", "second")
    @classmethod
    def checked(cls, text: str) -> str:
        return text

    @field_serializer("first", when_used="json")
    def written(self, text: str) -> str:
        return text

    @model_validator(mode="after")
    def whole(self) -> Late:
        return self

    @model_validator(mode="before")
    @classmethod
    def raw(cls, values: Any) -> Any:
        return values

    @computed_field
    @property
    def both(self) -> str:
        return self.first + self.second

    def model_post_init(self, _: Any) -> None:
        """Look at all of it."""


class Base(Context):
    name: str = ""

    @field_validator("name")
    @classmethod
    def checked(cls, name: str) -> str:
        return name


class Child(Base):
    age: int = 0


class Written(Context):
    """Written by a function of its own."""

    name: str = ""

    @model_serializer(mode="wrap")
    def written(self, handler: Any) -> Any:
        return handler(self)


class Documented(Context):
    """Explains its fields."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str = ""
    """What it is called."""


class Mine:
    """A mark of a user's own."""

    def __init__(self, note: str) -> None:
        self.note = note
        self.seen = object()


def _named(name: str) -> Any:
    """Make one of several classes that bear one name."""
    made: Any = type(Context)("Alike", (Context,), {"__annotations__": {name: str}, "__module__": __name__})
    return made


ONE, OTHER = _named("one"), _named("other")

FIELDS: Mapping[str, Any] = {
    "text": str,
    "whole number": int,
    "number": (float, 0.5),
    "not a number": (Annotated[float, Field(allow_inf_nan=True)], float("inf")),
    "yes or no": (bool, False),
    "bytes": (bytes, b"a\x00"),
    "nothing": (None, None),
    "decimal": (Annotated[Decimal, Field(max_digits=4, decimal_places=2)], Decimal("1.50")),
    "fraction": (Fraction, Fraction(1, 3)),
    "moment": (datetime, datetime(2020, 1, 2, tzinfo=UTC)),
    "aware moment": AwareDatetime,
    "day and time": (tuple[date, time], (date(2020, 1, 2), time(3, 4))),
    "span": (timedelta, timedelta(days=1, microseconds=3)),
    "identity": (uuid.UUID, uuid.UUID(int=7)),
    "path": (Path, Path("a/b")),
    "address of a host": (IPv4Address, IPv4Address("127.0.0.1")),
    "url": (HttpUrl, HttpUrl("https://example.com/")),
    "pattern": (re.Pattern[str], re.compile("a+", re.IGNORECASE)),
    "complex": (complex, 1j),
    "literal": Literal[1, "1", True, None],
    "literal of enums": (Literal[Colour.RED, Level.LOW], Colour.RED),
    "enum": (Colour, Colour.CRIMSON),
    "text enum": (Size, Size.L),
    "number enum": (Level, Level.HIGH),
    "flags": (Rights, Rights.READ | Rights.WRITE),
    "optional": (Optional[str], None),  # noqa: UP045
    "union": Union[int, str, None],  # noqa: UP007
    "union in another order": str | int,
    "union from left to right": Annotated[int | str, Field(union_mode="left_to_right")],
    "fixed tuple": tuple[int, str],
    "long tuple": (tuple[int, ...], ()),
    "empty tuple": (tuple[()], ()),
    "mixed tuple": (tuple[int | str | bytes, ...], (1, "a", b"b")),
    "old tuple": (typing.Tuple[bool, ...], ()),  # noqa: UP006
    "set": (frozenset[str], frozenset("abcdefghijkl")),
    "set of sets": (frozenset[frozenset[int]], frozenset({frozenset({1, 2}), frozenset({3})})),
    "nested": (Address, Address(street="Long 1")),
    "nested twice": tuple[Address, Address | None],
    "frozen model": (Frozen, Frozen()),
    "dataclass": (Point, Point(1, z=3)),
    "checked dataclass": Checked,
    "named tuple": (Row, Row("a", 2)),
    "recursive": (Node, Node(children=(Node(value=1),))),
    "recursive alias": (Tree, (1, (2, 3))),
    "alias with a variable": Pair[int],
    "generic": Box[int] | Box[Address],
    "new type": tuple[UserId, UserId],
    "apart by a tag": Annotated[Cat | Dog, Field(discriminator="kind")],
    "apart by a function": Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(kind_of)],
    "bounds": Annotated[int, Field(ge=0, lt=10, multiple_of=2)],
    "bounds of others": Annotated[str, annotated_types.Len(1, 5), annotated_types.Interval(ge="a")],
    "bounds twice": (Annotated[int, Field(ge=0), AfterValidator(abs), Field(le=5)], Field(3, gt=-1, strict=True)),
    "bounds inside": tuple[Annotated[int, Field(ge=0, description="of each")], ...],
    "positive": PositiveInt | None,
    "text bounds": Annotated[str, StringConstraints(min_length=1, pattern="a+", strip_whitespace=True)],
    "compiled pattern": Annotated[str, StringConstraints(pattern=re.compile("a+"))],
    "constrained": pydantic.conint(ge=3),
    "json inside": (Json[int], "3"),
    "base 64": pydantic.Base64Bytes,
    "before": Annotated[str, BeforeValidator(stripped, json_schema_input_type=int)],
    "plain": Annotated[str, PlainValidator(stripped)],
    "around": Annotated[int, WrapValidator(around)],
    "partial": Annotated[int, AfterValidator(partial(at_least, 3))],
    "serialized": Annotated[int, PlainSerializer(str, return_type=str, when_used="json")],
    "its own schema": Annotated[float, Celsius],
    "a mark of the user's": Annotated[str, Mine("note"), "a comment"],
    "factory": (str, Field(default_factory=str)),
    "given": (Given[str], "en"),
    "preset": (Preset[tuple[str, ...]], ()),
    "described": Annotated[str, Field(description="what is asked", title="T", examples=["a"])],
    "extra schema": Annotated[str, Field(json_schema_extra={"enum": ["a", "b"]})],
    "alias": (str, Field("", alias="other")),
    "aliases": (str, Field("", validation_alias=AliasChoices("a", "b"), serialization_alias="c")),
    "two of one name": tuple[ONE, OTHER, ONE],
}
"""By what is tried: the annotation of a field, or that and its default."""


def _of(label: str, annotation: Any) -> type[Context]:
    hint, *default = annotation if isinstance(annotation, tuple) else (annotation,)
    body = {"__annotations__": {"query": str, "it": hint}, "__module__": __name__, "__doc__": label}
    made: Any = type(Context)("Made", (Context,), body | ({"it": default[0]} if default else {}))
    made.model_rebuild()
    return made


CONTEXTS: Mapping[str, type[Context]] = {
    **{label: _of(label, annotation) for label, annotation in FIELDS.items()},
    **{made.__name__: made for made in (Address, Node, Late, Child, Written, Documented)},
}


def work(visit: Visit[Any]) -> None:
    """Do nothing."""


def machine_on(context: type[Context]) -> type[Machine[Any]]:
    """Build a machine on a context."""

    class Made(Machine[context]):  # type: ignore[valid-type]
        first = State(work, initial=True)
        done = Final()
        human = Final(fallback=True)
        end = first.to(done)
        limits = Limits()

    return Made


def lines() -> list[str]:
    """Return for every context a line of JSON: what is tried, the digest of a machine on it, and its dialect."""
    told = ((label, machine_on(made).definition.digest, dialect_of(made)) for label, made in CONTEXTS.items())
    return [json.dumps(line, sort_keys=True) for line in told]
