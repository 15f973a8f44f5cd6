"""The domain: which values are listed, and what guards answer where not all fields are known."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    WrapValidator,
    field_validator,
)

from fsm_orch import Context, guard
from fsm_orch.define import Guard
from fsm_orch.proof.explore.domain import MAX_VALUES, Domain, decided, finite_values, leaves


class Tier(enum.Enum):
    FREE = "free"
    PAID = "paid"
    ALSO_FREE = "free"


class Bits(enum.Flag):
    A = 1
    B = 2


Level = Literal["low", "high"]


class Order(Context):
    query: str
    tier: Tier
    level: Level = "low"
    paid: bool | None = None
    sure: Annotated[bool, "marked"] = False
    unread: bool = False
    amount: int = 0


@guard
def is_paid(order: Order) -> bool:
    return order.paid is True


@guard
def is_urgent(order: Order) -> bool:
    return order.tier is Tier.PAID and order.level == "high"


@guard
def is_large(order: Order) -> bool:
    return order.sure or order.amount > 100


@guard
def swallows(order: Order) -> bool:
    try:
        return order.amount > 100
    except:  # noqa: E722
        return True


@guard
def breaks(order: Order) -> bool:
    return 1 // int(order.sure) > 0


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (bool, (False, True)),
        (None, (None,)),
        (Tier, (Tier.FREE, Tier.PAID)),
        (Level, ("low", "high")),
        (Level | None, ("low", "high", None)),
        (bool | Tier | None, (False, True, Tier.FREE, Tier.PAID, None)),
        (Annotated[Level, "marked"] | None, ("low", "high", None)),
        (Literal["a"] | Literal["a", "b"], ("a", "b")),
        (str, None),
        (bool | str, None),
        (Bits, None),
        (Any, None),
        (tuple[bool, bool], None),
        (Literal[0, False], None),
        (Literal[tuple(range(MAX_VALUES))], tuple(range(MAX_VALUES))),
        (Literal[tuple(range(MAX_VALUES + 1))], None),
    ],
)
def test_finite_types_are_listed(annotation: Any, values: tuple[object, ...] | None) -> None:
    """Every value of a finite type is listed once; too many, or two that are equal, are as good as none."""
    assert values == finite_values(annotation)


def test_fields_that_no_guard_reads_are_left_out() -> None:
    """A field that no guard reads decides nothing; one that is read is finite if its type is."""
    guards = (is_paid & is_urgent, ~is_large)

    assert ["tier", "level", "paid", "sure", "unread"] == list(Domain(Order).finite)
    assert ["tier", "level", "paid", "sure"] == list(Domain(Order, guards).finite)
    assert ("query", "unread", "amount") == Domain(Order, guards).opaque
    assert 2 * 2 * 3 * 2 == len(list(Domain(Order, guards).valuations(Domain(Order, guards).finite)))


def test_what_a_leaf_reads_is_seen_on_all_its_paths() -> None:
    """A short-circuit hides a field on some values; on others it is read."""
    domain = Domain(Order)

    assert ("tier", "level") == domain.reads(is_urgent)
    assert ("sure", "amount") == domain.reads(is_large)
    assert not domain.is_opaque(is_urgent)
    assert domain.is_opaque(is_large)
    assert domain.is_opaque(swallows)


class Pair(enum.Enum):
    """JSON has no form of its values that is read back."""

    ONE = (1, 1)
    TWO = (2, 2)


class Graded(Context):
    risk: Annotated[Literal[1, 2, 3], Field(le=2)]
    mood: Annotated[Literal["calm", "cross"], Field(min_length=5)] | None = None
    never: Annotated[Literal[1, 2], Field(gt=9)] = 1
    tuned: Annotated[Literal[1, 2], Field(lt=2), AfterValidator(lambda value: value)] = 1
    raised: Annotated[Literal["a", "b"], StringConstraints(to_upper=True)] = "a"
    pair: Pair = Pair.ONE
    either: Literal["free", "dear"] | Tier = "free"


def test_values_that_no_run_holds_are_none() -> None:
    """Constraints refuse them, or JSON gives another back; where code of the user's has a say all stay."""
    finite = Domain(Graded).finite

    assert {"risk": (1, 2), "mood": ("cross", None), "tuned": (1, 2)} == {
        name: finite[name] for name in ("risk", "mood", "tuned")
    }
    assert {"risk", "mood", "tuned", "either"} == finite.keys()
    assert ("free", "dear", Tier.PAID) == finite["either"]


class Flags(Context):
    f0: bool
    f1: bool
    f2: bool
    f3: bool
    f4: bool
    f5: bool


def test_what_a_leaf_reads_last_is_opaque_if_there_are_too_many_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked no more often than there may be paths; what short-circuits has few, however much it reads."""
    monkeypatch.setattr("fsm_orch.proof.explore.domain.MOST_PATHS", 8)
    votes = guard(lambda flags: sum((flags.f4, flags.f0, flags.f5, flags.f1, flags.f2)) > 2)
    every = guard(lambda flags: flags.f0 and flags.f1 and flags.f2 and flags.f3 and flags.f4 and flags.f5)

    voting = Domain(Flags, (votes,))

    assert ["f0", "f4", "f5"] == list(voting.finite)
    assert voting.is_opaque(votes)
    assert list(Flags.__pydantic_fields__) == list(Domain(Flags, (every,)).finite)
    assert not Domain(Flags, (every,)).is_opaque(every)


def test_a_leaf_is_known_where_it_reads_only_what_is_known() -> None:
    """The same leaf is exact on some values and opaque on others; one that raises is known, and says what it raised."""
    domain = Domain(Order)

    assert ("yes", ("sure",), None) == domain.ask(is_large, {"sure": True})
    assert (None, ("sure", "amount"), None) == domain.ask(is_large, {"sure": False})
    assert ("no", ("sure", "amount"), None) == domain.ask(is_large, {"sure": False, "amount": 7})
    assert ("no", ("tier",), None) == domain.ask(is_urgent, {"tier": Tier.FREE})
    assert (None, ("amount",), None) == domain.ask(swallows, {})
    assert ("raises", ("sure",), "ZeroDivisionError in breaks") == domain.ask(breaks, {"sure": False})


def test_values_are_alike_where_every_leaf_goes_on_alike() -> None:
    """Values are merged if they lead to the same further reads and the same answers, and only then."""
    skips = guard(lambda order: order.paid is None or order.level == "high")
    compares = guard(lambda order: order.sure is (order.level == "high"))
    domain = Domain(Order)

    assert {"paid": (False, True)} == picked(domain, is_paid)
    assert {"paid": (False, None), "level": ("low", "high")} == picked(domain, skips)
    assert {"paid": (False, True, None), "level": ("low", "high")} == picked(domain, is_paid, skips)
    assert {"sure": (False, True), "level": ("low", "high")} == picked(domain, compares)


def picked(domain: Domain, *leaves: Guard[Order]) -> dict[str, tuple[object, ...]]:
    """Return the values that leaves distinguish, of the fields of which they distinguish any."""
    return {name: values for name, values in domain.distinguished(leaves).items() if len(values) > 1}


ATOMS = (is_paid, is_urgent, is_large, breaks)
GUARDS: st.SearchStrategy[Guard[Order]] = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1])
        | st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1])
        | inner.map(lambda one: ~one)
    ),
    max_leaves=5,
)
ORDERS = st.builds(
    Order,
    query=st.just("x"),
    tier=st.sampled_from(Tier),
    level=st.sampled_from(["low", "high"]),
    paid=st.sampled_from([True, False, None]),
    sure=st.booleans(),
    amount=st.sampled_from([0, 101]),
)


def answer(asked: Guard[Order], order: Order) -> bool:
    """Ask a guard as the engine does."""
    try:
        return asked(order)
    except ZeroDivisionError:
        return False


@given(GUARDS, ORDERS)
def test_what_leaves_answer_is_what_the_guard_answers(asked: Guard[Order], order: Order) -> None:
    """On a whole context a guard is decided by its leaves; on a part each leaf answers the same or is opaque."""
    domain, whole = Domain(Order), dict(order)

    assert answer(asked, order) is decided(asked, lambda leaf: domain.ask(leaf, whole).outcome)  # type: ignore[arg-type]
    for leaf in leaves(asked):
        for left_out in whole:
            part = {name: value for name, value in whole.items() if name != left_out}
            assert domain.ask(leaf, part).outcome in (None, domain.ask(leaf, whole).outcome)


def test_leaves_are_told_once_in_order() -> None:
    """A leaf that is in a guard twice is one leaf."""
    assert (is_paid, is_large) == leaves((is_paid & ~is_large) | is_paid)
    assert () == leaves(None)


def test_a_leaf_that_is_not_asked_does_not_break_a_guard() -> None:
    """Later leaves are not asked once the answer is known, as in the guard itself."""
    raising = {is_paid: "yes", breaks: "raises"}

    assert decided(is_paid | breaks, raising.__getitem__)  # type: ignore[arg-type]
    assert not decided(breaks | is_paid, raising.__getitem__)  # type: ignore[arg-type]
    assert not decided(~breaks, raising.__getitem__)  # type: ignore[arg-type]


class Wide(Context):
    plain: Annotated[bool, PlainValidator(lambda value: value)]
    wrapped: Annotated[bool, WrapValidator(lambda value, handler: value)] | None = None
    decorated: bool = False
    moved: Annotated[bool, AfterValidator(int)] = False
    before: Annotated[bool, BeforeValidator(lambda value: value)] = False
    after: Annotated[bool, AfterValidator(lambda value: not value)] = False

    @field_validator("decorated", mode="plain")
    @classmethod
    def any_at_all(cls, value: object) -> object:
        return value


def test_a_validator_may_let_anything_pass() -> None:
    """Where one stands in place of a type, or gives what the type does not list, the values are not known."""
    assert ["before", "after"] == list(Domain(Wide).finite)
