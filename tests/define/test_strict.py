"""The dialect that all strict modes take: what any type becomes in it, and what is said where it has no word."""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import json
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PastDate, TypeAdapter, WithJsonSchema, create_model

from fsm_orch.define.strict import WORDS, Unsayable, is_recursive, said, why_unsayable, with_places


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Line(NamedTuple):
    count: int
    what: str = "thing"


class Address(BaseModel):
    """Where somebody lives."""

    model_config = ConfigDict(frozen=True)
    street: str = "Main Street"
    corner: tuple[int, int] | None = None


class Empty(BaseModel):
    model_config = ConfigDict(frozen=True)


class Tree(BaseModel):
    model_config = ConfigDict(frozen=True)
    branches: tuple[Tree, ...] = ()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**60), 2**60)),
    (str, texts),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (Mood, st.sampled_from(Mood)),
    (Mixed, st.sampled_from(Mixed)),
    (Literal["a", 2, None, True], st.sampled_from(["a", 2, None, True])),
    (datetime.date, st.dates()),
    (datetime.timedelta, st.timedeltas()),
    (uuid.UUID, st.uuids()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (ipaddress.IPv4Address, st.ip_addresses(v=4)),
    (Line, st.builds(Line, st.integers(0, 9), texts)),
    (Address, st.builds(Address, street=texts, corner=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)))),
    (Empty, st.just(Empty())),
    (Tree, st.recursive(st.just(Tree()), lambda inner: st.builds(Tree, branches=st.lists(inner).map(tuple)))),
]


def wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Put types into others."""

    def fixed(parts: list[Any]) -> Any:
        return tuple[tuple(kind for kind, _ in parts)], st.tuples(*(values for _, values in parts))  # type: ignore[misc]

    return st.one_of(
        inner.map(lambda one: (tuple[one[0], ...], st.lists(one[1], max_size=2).map(tuple))),
        inner.map(lambda one: (one[0] | None, st.none() | one[1])),
        inner.map(lambda one: (Annotated[one[0], Field(description="d")], one[1])),
        st.lists(inner, min_size=1, max_size=3).map(fixed),
    )


types = st.recursive(st.sampled_from(SCALARS), wider, max_leaves=4)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Walk every schema inside a schema; keys of `properties` and `$defs` are names, not words."""
    yield schema
    for key in ("properties", "$defs"):
        for part in schema.get(key, {}).values():
            yield from parts(part)
    for part in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from parts(part)


def asked(kind: Any, **options: Any) -> dict[str, Any]:
    """Return what a model is asked for a field."""
    return said(create_model("M", field=(kind, Field(**options)))).schema["properties"]["field"]


@given(types)
def test_every_part_says_what_it_is(one: Any) -> None:
    """Each part is a type, an enum, a choice or a reference, in known words; references stand alone, objects closed."""
    schema = said(create_model("M", field=(one[0], Field(description="what it is", default=None)))).schema
    for part in parts(schema):
        assert part.keys() <= WORDS
        assert 1 == len({"type", "anyOf", "$ref"} & part.keys())
        assert "enum" not in part or "type" in part
        assert "$ref" not in part or {"$ref"} == part.keys()
        assert part.get("type") in (None, "string", "integer", "number", "boolean", "null", "array", "object")
        if part.get("type") == "array":
            assert "items" in part
        if part.get("type") == "object":
            assert (list(part["properties"]), False) == (part["required"], part["additionalProperties"])


def placed(schema: Any, value: Any, root: Any) -> Any:
    """Write a value as its schema asks for it: a list as an object of places where that is asked."""
    if "$ref" in schema:
        return placed(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema:
        fitting = [part for part in schema["anyOf"] if fits(part, value, root)]
        assert fitting, (schema, value)
        return placed(fitting[0], value, root)
    assert fits(schema, value, root), (schema, value)
    if schema["type"] == "array":
        return [placed(schema["items"], part, root) for part in value]
    if schema["type"] == "object":
        named = {str(place): part for place, part in enumerate(value, 1)} if isinstance(value, list) else value
        return {name: placed(part, named[name], root) for name, part in schema["properties"].items()}
    return value


def fits(schema: Any, value: Any, root: Any) -> bool:
    if "$ref" in schema:
        return fits(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema:
        return any(fits(part, value, root) for part in schema["anyOf"])
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "array": list}
    if schema["type"] == "object":
        names = schema["properties"].keys()
        return (
            isinstance(value, dict | list)
            and len(value) == len(names)
            and (type(value) is list or value.keys() == names)
        )
    is_kind = isinstance(value, kinds[schema["type"]]) and (type(value) is not bool or schema["type"] == "boolean")
    return is_kind and ("enum" not in schema or value in schema["enum"])


@given(types.flatmap(lambda one: st.tuples(st.just(one[0]), one[1])))
def test_what_fits_the_schema_is_read_as_the_value(one: tuple[Any, Any]) -> None:
    """Any value, written as its schema asks for it, fits that schema and is read as the value again."""
    kind, value = one
    adapter = TypeAdapter(kind)
    wanted = said(create_model("M", field=(kind, ...)))
    plain = adapter.dump_python(value, mode="json")
    written = json.dumps(placed(wanted.schema["properties"]["field"], plain, wanted.schema))
    read = json.loads(written, object_hook=with_places if wanted.has_places else None)

    assert value == adapter.validate_json(json.dumps(read), strict=True)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Annotated[int, Field(ge=3, le=99)], ["at least 3", "at most 99"]),
        (Annotated[float, Field(gt=0.5, lt=2)], ["more than 0.5", "less than 2"]),
        (Annotated[int, Field(multiple_of=5)], ["a multiple of 5"]),
        (Annotated[int | None, Field(ge=3)], ["at least 3"]),
        (Annotated[str, Field(min_length=1, max_length=7)], ["characters: at least 1", "characters: at most 7"]),
        (Annotated[str, Field(pattern=r"^\d{4}$")], [r"matches the pattern ^\d{4}$"]),
        (Annotated[tuple[int, ...], Field(min_length=1, max_length=3)], ["items: at least 1", "items: at most 3"]),
        (frozenset[str], ["no item twice"]),
        (datetime.date, ["format date, like 2026-01-31"]),
        (datetime.datetime, ["format date-time, like 2026-01-31T09:30:00Z"]),
        (AwareDatetime, ["format date-time"]),
        (datetime.time, ["format time, like 09:30:00"]),
        (datetime.timedelta, ["format duration, like PT1H30M"]),
        (uuid.UUID, ["format uuid"]),
        (ipaddress.IPv4Address, ["format ipv4"]),
        (bytes, ["format binary"]),
        (decimal.Decimal, ["format decimal, like 19.99"]),
        (Annotated[decimal.Decimal, Field(ge=1, max_digits=5, decimal_places=2)], ["at least 1", "at most 5 digits"]),
        (Annotated[decimal.Decimal, Field(decimal_places=2)], ["at most 2 digits after the point"]),
        (Annotated[datetime.date, Field(ge=datetime.date(2020, 1, 1))], ["format date", "at least 2020-01-01"]),
        (PastDate, ["in the past"]),
        (Annotated[str, WithJsonSchema({"type": "string", "not": {"const": "x"}})], ['not {"const": "x"}']),
        (tuple[Annotated[int, Field(ge=7)], str], ["at least 7"]),
        (tuple[Annotated[str, Field(max_length=7)], ...], ["at most 7"]),
        (Line, ["Count", "What"]),
    ],
)
def test_what_the_dialect_has_no_word_for_is_said(kind: Any, words: list[str]) -> None:
    """Bounds, formats and patterns are in the description of their part, at any depth."""
    wanted = said(create_model("M", field=(kind, ...))).schema
    described = " ".join(part.get("description", "") for part in parts(wanted))

    assert [] == [word for word in words if word not in described]


@pytest.mark.parametrize(
    ("kind", "options", "schema"),
    [
        (Address, {"description": "home"}, {"anyOf": [{"$ref": "#/$defs/Address"}], "description": "home"}),
        (Address, {"default": Address()}, {"$ref": "#/$defs/Address"}),
        (
            Address | None,
            {"description": "home"},
            {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "description": "home"},
        ),
        (Literal["x"], {}, {"type": "string", "enum": ["x"]}),
        (Literal["x", 1], {}, {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "integer", "enum": [1]}]}),
        (int, {"ge": 0, "description": "how many"}, {"type": "integer", "description": "how many (at least 0)"}),
        (
            Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})],
            {},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        (Annotated[str, WithJsonSchema({"allOf": [{"type": "string"}]})], {}, {"type": "string"}),
    ],
)
def test_how_it_is_said(kind: Any, options: dict[str, Any], schema: dict[str, Any]) -> None:
    """A reference beside a description becomes a choice of one, and an enum says its type."""

    assert schema == asked(kind, **options)


class Leaf(BaseModel):
    twig: Twig | None = None


class Twig(BaseModel):
    leaf: tuple[Leaf, ...] = ()


Leaf.model_rebuild()


@pytest.mark.parametrize(
    ("kind", "contains_itself"),
    [
        (Tree, True),
        (tuple[Tree, ...] | None, True),
        (Leaf, True),
        (Twig, True),
        (Address, False),
        (tuple[Address, Address], False),
        (int, False),
        (type, False),
    ],
)
def test_what_contains_itself(kind: Any, contains_itself: bool) -> None:
    """A type that contains itself, by way of others too, is told from one that is used twice."""

    assert contains_itself is is_recursive(kind)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Any, "values of any kind"),
        (object, "values of any kind"),
        (tuple, "values of any kind"),
        (tuple[Any, ...], "values of any kind"),
        (tuple[int, Any], "values of any kind"),
        (Any | None, "values of any kind"),
        (dict[str, int], "objects with any keys"),
        (tuple[()], "a tuple of nothing"),
        (type, "values that have no JSON schema"),
        (int, None),
        (Tree, None),
    ],
)
def test_what_cannot_be_asked_of_a_model(kind: Any, why: str | None) -> None:
    """A type that no strict mode can hold a model to is named as that."""

    assert why == why_unsayable(kind)
    if why is not None and "schema" not in why:
        with pytest.raises(Unsayable, match=why):
            asked(kind)
