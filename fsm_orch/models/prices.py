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

from ..amounts import FREE, Price

_INPUT = ("input_mtok",)
"""Text that is read; what is read from a cache is never dearer."""
_CACHED = ("cache_write_mtok",)
"""Text that is read and written to a cache, at a higher price; some providers do so unasked."""
_OUTPUT = ("output_mtok", "output_reasoning_mtok")
_BESIDES = ("requests_kcount", "output_citation_mtok")
"""Charges that no count of input and output tokens covers."""


def price_by_name(name: str) -> Price | None:
    """Give the price of a model as its adapter would take it, without its SDK, key or weights; None if not known.

    Keep in sync with the adapters, each of which asks for its own.

    Args:
        name: `provider:model`.
    """
    provider, _, model = name.partition(":")
    match provider:
        case "local":
            return FREE
        case "openai" | "openai-chat":
            return price_of("openai", model)
        case "anthropic":
            return price_of("anthropic", model, max_input_tokens=200_000, writes_cache=False)
        case _:
            return None


def price_of(
    provider: str,
    model: str,
    *,
    max_input_tokens: int | None = None,
    writes_cache: bool = True,
    at: datetime | None = None,
) -> Price | None:
    """Give the price of a model; None if it is not known, or not a price of tokens alone.

    Of tiers by input length, of prices by the hour of the day (over the 24 hours from `at`) and of plain and
    cache-writing input, the dearest that may apply is taken.

    Args:
        provider: as in `genai_prices`, such as `openai`.
        model: the provider's name of the model.
        max_input_tokens: the largest input of one call, which tiers that start there or above do not reach;
            None: not known, so that every tier may apply.
        writes_cache: False if the provider writes its cache only when asked, and is not asked.
        at: when it is called; None: now.
    """
    start = at or datetime.now(UTC)
    keys = _INPUT + _CACHED if writes_cache else _INPUT
    try:
        tables = [_table(provider, model, start + timedelta(hours=hour)) for hour in range(24)]
    except LookupError:
        return None
    if not all(map(_is_of_tokens, tables)):
        return None
    return Price(
        max(rate for table in tables for rate in _rates(table, keys, max_input_tokens)),
        max(rate for table in tables for rate in _rates(table, _OUTPUT, max_input_tokens)),
    )


def _table(provider: str, model: str, at: datetime) -> ModelPrice:
    return calc_price(Usage(), model, provider_id=provider, genai_request_timestamp=at).model_price


def _is_of_tokens(table: ModelPrice) -> bool:
    """Tell whether input and output tokens have a price, and nothing else is charged."""
    return None not in (table.input_mtok, table.output_mtok) and not any(getattr(table, key) for key in _BESIDES)


def _rates(table: ModelPrice, keys: tuple[str, ...], max_input_tokens: int | None) -> Iterator[Fraction]:
    """Give every dollar rate a million tokens that the keys may be charged at."""
    for key in keys:
        rate: Decimal | TieredPrices | None = getattr(table, key)
        if isinstance(rate, TieredPrices):
            yield Fraction(rate.base)
            # A tier is one of the whole call, and applies to inputs longer than its start.
            yield from (Fraction(t.price) for t in rate.tiers if max_input_tokens is None or t.start < max_input_tokens)
        elif rate is not None:
            yield Fraction(rate)
