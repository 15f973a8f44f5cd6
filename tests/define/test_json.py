"""What a run holds is what its journal reads back as: else the field is refused by name, at a start and at a write."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import zoneinfo
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    SkipValidation,
    ValidationError,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import core_schema

from fsm_orch import (
    Context,
    DefinitionError,
    Final,
    LLMAgent,
    Machine,
    Runner,
    ScriptedModel,
    StartError,
    State,
    Visit,
)
from fsm_orch.define.changes import journaled, shown, validated
from fsm_orch.define.context import json_fields
from fsm_orch.define.ordered import in_one_order
from fsm_orch.define.same import changeable, difference
from fsm_orch.errors import ContextError
from fsm_orch.kernel.codec import to_json

TESTS = Path(__file__).parents[1]


class Card(Context):
    number: str


class Iban(Context):
    number: str


class GoldCard(Card):
    limit: int = 9


@dataclasses.dataclass(frozen=True)
class Cat:
    name: str


@dataclasses.dataclass(frozen=True)
class Dog:
    name: str


class Row(NamedTuple):
    name: str


class Line(NamedTuple):
    name: str


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    RED = "red"


class Level(IntEnum):
    ONE = 1


class Rights(IntFlag):
    READ = 1
    WRITE = 2


class Apart(Context):
    kind: Literal["apart"] = "apart"


class Other(Context):
    kind: Literal["other"] = "other"


class Named(Context):
    name: str = Field(alias="called")


class Sum(Context):
    one: int
    other: int

    @computed_field
    @property
    def total(self) -> int:
        return self.one + self.other


class Shown(Context):
    """Written otherwise than it is."""

    n: int

    @field_serializer("n")
    def written(self, n: int) -> int:
        return n + 1


def louder(text: str) -> str:
    return text + "!"


def as_list(texts: tuple[str, ...]) -> Any:
    return list(texts)


Id = NewType("Id", str)
DAY, PARIS = date(2020, 1, 2), zoneinfo.ZoneInfo("Europe/Paris")
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


def holding(hint: Any, *default: Any) -> type[Context]:
    """Return a context of one field; with a default it is one that agents write."""
    body = {"__annotations__": {"held": hint}, "__module__": __name__, **({"held": default[0]} if default else {})}
    made: Any = type(Context)("Holding", (Context,), body)
    return made


VALUE: list[Any] = []


def writes(visit: Visit[Any]) -> dict[Any, Any]:
    return {visit.state.spec.writes[0]: VALUE[0]}


def run_that_writes(hint: Any, value: Any) -> Any:
    context: Any = holding(hint, Field(default=None, validate_default=False))

    class Desk(Machine[context]):
        work = State(writes, writes=context.held, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    VALUE[:] = [value]
    return Runner(Desk).run_sync(context())


def run_that_is_given(hint: Any, value: Any) -> Any:
    context: Any = holding(hint)

    class Desk(Machine[context]):
        work = State(print, reads=context.held, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    return Runner(Desk, agents={Desk.work: lambda visit: None}).run_sync(context(held=value))


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


# --- types that JSON cannot change ----------------------------------------------------------------------------------

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


# --- what a value is compared by ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ((1,), (True,)),
        (frozenset({1}), frozenset({True})),
        (Card(number="1"), Iban(number="1")),
        (Cat("a"), Cat("b")),
        ((1, 2), (1, 2, 3)),
        (DAY, datetime(2020, 1, 2)),
        ("a", Shade.RED),
    ],
)
def test_equal_is_not_the_same(one: Any, other: Any) -> None:
    """Values of other classes differ, at any depth, even if Python holds them to be equal."""
    assert difference(one, other, "it") is not None
    assert difference(other, one, "it") is not None
    assert None is difference(one, one, "it")
    assert None is difference(math.nan, math.nan, "it")


@dataclasses.dataclass
class Open:
    n: int = 0


@pytest.mark.parametrize("value", [[], ((1, []),), {"a": 1}, Open(), (Open(),), Cat([])])  # type: ignore[arg-type]
def test_what_can_change_is_found_at_any_depth(value: Any) -> None:
    """A list, a dict or an open class is found wherever it is."""
    assert changeable(value) is not None
    assert None is changeable((1, "a", Cat("a"), Card(number="1"), frozenset({1})))


class Purse:  # noqa: PLW1641
    """A value of a user's own class, which knows how it is read and can be changed."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Purse) and other.cents == self.cents

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(
            lambda held: held if isinstance(held, cls) else cls(held),
            core_schema.union_schema([core_schema.is_instance_schema(cls), core_schema.int_schema()]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda purse: purse.cents),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        return {"type": "integer"}


def test_a_value_that_python_takes_for_one_that_changes_is_refused() -> None:
    """An instance that has no hash is no value for a context, whatever its class says of it."""
    with pytest.raises(StartError, match="held holds a Purse, which can change"):
        run_that_is_given(Purse, Purse(3))


class Hostile(Purse):
    """A value that does not let itself be compared."""

    def __eq__(self, other: object) -> bool:
        raise LookupError("SECRET")

    def __hash__(self) -> int:
        return self.cents


def test_a_value_that_cannot_be_compared_is_refused() -> None:
    """Whatever comparing a user's values raises is a refusal by name, and no end of a run."""
    with pytest.raises(StartError, match="held cannot be compared with what is read back: LookupError"):
        run_that_is_given(Hostile, Hostile(3))
    assert "refusal" == run_that_writes(Hostile | None, Hostile(3)).landing.reason


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


# --- computed fields ------------------------------------------------------------------------------------------------


def test_what_is_computed_is_not_journaled() -> None:
    """A journal holds what a value is made of; what is computed of it is computed again."""
    result = run_that_is_given(Sum, Sum(one=1, other=2))

    assert {"held": {"one": 1, "other": 2}} == result.journal[0].context
    assert 3 == result.context.held.total


# --- sets -----------------------------------------------------------------------------------------------------------


class Aliased(Context):
    words: frozenset[str] = Field(alias="Words")
    others: frozenset[str] = Field(serialization_alias="Others")


class Camel(Context):
    model_config = ConfigDict(alias_generator=str.upper, serialize_by_alias=True)

    words: frozenset[str]


class Bag(Context):
    words: frozenset[str] = frozenset()

    @computed_field
    @property
    def long(self) -> frozenset[str]:
        return frozenset(word for word in self.words if len(word) > 1)


class Sets(Context):
    texts: frozenset[str]
    mixed: frozenset[int | str | float]
    pairs: frozenset[tuple[int, str]]
    kinds: frozenset[Colour | None]
    deep: tuple[frozenset[frozenset[str]], ...]
    bag: Bag
    aliased: Aliased
    camel: Camel
    rows: frozenset[Row] | None


WORDS = ("eu", "new", "vip", "b2b", "us", "old", "x")
FULL = Sets(
    texts=frozenset(WORDS),
    mixed=frozenset({10, 9, 2.5, "b", "a"}),
    pairs=frozenset((n, word) for n in (10, 9) for word in WORDS),
    kinds=frozenset({None, Colour.RED}),
    deep=(frozenset(frozenset(word) for word in WORDS),),
    bag=Bag(words=frozenset(WORDS)),
    aliased=Aliased.model_validate({"Words": WORDS, "others": WORDS}),
    camel=Camel.model_validate({"WORDS": WORDS}),
    rows=frozenset(map(Row, WORDS)),
)


class Sorts(Machine[Sets]):
    """Shows a model sets."""

    ask = State(LLMAgent("Sort.", reads=tuple(getattr(Sets, name) for name in Sets.__pydantic_fields__)), initial=True)
    done, human = Final(), Final(fallback=True)
    yes, no = ask.to(done, "yes"), ask.to(human, "no")


def told_of_sets() -> str:
    """Return what is written of sets: the prompt, the journal and the digest."""
    model = ScriptedModel([{"handoff": "yes"}])
    result = Runner(Sorts, model=model).run_sync(FULL)
    journal = [to_json(event).decode() for event in result.journal[:1]]
    prompt = model.requests[0].messages[-1].content
    return json.dumps([prompt, journal[0].partition("run_id")[0], Sorts.definition.digest, shown(result.context)])


def test_sets_are_written_in_one_order() -> None:
    """Numbers come by size, then texts, then all else; in whatever a set stands, and whatever stands in it."""
    written = journaled(FULL, Sets.__pydantic_fields__)

    assert sorted(WORDS) == written["texts"]
    assert [2.5, 9, 10, "a", "b"] == written["mixed"]
    assert ["red", None] == written["kinds"] or [None, "red"] == sorted(written["kinds"], key=str)
    assert {"words": sorted(WORDS)} == written["bag"]
    assert sorted(sorted(set(word)) for word in WORDS) == written["deep"][0]
    assert FULL == validated(Sets, written)


def test_sets_are_the_same_text_in_every_process() -> None:
    """Prompts, journals and digests do not follow the hashes of a process."""
    program = "from define.test_json import told_of_sets; print(told_of_sets())"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }

    assert 1 == len(told)


def test_what_a_serializer_made_otherwise_stays_as_it_is() -> None:
    """Only lists that were made of sets are sorted."""
    assert [3, 1] == in_one_order((3, 1), [3, 1])
    assert "b,a" == in_one_order(frozenset("ab"), "b,a")
    assert {"x": [2, 1]} == in_one_order(3, {"x": [2, 1]})
    assert [3, 1, 2] == in_one_order(frozenset({1}), [3, 1, 2])
