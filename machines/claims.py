"""Claims: what code finds wrong with figures that somebody, or a model, has read in their words; the till pays them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

MOST = {"taxi": 100_00, "train": 400_00, "meal": 150_00, "hotel": 2_000_00}
"""Cents at most of a claim of each kind."""


class Payment(NamedTuple):
    """What was paid for a claim, under the key of the visit that paid it."""

    cents: int
    key: str


@dataclass(frozen=True)
class Till:
    """The day, and what was paid for each claim: the world, of which a journal holds nothing."""

    today: dt.date
    paid: dict[str, Payment] = field(default_factory=dict)

    def pay(self, claim: str, payment: Payment) -> bool:
        """Pay a claim, unless that was done; return whether it is this payment that stands."""
        return self.paid.setdefault(claim, payment) == payment


def checked(text: str, date: dt.date | None, total: str | None, kind: str | None, today: dt.date) -> tuple[int, str]:
    """Return how many cents are claimed, and the first thing that is wrong with the claim: nothing, if it is right."""
    amounts = re.findall(r"(?<![\d.,'’_-])(?<!\d )\d{1,5}\.\d\d(?= EUR\b)", text)
    read = str(total).removesuffix(" EUR")
    cents = _cents(read) if read in amounts else 0  # a total that stands nowhere is no number perhaps
    wrong = (*_wrong_amounts(text, amounts, cents), *_wrong_date(text, date, today))
    above = ("it is above the limit of its kind",) if cents > MOST[str(kind)] else ()
    return cents, next(iter((*wrong, *above)), "")


def _wrong_amounts(text: str, amounts: list[str], cents: int) -> Iterator[str]:
    if len(amounts) != len(re.findall(r"\d[.,]\d", text)) or re.search(
        r"USD|GBP|CHF|[$£€¥]|\d ?(?!EUR\b)[A-Z]{3}\b", text
    ):
        yield "an amount is not written as 12.30 EUR"
    if not cents:
        yield "the total does not stand in the claim"
    if len(amounts) > 1 and sum(map(_cents, amounts)) != 2 * cents:
        yield "the amounts do not add up to the total"


def _wrong_date(text: str, date: dt.date | None, today: dt.date) -> Iterator[str]:
    if date is None or date.isoformat() not in text:
        yield "the date does not stand in the claim"
    elif not 0 <= (today - date).days <= 90:
        yield "the date is not within the last 90 days"


def _cents(amount: str) -> int:
    return int(Decimal(amount) * 100)
