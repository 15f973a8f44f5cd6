"""Forms: what a model is asked to fill in."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from support.basket import PLAIN, WRITTEN, Basket, Card, Cash, read

from fsm_orch.agents.decision import Decision, Form, form
from fsm_orch.define.context import Context
from fsm_orch.define.strict import WORDS
from fsm_orch.kernel.reasons import Refusal


def everything() -> Form:
    """Return the form for all fields, made in the test: one made before it would not be made by a mutant."""
    return form(Basket, WRITTEN, ("to_billing", "done"), ("to_billing", "done"))


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Walk every schema inside a schema; keys of `properties` and `$defs` are names, not keywords."""
    yield schema
    for key in ("properties", "$defs"):
        for part in schema.get(key, {}).values():
            yield from schemas(part)
    for part in schema.get("anyOf", ()):
        yield from schemas(part)
    if "items" in schema:
        yield from schemas(schema["items"])


forms = st.builds(
    lambda written, declared, count: form(
        Basket, tuple(written), tuple(declared), tuple(declared[: max(1, count % len(declared))]) if declared else ()
    ),
    st.lists(st.sampled_from(WRITTEN), unique=True),
    st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), unique=True, max_size=4).filter(
        lambda names: len(names) != 1
    ),
    st.integers(0, 9),
)


@given(forms)
def test_schemas_keep_to_the_dialect(asked: Form) -> None:
    """A schema is an object that requires every property and knows no others, all the way down, and no constraint."""

    if asked.schema is None:
        return
    assert "object" == asked.schema["type"]
    for schema in schemas(asked.schema):
        assert schema.keys() <= WORDS
        if schema.get("type") == "object":
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False


@given(forms)
def test_the_handoff_is_an_enum_of_the_menu(asked: Form) -> None:
    """The handoff of a schema is one of exactly the legal names, in their order; it comes first."""

    if asked.declared:
        assert asked.schema is not None
        assert "handoff" == next(iter(asked.schema["properties"]))
        assert {"type": "string", "enum": list(asked.legal)} == asked.schema["properties"]["handoff"]
    elif asked.schema is not None:
        assert "handoff" not in asked.schema["properties"]


def test_fields_by_the_name_of_a_keyword_are_kept() -> None:
    """A property called `default` or `const` is a property, and no keyword to be dropped."""

    asked = everything()
    assert asked.schema is not None
    definitions = asked.schema["$defs"]

    assert ["name", "count", "default"] == definitions["Item"]["required"]
    assert {"kind", "const"} == set(definitions["Card"]["properties"])


def test_a_literal_of_one_is_an_enum() -> None:
    """A Literal of one value, and of many, is written as an enum."""

    asked = everything()
    assert asked.schema is not None

    assert ["one"] == asked.schema["properties"]["only"]["enum"]
    assert ["x", "y"] == asked.schema["properties"]["choice"]["enum"]


def test_descriptions_reach_the_model() -> None:
    """What a user says of a field is in the schema, nested or not."""

    asked = everything()
    assert asked.schema is not None

    assert "lower case (matches the pattern ^[a-z]*$)" == asked.schema["properties"]["pattern"]["description"]
    assert (
        "what it is called (characters: at least 1; characters: at most 20)"
        == asked.schema["$defs"]["Item"]["properties"]["name"]["description"]
    )


def test_a_fixed_tuple_is_an_object_of_its_places() -> None:
    """A pair is asked for as an object of two keys, since no strict mode holds a list to a length; both are read."""

    class Paired(Context):
        pair: tuple[int, str] | None

    asked = form(Paired, ("pair",), (), ())
    assert asked.schema is not None

    assert {
        "anyOf": [
            {
                "type": "object",
                "properties": {"1": {"type": "integer"}, "2": {"type": "string"}},
                "required": ["1", "2"],
                "additionalProperties": False,
            },
            {"type": "null"},
        ]
    } == asked.schema["properties"]["pair"]
    for text in ('{"pair": {"1": 2, "2": "red"}}', '{"pair": {"2": "red", "1": 2}}', '{"pair": [2, "red"]}'):
        assert Decision(None, {"pair": (2, "red")}) == read(text, asked)
    for text in ('{"pair": {"1": 2}}', '{"pair": {"1": 2, "2": "red", "3": 4}}', '{"pair": [2]}', '{"1": 2}'):
        assert isinstance(read(text, asked), Refusal)
    assert "duplicate_key" == read('{"pair": {"1": 2, "1": 3, "2": "a"}}', asked).reason  # type: ignore[union-attr]


def test_a_schema_cannot_be_changed() -> None:
    """A form is shared by all runs, so nobody who is handed its schema can change it; a copy can be changed."""
    asked = form(Basket, WRITTEN, ("to_billing", "done"), ("to_billing", "done"))
    assert asked.schema is not None
    before = json.dumps(asked.schema)
    with pytest.raises(TypeError, match=r"copy.deepcopy\(request.schema\)"):
        asked.schema["properties"]["handoff"]["enum"].append("to_nowhere")
    copied = copy.deepcopy(asked.schema)
    copied["properties"]["handoff"]["enum"].append("to_nowhere")

    assert before == json.dumps(asked.schema)
    assert {dict, list} >= {type(copied), type(copied["properties"]["handoff"]["enum"])}


def test_a_tagged_union_is_a_plain_choice() -> None:
    """Models told apart by a tag are offered side by side: no provider's strict mode knows `oneOf`."""

    class Paid(Context):
        parts: tuple[Annotated[Card | Cash, Field(discriminator="kind")], ...] = ()

    asked = form(Paid, ("parts",), (), ())
    assert asked.schema is not None

    choice = {"anyOf": [{"$ref": "#/$defs/Card"}, {"$ref": "#/$defs/Cash"}]}
    assert choice == asked.schema["properties"]["parts"]["items"]


def test_aliased_fields_are_asked_for_by_name() -> None:
    """A field with an alias has its own name on the wire."""

    class Aliased(Context):
        answer: str | None = Field(default=None, alias="a", validation_alias="v", serialization_alias="s")

    asked = form(Aliased, ("answer",), (), ())

    assert asked.schema is not None
    assert ["answer"] == asked.schema["required"]
    assert Decision(None, {"answer": "yes"}) == read('{"answer": "yes"}', asked)


def test_a_watched_context_has_the_form_of_its_class() -> None:
    """The menu that an agent's view of a context leads to is the one of the context itself."""

    from fsm_orch.define.watched import watched

    view = watched(Basket(query="hi"), lambda name: None)

    assert form(Basket, ("answer",), (), ()).schema == form(view.__class__, ("answer",), (), ()).schema


def test_it_is_on_no_menu_unless_it_is_asked_for() -> None:
    """Without a word the menu is what is legal, and a form that asks for no handoff does not know it."""
    assert PLAIN.legal == ("to_billing", "done")
    assert isinstance(read('{"handoff": "none_of_these", "answer": "yes"}', form(Basket, ("answer",), (), ())), Refusal)
