"""The abstraction: it begins where runs begin, and takes no placeholder for a value."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, AnyUrl, ConfigDict, Field, field_serializer, field_validator, model_validator

from fsm_orch import Context, Final, Given, Machine, State, eventually, guard, never
from fsm_orch.define.guards import Guard
from fsm_orch.export.as_test import pytest_source
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.walk import STEPS_EACH


class Kind(enum.StrEnum):
    A = "a"
    B = "b"


@guard
def is_flagged(ticket: Any) -> bool:
    return ticket.flag is True


@guard
def is_unflagged(ticket: Any) -> bool:
    return ticket.flag is False


@guard
def is_a(ticket: Any) -> bool:
    return ticket.flag is Kind.A


@guard
def is_big_b(ticket: Any) -> bool:
    return ticket.amount > 100 and ticket.flag is Kind.B


def act(visit: Any) -> None:
    """Do nothing: no agent is called here."""


def explored(context: type[Context], closed: Guard[Any], writes: tuple[Any, ...] = (), **bounds: Any) -> Exploration:
    """Explore a machine that never enters `bad`, unless a guard holds."""

    class Gate(Machine[context]):  # type: ignore[valid-type]
        """Let nobody through."""

        start = State(act, initial=True, writes=writes)
        bad = State(act)
        done, human = Final(), Final(fallback=True)
        through = start.to(bad, guard=closed)
        by = start.to(done)
        end = bad.to(done)
        policies = (never(bad), eventually(start))

    return explore(Gate.definition, **bounds)


def verdict(found: Exploration) -> str:
    return found.policies[0].verdict


@pytest.mark.parametrize(
    ("annotation", "default", "closed", "is_open"),
    [
        (Kind, "a", is_a, True),
        (Kind, "b", is_a, False),
        (bool, 1, is_flagged, True),
        (bool, "no", is_unflagged, True),
        (bool | None, 0, is_unflagged, True),
        (bool | None, None, is_unflagged, False),
        (bool | None, Field(default_factory=lambda: True), is_flagged, True),
        (Annotated[bool, "a mark"], False, is_flagged, False),
    ],
)
def test_runs_begin_with_what_validation_makes_of_a_default(
    annotation: Any, default: object, closed: Guard[Any], is_open: bool
) -> None:
    """A default that is only equal to a value of its type, or is read as one, counts as that value."""
    ticket: Any = type("Ticket", (Context,), {"__annotations__": {"flag": annotation}, "flag": default})

    found = explored(ticket, closed)

    assert ("violated" if is_open else "holds") == verdict(found)
    assert is_open == closed(ticket())


class ByMark(Context):
    flag: Annotated[bool, AfterValidator(lambda value: True)] = False


class InUnion(Context):
    flag: Annotated[bool, AfterValidator(lambda value: True)] | None = False


class Derived(Context):
    name: Given[str] = ""
    flag: bool = False

    @model_validator(mode="before")
    @classmethod
    def derive(cls, values: Any) -> Any:
        return {**values, "flag": values.get("name") == "admin"}


class Written(Context):
    flag: bool = False

    @field_serializer("flag")
    def write(self, value: bool) -> bool:
        return True


class Initialised(Context):
    flag: bool = False

    def model_post_init(self, context: Any, /) -> None:
        object.__setattr__(self, "flag", True)


class OnField(Context):
    flag: bool = False

    @field_validator("flag", mode="wrap")
    @classmethod
    def turn(cls, value: Any, handler: Callable[[Any], bool]) -> bool:
        return not handler(value)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (ByMark, "violated"),
        (InUnion, "violated"),
        (Derived, "possible"),
        (Written, "possible"),
        (Initialised, "violated"),
        (OnField, "possible"),
    ],
)
def test_where_there_are_validators_runs_begin_with_any_value(context: type[Context], expected: str) -> None:
    """A validator, a serializer and an initialiser may turn a default into any value, so all are explored."""
    found = explored(context, is_flagged)

    assert expected == verdict(found)
    assert "holds" == found.policies[1].verdict
    assert any(f"validators of {context.__name__}" in note and "any value" in note for note in found.abstracted)


def test_what_pydantic_checks_itself_is_no_validator() -> None:
    """Types that pydantic reads by functions of its own leave the defaults of other fields alone."""

    class Plain(Context):
        page: AnyUrl | None = None
        flag: bool = False

    found = explored(Plain, is_flagged)

    assert "holds" == verdict(found)
    assert not any("validators" in note for note in found.abstracted)


@guard
def is_all(ticket: Any) -> bool:
    return all(getattr(ticket, name) for name in type(ticket).__pydantic_fields__)


def wide(number: int, **bounds: Any) -> Exploration:
    """Explore a machine whose agent writes so many flags, and whose guard needs all of them."""
    names = [f"flag{n}" for n in range(number)]
    fields = {"__annotations__": dict.fromkeys(names, bool), **dict.fromkeys(names, False)}
    context: Any = type("Wide", (Context,), fields)
    return explored(context, is_all, tuple(getattr(context, name) for name in names), **bounds)


def test_the_writings_of_one_visit_are_bounded_too() -> None:
    """Where an agent writes very many combinations, exploring ends after so many steps, and says it is partial."""
    found = wide(40, max_configurations=10)

    assert not found.is_complete
    assert 10 * STEPS_EACH == found.steps
    assert ["unknown", "holds"] == [judged.verdict for judged in found.policies]  # the second by the bare graph


def test_many_writings_are_all_tried_within_the_bounds() -> None:
    """Listing writings one by one leaves none of them out."""
    found = wide(9)

    assert found.is_complete
    assert ["violated", "holds"] == [judged.verdict for judged in found.policies]


class Order(Context):
    amount: int = 0
    flag: Kind = Kind.A


class Shop(Machine[Order]):
    """Refund what is big."""

    look = State(act, writes=(Order.amount, Order.flag), initial=True)
    refund = State(act)
    done, human = Final(), Final(fallback=True)
    big = look.to(refund, guard=is_big_b)
    small = look.to(done)
    end = refund.to(done)
    policies = (never(refund), never(done))


def test_what_a_guard_may_read_after_an_opaque_field_is_opaque() -> None:
    """A placeholder is not a value to an opaque guard: the generated test draws the field."""
    found = explore(Shop.definition)
    guessed, sure = (judged.trace for judged in found.policies)
    assert guessed is not None
    assert sure is not None

    assert ("amount", "flag") == guessed.opaque
    assert ("amount",) == sure.opaque
    source = pytest_source(Shop.definition, Shop.policies[0], guessed, module=__name__)
    assert 'Order.flag: draw(values(Order, "flag"))' in source
    assert "Kind.A" not in source


class Raw(Context):
    model_config = ConfigDict(use_enum_values=True)

    flag: Kind = Kind.B


@guard
def is_text(ticket: Raw) -> bool:
    return type(ticket.flag) is str


def test_an_enum_that_is_kept_as_its_value_is_not_listed() -> None:
    """A context that keeps the values of its enums holds none of their members, so the field is opaque."""
    assert is_text(Raw())
    found = explored(Raw, is_text)
    assert "violated" == verdict(found)
    assert not any("flag" in note for note in found.abstracted if "every value" in note)
