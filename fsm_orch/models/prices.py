"""What tokens cost, from the price table that `genai_prices` brings along; nothing is fetched.

A price here is an upper bound, so that money is never undercounted: of several prices that may apply to a token
the dearest is taken. It is as good as the installed table; pin its version to pin prices.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from genai_prices import Usage, calc_price
from genai_prices.types import ModelPrice, TieredPrices

from ..budget import Price

_INPUT = ("input_mtok", "cache_write_mtok")
"""Text that is read; some providers write their cache unasked, at a higher price."""
_OUTPUT = ("output_mtok", "output_reasoning_mtok")
_BESIDES = ("requests_kcount", "output_citation_mtok")
"""Charges that no count of input and output tokens covers."""


def price_of(provider: str, model: str, *, at: datetime | None = None) -> Price | None:
    """Give the price of a model; None if it is not known, or not a price of tokens alone.

    Of tiers by input length, of prices by the hour of the day (over the 24 hours from `at`) and of plain and
    cache-writing input, the dearest is taken.

    Args:
        provider: as in `genai_prices`, such as `openai`.
        model: the provider's name of the model.
        at: when it is called; None: now.
    """
    start = at or datetime.now(UTC)
    try:
        prices = [_price_at(provider, model, start + timedelta(hours=hour)) for hour in range(24)]
    except LookupError:
        return None
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        return None
    return Price(max(price.input for price in known), max(price.output for price in known))


def _price_at(provider: str, model: str, at: datetime) -> Price | None:
    table = calc_price(Usage(), model, provider_id=provider, genai_request_timestamp=at).model_price
    if table.input_mtok is None or table.output_mtok is None or any(getattr(table, key) for key in _BESIDES):
        return None
    return Price(max(_rates(table, _INPUT)), max(_rates(table, _OUTPUT)))


def _rates(table: ModelPrice, keys: tuple[str, ...]) -> Iterator[Fraction]:
    """Give every dollar rate a million tokens that the keys may be charged at."""
    for key in keys:
        rate: Decimal | TieredPrices | None = getattr(table, key)
        if isinstance(rate, TieredPrices):
            yield from map(Fraction, [rate.base, *(tier.price for tier in rate.tiers)])
        elif rate is not None:
            yield Fraction(rate)
