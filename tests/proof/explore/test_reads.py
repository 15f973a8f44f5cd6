"""What a guard may read is told from its code, and is never less than what it reads."""

from __future__ import annotations

import operator
import sys
from contextlib import suppress
from functools import cached_property, wraps
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import Context, guard
from fsm_orch.define import Guard
from fsm_orch.define.watched import watched
from fsm_orch.proof.explore.reads import may_read


class Order(Context):
    amount: int = 0
    total: int = 0
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str | None = None

    @property
    def is_large(self) -> bool:
        return self.amount > 500

    @property
    def is_known(self) -> bool:
        return self.is_large or bool(self.note)

    @cached_property
    def length(self) -> int:
        return len(self.name)

    def beyond(self, most: int) -> bool:
        return self.total > most

    def odd(self, deep: int = 2) -> bool:
        return bool(self.total % 2) if deep == 0 else self.odd(deep - 1)

    def whole(self) -> bool:
        return bool(self.model_dump())

    @staticmethod
    def loose(order: Any) -> bool:
        return bool(order)


ALL = frozenset(Order.__pydantic_fields__)
SECRETS = {"order": 1}


def helper(order: Order) -> bool:
    return order.amount > 1


def twice(predicate: Any) -> Any:
    @wraps(predicate)
    def wrapper(*args: Any) -> Any:
        return predicate(*args)

    return wrapper


def uses_a_local(order: Order) -> bool:
    held = order
    return held.amount > 1


def uses_a_comprehension(order: Order) -> bool:
    return any(tag == order.name for tag in order.tags)


def uses_nested_comprehensions(order: Order) -> bool:
    return [[order.total for _ in range(2)] for tag in order.tags if tag > order.name] == []


def uses_an_inner_function(order: Order) -> bool:
    def inner() -> bool:
        return order.amount > 1

    return inner() and order.total > 1


def gives_away(order: Order) -> bool:
    def given() -> Order:
        return order

    return given().amount > 1


def uses_a_branch(order: Order) -> bool:
    if order.amount > 1:
        return order.name == "x"
    try:
        return order.total > 1
    finally:
        order.tags  # noqa: B018


def uses_a_match(order: Order) -> bool:
    match order:
        case Order(amount=1):
            return True
    return False


def uses_its_frame(order: Order) -> bool:
    return bool(locals()) and order.amount > 1


def uses_its_frame_within(order: Order) -> bool:
    def looks() -> bool:
        return bool(sys._getframe(1).f_locals)

    return looks() and order.amount > 1


def writes_over(order: Order) -> bool:
    order = Order(amount=2)
    return order.amount > 1


def uses_a_walrus(order: Order) -> bool:
    return (amount := order.amount) > 1 and amount < order.total


def compares_two(order: Order) -> bool:
    return order.amount > order.total


def has_options(order: Order, least: int = 5) -> bool:
    return order.amount > least


ROWS: list[tuple[Any, set[str] | frozenset[str]]] = [
    (lambda order: order.amount > 1, {"amount"}),
    (lambda order: len(order.name) > 3, {"name"}),
    (lambda order: order.note is not None and order.note.strip() == "x", {"note"}),
    (lambda order: order.amount > 1 or order.total > 1, {"amount", "total"}),
    (lambda order: True, set()),
    (lambda order: SECRETS["order"] == order.amount, {"amount"}),
    (compares_two, {"amount", "total"}),
    (has_options, {"amount"}),
    (uses_a_walrus, {"amount", "total"}),
    (uses_a_branch, {"amount", "name", "total", "tags"}),
    (uses_a_comprehension, {"name", "tags"}),
    (uses_nested_comprehensions, {"name", "tags", "total"}),
    (uses_an_inner_function, {"amount", "total"}),
    # properties and methods are followed, also into one another
    (lambda order: order.is_large, {"amount"}),
    (lambda order: order.is_known, {"amount", "note"}),
    (lambda order: order.beyond(3), {"total"}),
    (lambda order: order.odd(), {"total"}),
    # anything else: every field
    (helper.__get__(Order(), Order), ALL),
    (operator.attrgetter("amount"), ALL),
    (twice(helper), ALL),
    (lambda order: helper(order), ALL),
    (lambda order: getattr(order, "amount") > 1, ALL),  # noqa: B009
    (lambda order: order == Order(), ALL),
    (lambda order: isinstance(order, Order) and order.amount > 1, ALL),
    (lambda order: order.whole(), ALL),
    (lambda order: order.loose(order), ALL),
    (lambda order: order.__dict__["amount"] > 1, ALL),
    (lambda *orders: orders[0].amount > 1, ALL),
    (uses_a_local, ALL),
    (uses_a_match, ALL),
    (uses_its_frame, ALL),
    (uses_its_frame_within, ALL),
    (gives_away, ALL),
    (writes_over, ALL),
]


def leaf(predicate: Any) -> Guard[Any]:
    return Guard(predicate, None, (), "here")


@pytest.mark.parametrize(("predicate", "fields"), ROWS, ids=range(len(ROWS)))
def test_the_code_says_what_is_read(predicate: Any, fields: set[str]) -> None:
    """Where the context is used for its attributes alone they are all that is read; anything else reads everything."""
    assert may_read(leaf(predicate), Order) == fields


ORDERS = st.builds(
    Order,
    amount=st.integers(0, 600),
    total=st.integers(0, 6),
    name=st.text(max_size=4),
    tags=st.lists(st.text(max_size=2), max_size=2).map(tuple),
    note=st.none() | st.text(max_size=2),
)


@given(ORDERS)
def test_nothing_else_is_ever_read(order: Order) -> None:
    """What a guard reads of any context is among what its code says."""
    for predicate, _ in ROWS:
        reads: set[str] = set()
        with suppress(Exception):  # what it read before counts
            predicate(watched(order, reads.add))
        assert reads <= may_read(leaf(predicate), Order)


def test_a_cached_property_reads_all() -> None:
    """Python looks for its value in the context's `__dict__`, and to the kernel that is a look at every field."""
    assert may_read(leaf(lambda order: order.length > 2), Order) == ALL


def test_a_context_may_hide_what_it_reads() -> None:
    """Where a context looks its attributes up in a way of its own, any of them may read any field."""

    class Sly(Order):
        def __getattribute__(self, name: str) -> Any:
            return object.__getattribute__(self, "note" if name == "amount" else name)

    class Fallen(Order):
        @property
        def is_empty(self) -> bool:
            raise AttributeError(self.name)

        def __getattr__(self, name: str) -> Any:
            return self.total

    class lazy(property):
        def __get__(self, order: Any, owner: Any = None) -> Any:
            return order.total

    class Lazy(Order):
        @lazy
        def is_done(self) -> bool:
            return bool(self.name)

    class Eager(Order):
        @property
        def is_large(self) -> bool:
            return super().is_large

    @guard
    def is_odd(order: Sly) -> bool:
        return order.amount is None

    assert may_read(is_odd, Sly) == ALL
    assert may_read(leaf(lambda order: order.is_large), Eager) == ALL
    assert may_read(leaf(lambda order: order.is_empty), Fallen) == ALL
    assert may_read(leaf(lambda order: order.is_done), Lazy) == ALL
