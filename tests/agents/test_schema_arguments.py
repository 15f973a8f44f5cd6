"""Arguments that a JSON schema of somebody else describes."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from support.fits import fits
from support.provider_dialects import check_schema

from fsm_orch.agents.schema_arguments import SchemaArguments
from fsm_orch.define.signature import Misfit
from fsm_orch.define.strict import Unsayable


def takes(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required]}


ITEM = takes("sku", sku={"type": "string"}, count={"type": "integer", "default": 1})
WAYS = {
    "card": takes("kind", "number", kind={"const": "card"}, number={"type": "string"}, name={"type": "string"}),
    "bill": takes("kind", kind={"const": "bill"}, days={"type": "integer"}),
}
ORDER = {
    **takes(
        "items",
        items={"type": "array", "items": {"$ref": "#/$defs/Item"}},
        pay={"oneOf": [{"$ref": "#/$defs/card"}, {"$ref": "#/$defs/bill"}], "description": "How."},
        place={"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False},
        note={"type": ["string", "null"], "maxLength": 5},
        properties={"type": "boolean"},
    ),
    "$defs": {"Item": ITEM, **WAYS},
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}


def test_a_model_is_asked_in_the_dialect() -> None:
    """Every property is required, what may be left out may be null, and what that means is said."""
    asked = SchemaArguments(takes("order", order={"type": "integer"}, locale={"type": "string", "default": "en"}))

    assert asked.schema == {
        "type": "object",
        "properties": {
            "order": {"type": "integer"},
            "locale": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": '(null: "en")'},
        },
        "required": ["order", "locale"],
        "additionalProperties": False,
    }
    assert asked.annotations == {"order": int, "locale": str}


@pytest.mark.parametrize("schema", [ORDER, takes(), {"type": "object"}])
def test_what_is_asked_is_in_the_dialect_of_all_providers(schema: dict[str, Any]) -> None:
    """Strict modes take it, whatever the server's schema is made of."""
    check_schema(SchemaArguments(schema).schema)


@given(st.data())
def test_what_fits_the_form_fits_the_server(data: st.DataObject) -> None:
    """What a strict mode lets a model write is read as what the server's schema takes, without nulls, or refused."""
    asked = SchemaArguments(ORDER)
    item = st.fixed_dictionaries({"sku": st.text(max_size=3), "count": st.none() | st.integers()})
    card = st.fixed_dictionaries(
        {"kind": st.just("card"), "number": st.text(max_size=3), "name": st.none() | st.text()}
    )
    bill = st.fixed_dictionaries({"kind": st.just("bill"), "days": st.none() | st.integers()})
    written = data.draw(
        st.fixed_dictionaries(
            {
                "items": st.lists(item, max_size=3),
                "pay": st.none() | card | bill,
                "place": st.none() | st.lists(st.integers(), min_size=2, max_size=2),
                "note": st.none() | st.text(max_size=8),
                "properties": st.none() | st.booleans(),
            }
        )
    )
    if len(written["note"] or "") > 5:  # which a form cannot bound
        with pytest.raises(Misfit):
            asked.read(written)
        return
    read = asked.read(written)

    Draft202012Validator(ORDER).validate(read)
    assert "None" not in str({name: value for name, value in read.items() if name not in ("note", "items", "pay")})
    assert {name for name, value in written.items() if value is not None} == read.keys()
    assert [item["sku"] for item in read["items"]] == [item["sku"] for item in written["items"]]
    assert all(item["count"] is not None for item in read["items"] if "count" in item)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "'items' is a required property"),
        ({"items": [{"sku": 5}]}, "items.0.sku: 5 is not of type 'string'"),
        ({"items": [], "more": 1}, "Additional properties are not allowed ('more' was unexpected)"),
        (
            {"items": [{"sku": "a", "more": 1}]},
            "items.0: Additional properties are not allowed ('more' was unexpected)",
        ),
        ({"items": [], "note": "too long"}, "note: 'too long' is too long"),
        ({"items": None}, "items: None is not of type 'array'"),
        ({"items": [], "properties": 1}, "properties: 1 is not of type 'boolean'"),
        ({"items": [], "pay": {"kind": "bill", "number": "5"}}, "pay.kind: 'card' was expected"),
        ([], "[] is not of type 'object'"),
        ("items", "'items' is not of type 'object'"),
    ],
)
def test_what_does_not_fit_is_told(given: Any, said: str) -> None:
    """The model that wrote it reads where it does not fit, and why."""
    with pytest.raises(Misfit) as caught:
        SchemaArguments(ORDER).read(given)

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("part", [{"allOf": [ITEM]}, {"allOf": [{"$ref": "#/$defs/Item"}], "default": {"sku": "a"}}])
def test_a_part_that_is_all_of_one_is_that_one(part: dict[str, Any]) -> None:
    """What may be left out in it is asked for as null, and read so: servers wrap references like that."""
    read = SchemaArguments(takes(a=part) | {"$defs": {"Item": ITEM}}).read({"a": {"sku": "a", "count": None}})

    assert read == {"a": {"sku": "a"}}


def test_a_number_that_is_too_large_is_told() -> None:
    """JSON has no largest number, and Python cannot divide all of them."""
    with pytest.raises(Misfit, match=r"^a number is too large$"):
        SchemaArguments(takes(a={"type": "number", "multipleOf": 0.5})).read({"a": 10**400})


def test_what_is_told_is_short() -> None:
    """A model is not told megabytes of what it wrote itself."""
    with pytest.raises(Misfit) as caught:
        SchemaArguments(ORDER).read({"items": "x" * 10_000})

    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "arguments that are no object"),
        ({"type": "string"}, "arguments that are no object"),
        (takes(a={}), "arguments.a, which holds values of any kind"),
        (takes(a=True), "arguments.a, which is no schema of its own"),
        (takes(a={"type": "object"}), "arguments.a, which holds objects with any keys"),
        (takes(a={"type": "array"}), "arguments.a, which holds a tuple of nothing"),
        (takes(a={"type": "array", "items": {}}), "arguments.a.items, which holds values of any kind"),
        (takes(a={"type": "string", "not": {"const": ""}}), "arguments.a, whose 'not' has no place in a form"),
        (takes(a={"anyOf": [{"type": "null"}, {"if": {}}]}), "arguments.a, whose 'if' has no place in a form"),
        (
            takes(a=takes(b={"patternProperties": {}})),
            "arguments.a.b, whose 'patternProperties' has no place in a form",
        ),
        ({**takes(), "anyOf": [takes()]}, "arguments, which must be several things at once (anyOf, properties)"),
        (takes(a={"allOf": [ITEM, ITEM]}), "arguments.a, which must be several things at once (allOf)"),
        (takes(a={"$ref": "#/$defs/B"}), "arguments.a, which refers to '#/$defs/B', and not to one of its own $defs"),
        (takes(a={"$ref": "https://x.example/y"}), "arguments.a, which refers to 'https://x.example/y'"),
        (
            takes(a={"$ref": "https://x.example/y"}) | {"$defs": {"https://x.example/y": ITEM}},
            "arguments.a, which refers to 'https://x.example/y', and not to one of its own $defs",
        ),
        (takes(a={"$ref": "Item"}) | {"$defs": {"Item": ITEM}}, "arguments.a, which refers to 'Item'"),
        (takes(a={"$ref": "#/$defs/a~1b"}) | {"$defs": {"a~1b": ITEM}}, "arguments.a, which refers to '#/$defs/a~1b'"),
        (takes(a={"$ref": "#/$defs/a/b"}) | {"$defs": {"a/b": ITEM}}, "arguments.a, which refers to '#/$defs/a/b'"),
        (
            takes(a={"$id": "https://x.example/y", "anyOf": [{"$ref": "#/$defs/A"}]}) | {"$defs": {"A": ITEM}},
            "arguments.a, which refers to '#/$defs/A', and not to one of its own $defs",
        ),
        (takes() | {"$defs": {"A": {"$ref": "#/$defs/A"}}}, "'A', which is nothing but itself"),
        (
            takes()
            | {"$defs": {"A": {"anyOf": [ITEM, {"$ref": "#/$defs/B"}]}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}}},
            "'A', which is nothing but itself",
        ),
        (
            takes() | {"$ref": "#/$defs/A", "$defs": {"A": ITEM}},
            "arguments, which must be several things at once ($ref, properties)",
        ),
        (takes() | {"allOf": [ITEM]}, "arguments, which must be several things at once (allOf, properties)"),
        (
            functools.reduce(lambda part, _: takes(a=part), range(500), ITEM),
            "parts that are too deep inside each other",
        ),
        (takes(a={"enum": []}), "arguments.a, which is one of nothing"),
        (takes(a={"enum": [[]]}), "arguments.a, which holds a choice among values that are neither"),
        (takes(a=takes(**{"1": ITEM})), "arguments.a, which has a property that is named by a number"),
        (takes(a={"type": "texts"}), "what is no JSON schema, at properties.a.type"),
        ({"type": "object", "properties": []}, "what is no JSON schema, at properties"),
    ],
)
def test_what_a_form_cannot_say_is_refused_by_name(schema: dict[str, Any], said: str) -> None:
    """Nothing of a schema is left out in silence: the part and the word are named."""
    with pytest.raises(Unsayable) as caught:
        SchemaArguments(schema)

    assert str(caught.value).startswith(said)


class Inner(BaseModel):
    """One of ours."""

    kind: str = "a"
    when: list[tuple[int, str]] = Field(default_factory=list, max_length=2)
    again: Inner | None = None


def test_what_pydantic_says_can_be_said() -> None:
    """The schemas that servers in Python send can be said, those of classes that contain themselves too."""
    asked = SchemaArguments(takes("it", it={"$ref": "#/$defs/Inner"}) | {"$defs": Inner.model_json_schema()["$defs"]})
    last = {"kind": "b", "when": None, "again": None}
    read = asked.read({"it": {"kind": None, "when": [[1, "a"]], "again": last}})

    assert read == {"it": {"when": [[1, "a"]], "again": {"kind": "b"}}}
    assert fits({"it": last}, asked.schema)
