"""Signals of fraud: rules that compare a payment with what is usual for its customer, and the points of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

Goods = Literal["groceries", "electronics", "travel", "jewellery"]
Place = Literal["Vienna", "Rome", "Oslo", "Lagos"]

WHO = re.compile(r"[Cc]ustomer (\d{1,9})\b")
HOW_MUCH = re.compile(r"(\d{1,7})\.(\d\d) EUR")
AT_NIGHT = re.compile(r"\b0[0-5]:\d\d\b")
"""How a payment says who pays, how much and when: put the words of your own payments here."""


class Customer(NamedTuple):
    """What is usual for a customer."""

    home: Place
    most_cents: int
    goods: tuple[Goods, ...]


class Facts(NamedTuple):
    """What is known of a payment."""

    text: str
    goods: Goods | None
    place: Place | None


CUSTOMERS = {17: Customer("Vienna", 200_00, ("groceries", "travel")), 21: Customer("Oslo", 2_000_00, ("electronics",))}

RULES: Mapping[str, tuple[int, Callable[[Facts, Customer], bool]]] = {
    "far from home": (35, lambda facts, customer: facts.place != customer.home),
    "more than usual": (25, lambda facts, customer: cents_of(facts.text) > customer.most_cents),
    "goods never bought": (20, lambda facts, customer: facts.goods not in customer.goods),
    "at night": (20, lambda facts, _: AT_NIGHT.search(facts.text) is not None),
}
"""Each rule with its points; together 100."""


def cents_of(text: str) -> int:
    """Return the first amount in a text; 0: there is none."""
    found = HOW_MUCH.search(text)
    return int(found[1] + found[2]) if found else 0


def customer_of(text: str) -> int | None:
    """Return the number of the customer that a text names; None: it names none."""
    named = WHO.search(text)
    return int(named[1]) if named else None


def signals_of(facts: Facts, customer: int) -> tuple[tuple[str, bool], ...]:
    """Return each rule, and whether it fires."""
    return tuple((name, fires(facts, CUSTOMERS[customer])) for name, (_, fires) in RULES.items())


def points_of(signals: tuple[tuple[str, bool], ...]) -> int:
    """Return the points of the rules that fire."""
    return sum(RULES[name][0] for name, fires in signals if fires)
