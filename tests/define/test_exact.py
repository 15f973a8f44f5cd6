"""Types that JSON cannot change: no value that they hold has to be compared with what is read back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from support.held import (
    Card,
    Colour,
    Id,
    Level,
    Rights,
    Shade,
    Shown,
    holding,
    louder,
    run_that_is_given,
    run_that_writes,
)

from fsm_orch import Context
from fsm_orch.define.changes import journaled, validated
from fsm_orch.define.context import json_fields
from fsm_orch.define.same import difference

SIMPLE: list[Any] = [type(None), bool, int, float, str, Colour, Shade, Level, Id, Literal["a", "b"], Literal[1, 2]]


def types_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    two = st.tuples(values, values)
    return (
        two.map(lambda pair: pair[0] | pair[1] if pair[0] is not pair[1] else pair[0])
        | values.map(lambda one: tuple[one, ...])  # type: ignore[valid-type]
        | two.map(lambda pair: tuple[pair])  # type: ignore[misc]
        | values.map(lambda one: frozenset[one])  # type: ignore[valid-type]
        | values.map(lambda one: Annotated[one, "a comment"])
    )


@given(st.recursive(st.sampled_from(SIMPLE), types_of, max_leaves=5), st.data())
def test_what_is_said_to_be_exact_is(hint: Any, data: st.DataObject) -> None:
    """Whatever value a type holds of which JSON is said to change none, it is read back as it was."""
    context: Any = holding(hint)
    value = data.draw(st.from_type(hint))
    try:
        held = context(held=value)
    except ValidationError:  # NaN
        return
    read = validated(context, journaled(held, ["held"]))
    is_kept = difference(held.held, read.held, "held") is None

    assert is_kept or "held" in json_fields(context).inexact


@pytest.mark.parametrize(
    ("hint", "is_exact"),
    [
        (str | int | float | bool | None, True),
        (tuple[tuple[str, int], ...] | None, True),
        (frozenset[str], True),
        (Colour | None, True),
        (Literal["a", "b"] | str, True),
        (Annotated[str, Field(min_length=1, max_length=3)], True),
        (tuple[Annotated[int, Field(ge=0)], ...], True),
        (Id, True),
        (Colour | str, False),
        (Level | float, False),
        (Rights, False),
        (date, False),
        (Decimal, False),
        (Card, False),
        (tuple[int, ...] | frozenset[int], False),
        (Annotated[str, AfterValidator(louder)], False),
        (tuple[Annotated[str, AfterValidator(louder)], ...], False),
    ],
)
def test_common_types_are_known_to_be_exact(hint: Any, is_exact: bool) -> None:
    """What nearly all fields are of is known to survive JSON when the class is built; all else is looked at."""
    assert is_exact == ("held" not in json_fields(holding(hint)).inexact)


class Loud(Context):
    text: str = ""
    other: str = ""

    @field_validator("text")
    @classmethod
    def louder(cls, text: str) -> str:
        return text


class Whole(Loud):
    @model_validator(mode="after")
    def look(self) -> Whole:
        return self


def test_what_a_users_code_touches_is_looked_at() -> None:
    """A field with a validator of its own is looked at, and each field of a class that is validated as a whole."""
    assert {"text"} == json_fields(Loud).inexact
    assert {"text", "other"} == json_fields(Whole).inexact
    assert {"n"} == json_fields(Shown).inexact


def test_an_exact_field_is_not_looked_at_when_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of what JSON cannot change is compared with nothing."""
    monkeypatch.setattr("fsm_orch.define.changes.difference", lambda *_: pytest.fail("it was looked at"))

    assert None is run_that_writes(str | None, "a").landing
    assert None is run_that_is_given(tuple[str, ...], ("a",)).landing
