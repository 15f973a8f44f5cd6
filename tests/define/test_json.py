"""What a run holds is what its journal reads back as: else the field is refused by name, at a start and at a write."""

from __future__ import annotations

import dataclasses
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import AfterValidator, Field, Json, PlainSerializer, SkipValidation, model_serializer
from support.held import (
    DAY,
    PARIS,
    Card,
    Cat,
    Colour,
    Iban,
    Id,
    Level,
    Rights,
    Row,
    Shade,
    Shown,
    Sum,
    holding,
    louder,
    run_that_is_given,
    run_that_writes,
)

from fsm_orch import Context, DefinitionError, Final, Machine, StartError, State
from fsm_orch.define.changes import journaled
from fsm_orch.define.same import difference
from fsm_orch.errors import ContextError


class GoldCard(Card):
    limit: int = 9


@dataclasses.dataclass(frozen=True)
class Dog:
    name: str


class Line(NamedTuple):
    name: str


class Apart(Context):
    kind: Literal["apart"] = "apart"


class Other(Context):
    kind: Literal["other"] = "other"


class Named(Context):
    name: str = Field(alias="called")


def as_list(texts: tuple[str, ...]) -> Any:
    return list(texts)


TWICE = datetime(2020, 10, 25, 2, 30, tzinfo=PARIS, fold=1)
"""An hour that the clocks showed twice."""


LOST: list[tuple[Any, Any, str]] = [
    (Card | Iban, Iban(number="1"), "an Iban and is read back from JSON as a Card"),
    (tuple[Card | Iban, ...], (Card(number="1"), Iban(number="1")), "an Iban"),
    (tuple[Row, Card | Iban | None], (Row("a"), Iban(number="1")), "an Iban"),
    (Card, GoldCard(number="1"), "a GoldCard and is read back from JSON as a Card"),
    (Card | None, GoldCard(number="1"), "a GoldCard"),
    (tuple[Card, ...], (GoldCard(number="1"),), "a GoldCard"),
    (frozenset[Card], frozenset({GoldCard(number="1")}), "another frozenset"),
    (Cat | Dog, Dog("a"), "a Dog"),
    (Row | Line, Line("a"), "a Line"),
    (date | str, DAY, "a date and is read back from JSON as a str"),
    (str | datetime, datetime(2020, 1, 2), "a datetime"),
    (tuple[tuple[date | str, int], ...], ((DAY, 1),), "a date"),
    (Decimal | str, Decimal(1), "a Decimal"),
    (UUID | str, UUID(int=1), "an? UUID"),
    (bytes | str, b"a", "a bytes"),
    (Colour | str, Colour.RED, "a Colour"),
    (str | Shade, Shade.RED, "a Shade"),
    (Colour | Shade, Shade.RED, "a Shade"),
    (int | Level, Level.ONE, "a Level"),
    (Literal["red", Colour.RED], Colour.RED, "a Colour"),
    (tuple[int, ...] | tuple[float, ...], (1.0,), "a float"),
    (Shown, Shown(n=1), "another int"),
    (Annotated[str, AfterValidator(louder)], "a", "another str"),
    (Annotated[str, PlainSerializer(str.upper)], "a", "another str"),
    (Annotated[tuple[str, ...], AfterValidator(as_list)], ("a",), "holds a list, which can change"),
    (Annotated[tuple[str, ...], SkipValidation], ["a"], "holds a list, which can change"),
    (Annotated[float, Field(allow_inf_nan=True)], math.nan, "valid number"),
    (Json[int], "3", "JSON input"),
]
"""Types, values of them, and what is said of these; JSON gives back other values."""


KEPT: list[tuple[Any, Any]] = [
    (Card | Iban, Card(number="1")),
    (Apart | Other, Other()),
    (Annotated[Apart | Other, Field(discriminator="kind")], Other()),
    (tuple[Named, ...], (Named(called="a"),)),  # type: ignore[call-arg]
    (Sum, Sum(one=1, other=2)),
    (tuple[Sum | None, ...], (Sum(one=1, other=2), None)),
    (Cat, Cat("a")),
    (Row, Row("a")),
    (date | str, "2020-01-02"),
    (date | int, DAY),
    (int | float, 1.0),
    (float | int, 1),
    (bool | int, 1),
    (int | bool, True),
    (Decimal | float, 1.5),
    (Decimal | float, Decimal("1.50")),
    (Level | bool, True),
    (Colour, Colour.RED),
    (Colour | None, Colour.RED),
    (Rights, Rights.READ | Rights.WRITE),
    (Literal[1, "1", True], "1"),
    (bytes, b"a"),
    (datetime, TWICE),
    (timedelta, timedelta(days=-1, microseconds=3)),
    (Fraction, Fraction(1, 3)),
    (frozenset[Cat], frozenset({Cat("a"), Cat("b")})),
    (frozenset[int | str], frozenset({1, "a"})),
    (tuple[()], ()),
    (Id | None, Id("a")),
]
"""Types, and values that JSON gives back."""


@pytest.mark.parametrize(("hint", "value", "why"), LOST, ids=range(len(LOST)))
def test_a_value_that_json_changes_is_refused_by_name(hint: Any, value: Any, why: str) -> None:
    """A run neither starts with a value that is read back as another, nor takes it from an agent."""
    with pytest.raises(StartError, match=rf"^this Holding does not come back from JSON \(held.*{why}"):
        run_that_is_given(hint, value)
    written = run_that_writes(hint, holding(hint)(held=value).held)  # type: ignore[attr-defined]

    assert "refusal" == written.landing.reason
    assert "held" == written.landing.detail[:4]


@pytest.mark.parametrize(("hint", "value"), KEPT, ids=range(len(KEPT)))
def test_a_value_that_json_keeps_is_kept(hint: Any, value: Any) -> None:
    """A value that is read back as it was is what a run holds, given or written."""
    given, written = run_that_is_given(hint, value), run_that_writes(hint, value)

    assert None is given.landing
    assert None is written.landing, written.landing.detail
    assert None is difference(value, given.context.held, "held")
    assert None is difference(value, written.context.held, "held")


def test_what_is_refused_shows_no_value() -> None:
    """The place and the classes are told, and no value, not even a member of a set."""
    with pytest.raises(StartError, match="another frozenset") as caught:
        run_that_is_given(frozenset[Card], frozenset({GoldCard(number="SECRET")}))

    assert "SECRET" not in str(caught.value)


def test_a_final_state_sets_what_json_keeps() -> None:
    """A default answer is held to the same: 1 is not True, and a subclass is not its base."""
    context: Any = holding(Card | None, None)
    with pytest.raises(DefinitionError, match=r"FSM120.*\n.*a GoldCard and is read back from JSON as a Card"):

        class Desk(Machine[context]):
            work = State(print, initial=True)
            done, human = Final(), Final(fallback=True, sets={context.held: GoldCard(number="1")})
            end = work.to(done)


@pytest.mark.parametrize("made", [{"other": 1}, "text", ["held"]])
def test_a_serializer_that_writes_no_fields_is_refused(made: Any) -> None:
    """A class whose serializer writes something else than its fields cannot be journaled."""

    class Written(Context):
        held: frozenset[str]

        @model_serializer
        def write(self) -> Any:
            return made

    with pytest.raises(ContextError, match="writes something else than its fields"):
        journaled(Written(held=frozenset("a")), ["held"])


def test_what_is_computed_is_not_journaled() -> None:
    """A journal holds what a value is made of; what is computed of it is computed again."""
    result = run_that_is_given(Sum, Sum(one=1, other=2))

    assert {"held": {"one": 1, "other": 2}} == result.journal[0].context
    assert 3 == result.context.held.total
