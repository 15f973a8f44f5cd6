"""Strategies: what they draw fits, breaks rules on purpose, and runs to the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import ResolutionFailed
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, field_validator
from support.desk import Support, Ticket

from fsm_orch import Context, Final, LLMAgent, Machine, Reply, RunResult, State
from fsm_orch.kernel.inputs import GatesSeen
from fsm_orch.testing import assert_replays, contexts, ready, replies, runs
from fsm_orch.testing.strategies import starts, values
from machines.shop import ShopFloor


class Colour(Enum):
    """A finite field."""

    RED = "red"
    BLUE = "blue"


class Item(Context):
    """A context within a context."""

    name: str
    price: float


class Order(Context):
    """Fields of many types, with constraints, an alias and validators."""

    query: Annotated[str, Field(min_length=1, max_length=20)]
    count: Annotated[int, Field(ge=1, le=9)] = 1
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}$", alias="Code")] = "ABC"
    colour: Colour | None = None
    size: Literal["s", "m"] = "s"
    day: date = date(2026, 1, 1)
    items: tuple[Item, ...] = ()
    even: int = 0
    answer: str | None = None

    @field_validator("even")
    @classmethod
    def is_even(cls, value: int) -> int:
        assert value % 2 == 0
        return value


class Desk(Machine[Order]):
    """A machine over a rich context."""

    ask = State(
        LLMAgent(
            "Sort it.",
            reads=(Order.query,),
            writes=(Order.count, Order.colour, Order.items, Order.day, Order.even, Order.answer),
        ),
        initial=True,
        max_visits=2,
    )
    answered = Final()
    human = Final(fallback=True, sets={Order.answer: "later"})
    again = ask.to(ask, "not clear")
    done = ask.to(answered, "it is sorted")


@given(contexts(Desk))
def test_contexts_fit(order: Order) -> None:
    """Every context is one that a run can start on: constraints, aliases and validators are kept."""
    assert 1 <= order.count <= 9
    assert 0 == order.even % 2
    assert order == Order.model_validate(order.model_dump(by_alias=False), by_name=True)


@pytest.mark.slow
@given(runs(Desk))
def test_whole_runs_are_drawn(result: RunResult[Order]) -> None:
    """Every run ends, and its journal leads where it went."""
    assert result.state in (Desk.answered, Desk.human)
    assert_replays(Desk, result)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Desk, Support, ShopFloor])
def test_runs_go_far(machine: type[Machine[Any, Any]]) -> None:
    """Some runs are landed and some are not."""
    patient = settings(max_examples=500, database=None, phases=[Phase.generate])

    assert find(runs(machine), lambda result: result.landing is None, settings=patient).path
    assert find(runs(machine), lambda result: result.landing is not None, settings=patient).path


@pytest.mark.parametrize("reason", ["shut", "denied"])
def test_runs_meet_gates(reason: str) -> None:
    """Some find a state shut, and some are turned away by a gate; the checker follows them all."""
    result = find(
        runs(ShopFloor),
        lambda result: any(isinstance(event, GatesSeen) for event in result.journal) and _why(result) == reason,
        settings=settings(max_examples=5_000, phases=[Phase.generate], database=None),
    )

    assert_replays(ShopFloor, result)


def _why(result: RunResult[Any]) -> str | None:
    return result.landing and result.landing.reason


@given(st.data())
def test_replies_are_of_their_state(data: st.DataObject) -> None:
    """Replies write fields of the context; each state has some that fit and some that do not."""
    state = data.draw(st.sampled_from(list(Support.definition.states.values())))

    reply = data.draw(replies(Support, state))

    assert isinstance(reply, Reply)
    assert reply.changes.keys() <= Ticket.model_fields.keys()


@pytest.mark.parametrize("is_fitting", [True, False])
def test_replies_fit_or_break_rules(is_fitting: bool) -> None:
    """Both kinds are drawn: those that write what is declared, and those that do not."""
    state = Support.billing

    reply = find(
        replies(Support, state), lambda reply: (reply.changes.keys() == state.spec.written_names) == is_fitting
    )

    assert reply is not None


class Hunk(BaseModel):
    """A model with a pattern, which Hypothesis does not see."""

    model_config = ConfigDict(frozen=True)

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class Change(Context):
    """A field that is made of such models."""

    hunks: tuple[Hunk, Hunk]


class Page(Context):
    """A field of a type that Hypothesis does not know."""

    address: AnyUrl


class Code(Context):
    """A field whose validator takes nothing."""

    name: str
    code: str

    @field_validator("code")
    @classmethod
    def is_known(cls, code: str) -> str:
        raise ValueError("not known")


def over(context: type[Any]) -> type[Machine[Any, Any]]:
    class Sort(Machine[context]):  # type: ignore[valid-type]
        """A machine over a context that is hard to make."""

        ask = State(LLMAgent("Sort it."), initial=True)
        answered = Final()
        human = Final(fallback=True)
        done = ask.to(answered, "it is sorted")

    return Sort


@pytest.mark.filterwarnings("ignore:Ignoring unsupported")
@pytest.mark.parametrize(
    ("context", "said"),
    [
        (Change, r"Hypothesis makes no values for Change\.hunks: digest: String should match .*\(Hunk, "),
        (Page, r"Hypothesis makes no values for Page\.address: Could not resolve .*\(AnyUrl, "),
        (Code, r"Hypothesis makes no values for Code: code: Input is refused by a validator.*\(TheType, .*NewType"),
    ],
)
def test_what_cannot_be_made_is_named(context: type[Any], said: str) -> None:
    """The message says which field is in the way, and which type to teach Hypothesis; no test is begun."""

    @given(contexts(over(context)))
    def draws(drawn: object) -> None:
        raise AssertionError("nothing is drawn")

    with pytest.raises(ResolutionFailed, match=said):
        draws()


def drawn_within(machine: type[Machine[Any, Any]]) -> None:
    """Draw contexts within a test."""

    @given(st.data())
    def draws(data: st.DataObject) -> None:
        data.draw(contexts(machine))

    draws()


@pytest.mark.parametrize("asked", [drawn_within, ready.safety, ready.replay])
def test_whatever_draws_contexts_says_what_it_cannot_make(asked: Callable[[Any], object]) -> None:
    """Not only the strategy itself, but all that is made of it."""
    with pytest.raises(ResolutionFailed, match=r"Hypothesis makes no values for Page\.address"):
        asked(over(Page))


class Line(Hunk):
    """A model that is taught."""


class Patch(Context):
    """A field that can be made once its type is taught."""

    line: Line


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Ignoring unsupported")
def test_what_was_taught_is_drawn() -> None:
    """A type that was taught after it had failed is drawn from then on."""
    machine = over(Patch)
    with pytest.raises(ResolutionFailed):
        contexts(machine).validate()

    st.register_type_strategy(Line, st.builds(Line, digest=st.just("0" * 12)))
    ready.replay(machine)

    assert Patch(line=Line(digest="0" * 12)) == find(contexts(machine), lambda _: True)


Short = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Patterned(Context):
    """Texts with patterns, at all depths of a type."""

    short: Short
    perhaps: Short | None
    many: tuple[Short, ...]
    found: Annotated[str, StringConstraints(pattern="[a-c]", max_length=2)]
    deep: tuple[tuple[int, Annotated[Short | None, Field(description="it may be away")]], ...]


@given(starts(Patterned))
def test_a_text_has_its_pattern_wherever_it_stands(context: Patterned) -> None:
    """As pydantic finds it, and Hypothesis warns of none that it ignores."""
    shorts = [context.short, context.perhaps, *context.many, *(short for _, short in context.deep)]

    assert all(short is None or re.fullmatch("[A-Z]{3}", short) for short in shorts)
    assert re.search("[a-c]", context.found)
    assert len(context.found) <= 2


@pytest.mark.parametrize("name", sorted(Patterned.model_fields))
def test_values_are_taken_by_pydantic(name: str) -> None:
    """Each value that is drawn for a field fits its annotation."""
    info = Patterned.__pydantic_fields__[name]
    taken = TypeAdapter[Any](Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)

    @given(values(Patterned, name))
    def fits(value: Any) -> None:
        assert taken.validate_python(value) == value

    fits()
