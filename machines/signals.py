"""Signals of fraud: what is known of a payment, and rules that compare it with what is usual for its customer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from fsm_orch import Context, Visit
from fsm_orch.agents import Changes

Goods = Literal["groceries", "electronics", "travel", "jewellery"]
Place = Literal["Vienna", "Rome", "Oslo", "Lagos"]

WHO = re.compile(r"[Cc]ustomer (\d{1,9})\b")
HOW_MUCH = re.compile(r"(\d{1,7})\.(\d\d) EUR")
AT_NIGHT = re.compile(r"\b0[0-5]:\d\d\b")
"""How a payment says who pays, how much and when: put the words of your own payments here."""


class Payment(Context):
    """A payment, and what the steps make of it."""

    text: str
    goods: Goods | None = None
    place: Place | None = None
    customer: int | None = None
    signals: tuple[tuple[str, bool], ...] = ()
    """Each rule, and whether it fires."""
    points: int = -1
    why: str | None = None


class Customer(NamedTuple):
    """What is usual for a customer."""

    home: Place
    most_cents: int
    goods: tuple[Goods, ...]


CUSTOMERS = {17: Customer("Vienna", 200_00, ("groceries", "travel")), 21: Customer("Oslo", 2_000_00, ("electronics",))}

RULES: Mapping[str, tuple[int, Callable[[Payment, Customer], bool]]] = {
    "far from home": (35, lambda payment, customer: payment.place != customer.home),
    "more than usual": (25, lambda payment, customer: cents_of(payment.text) > customer.most_cents),
    "goods never bought": (20, lambda payment, customer: payment.goods not in customer.goods),
    "at night": (20, lambda payment, _: AT_NIGHT.search(payment.text) is not None),
}
"""Each rule with its points; together 100."""


def cents_of(text: str) -> int:
    """Return the first amount in a text; 0: there is none."""
    found = HOW_MUCH.search(text)
    return int(found[1] + found[2]) if found else 0


def points_of(signals: tuple[tuple[str, bool], ...]) -> int:
    """Return the points of the rules that fire."""
    return sum(RULES[name][0] for name, fires in signals if fires)


def find_customer(visit: Visit[Payment]) -> Changes:
    """Write the number of the customer whom the payment names, if it names one."""
    named = WHO.search(visit.context.text)
    return {Payment.customer: int(named[1]) if named else None}


def compare_rules(visit: Visit[Payment]) -> Changes:
    """Write of each rule whether it fires; the customer must be known."""
    payment = visit.context
    usual = CUSTOMERS[payment.customer or 0]
    return {Payment.signals: tuple((name, fires(payment, usual)) for name, (_, fires) in RULES.items())}


def add_points(visit: Visit[Payment]) -> Changes:
    """Write the sum of the points."""
    return {Payment.points: points_of(visit.context.signals)}
