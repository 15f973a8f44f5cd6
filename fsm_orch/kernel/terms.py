"""The terms of a run: the prices and shares that it keeps to its end, as its journal holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from ..amounts import Amount, Count, Dearest, Price


class OneRate(Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """The price of one model as text, in dollars per million tokens, each an exact number such as `1/4`."""

    input: str
    output: str
    cached_input: str | None = None


class Rate(OneRate, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The price of a state's model."""

    each: Mapping[str, OneRate] = {}
    """Of a fallback: what each of its models costs, by name; the rate is then the dearest of each side."""


class Share(Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What is moved to a run of a part from the ledger of the machine that runs it."""

    tokens: Count
    cost: Count = 0
    """Micro-dollars."""


class Terms(NamedTuple):
    """Prices by state and shares by part, each named by where it is in the tree of machines."""

    prices: dict[str, Rate]
    shares: dict[str, Share]


def terms(prices: Mapping[str, Price], shares: Mapping[str, Amount]) -> Terms:
    """Return prices and shares as a journal holds them."""
    return Terms(
        {place: _rate(price) for place, price in prices.items()},
        {place: Share(share.tokens, share.cost) for place, share in shares.items()},
    )


def _rate(price: Price) -> Rate:
    each = {name: OneRate(*_written(one)) for name, one in price.each} if isinstance(price, Dearest) else {}
    return Rate(*_written(price), each)


def _written(price: Price) -> tuple[str, str, str | None]:
    return str(price.input), str(price.output), None if price.cached_input is None else str(price.cached_input)


def read_prices(rates: Mapping[str, Rate]) -> dict[str, Price]:
    """Return the prices that a journal holds.

    Raises ValueError: if one is no price.
    """
    return {place: _price(rate) for place, rate in rates.items()}


def _price(rate: Rate) -> Price:
    if not rate.each:
        return _one(rate)
    return Dearest(
        rate.input, rate.output, rate.cached_input, tuple((name, _one(each)) for name, each in rate.each.items())
    )


def _one(rate: OneRate) -> Price:
    return Price(rate.input, rate.output, rate.cached_input)


def read_shares(shares: Mapping[str, Share]) -> dict[str, Amount]:
    """Return the shares that a journal holds."""
    return {place: Amount(share.tokens, share.cost) for place, share in shares.items()}
