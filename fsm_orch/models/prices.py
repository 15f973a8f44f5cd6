"""What tokens cost, from the price table inside the package `genai_prices`; nothing is fetched.

A price here is an upper bound: where several prices may apply to a token, the highest counts, so that money is never
undercounted. It is as good as the installed table; pin the version of `genai_prices` to pin prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

from ..amounts import FREE, Price, dearest

ANTHROPIC_MAX_INPUT_TOKENS = 200_000
"""The largest input, by default, of a call to Anthropic; above it some of its models cost twice as much."""

_INPUT = ("input_mtok",)
"""The price of plain input."""
_CACHE_READ = ("cache_read_mtok",)
"""The price of input that is read from a cache."""
_CACHE_WRITE = ("cache_write_mtok",)
"""The higher price of input that is also written to a cache; some providers do that unasked."""
_OUTPUT = ("output_mtok", "output_reasoning_mtok")
_OTHER_CHARGES = ("requests_kcount", "output_citation_mtok")
"""Charges that no count of input and output tokens covers, so that a model with one has no price here."""


def price_by_name(name: str) -> Price | None:
    """Return the price that the adapter of a model would use, without its SDK, key or weights; None: unknown.

    Args:
        name: `provider:model`; of several, with a comma between two, the dearest of each side.
    """
    if "," in name:
        return dearest_if_known({one: price_by_name(one) for one in name.split(",")})
    provider, _, model = name.partition(":")
    match provider:
        case "local":
            return FREE
        case "openai" | "openai-chat":
            return openai_price(model)
        case "anthropic":
            return anthropic_price(model)
        case "pydantic-ai":
            return bridged_price(model)
        case _:  # a compatible server, whose prices only its operator knows
            return None


def priced_names() -> Iterator[str]:
    """Yield the models, `provider:model`, that the table knows of providers that have an adapter of the same name."""
    for known in get_snapshot().providers:
        if known.id in ("openai", "anthropic"):
            yield from (f"{known.id}:{model.id}" for model in known.models)


def context_window(name: str) -> int | None:
    """Return how many tokens one request to a model may hold, by the table of `genai_prices`; None: unknown.

    Args:
        name: `provider:model`.
    """
    provider, _, model = name.partition(":")
    for known in get_snapshot().providers:
        if known.id == {"openai-chat": "openai"}.get(provider, provider):
            found = known.find_model(model)
            return found.context_window if found else None
    return None


def dearest_if_known(prices: Mapping[str, Price | None]) -> Price | None:
    """Return the dearest price of each side of several models; None if one is not known.

    Args:
        prices: one or more, by the name of the model.
    """
    known = {name: price for name, price in prices.items() if price is not None}
    return dearest(known) if len(known) == len(prices) else None


def openai_price(model: str) -> Price | None:
    """Return the price of one of OpenAI's models, by OpenAI itself; None: unknown."""
    return price_of("openai", model)


def anthropic_price(model: str, *, max_input_tokens: int = ANTHROPIC_MAX_INPUT_TOKENS) -> Price | None:
    """Return the price of one of Anthropic's models, by Anthropic itself; None: unknown.

    Args:
        max_input_tokens: the largest input of one call, which keeps the price of long inputs out.
    """
    # The adapter sends no `cache_control`, and without it Anthropic writes nothing to a cache.
    return price_of("anthropic", model, max_input_tokens=max_input_tokens, writes_cache=False)


_THEIRS: Mapping[str, str | None] = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "google-cloud": "google",
    "xai": "x-ai",
    "azure-responses": "azure",
    **dict.fromkeys(("litellm", "ollama", "vllm"), None),
}
"""Provider in pydantic-ai -> in `genai_prices`, where that is another; None: whose prices only its operator knows."""


def bridged_price(name: str) -> Price | None:
    """Return the price of a model of pydantic-ai; None: unknown.

    Args:
        name: pydantic-ai's, such as `google:gemini-2.5-flash`.
    """
    provider, _, model = name.partition(":")
    theirs = _THEIRS.get(provider, provider)
    if theirs == "anthropic":
        return anthropic_price(model)
    return price_of(theirs, model) if theirs else None


def price_of(
    provider: str,
    model: str,
    *,
    max_input_tokens: int | None = None,
    writes_cache: bool = True,
    at: datetime | None = None,
) -> Price | None:
    """Return the price of a model; None if it is unknown, or the model charges for more than tokens.

    The highest price that may apply is taken: of the tiers by input length, of the hours of the day (the 24 from
    `at`), and of input with and without a write to the cache.

    Args:
        provider: as in `genai_prices`, such as `openai`.
        model: the provider's name of the model.
        max_input_tokens: the largest input of one call; tiers that start there or above are left out. None: unknown,
            so that every tier may apply.
        writes_cache: False if the provider writes to its cache only when asked, and is not asked.
        at: when the model is called; None: now.
    """
    start = at or datetime.now(UTC)
    keys = _INPUT + _CACHE_WRITE if writes_cache else _INPUT
    try:  # a whole day: some prices change by the hour, and a run may go on past the change
        tables = [_table(provider, model, start + timedelta(hours=hour)) for hour in range(24)]
    except LookupError:
        return None
    if not all(map(_is_of_tokens, tables)):
        return None
    cached = [max(_rates(table, _CACHE_READ, max_input_tokens), default=None) for table in tables]
    dearest = None if None in cached else max(rate for rate in cached if rate is not None)
    given = max(rate for table in tables for rate in _rates(table, keys, max_input_tokens))
    return Price(
        given if dearest is None else max(given, dearest),
        max(rate for table in tables for rate in _rates(table, _OUTPUT, max_input_tokens)),
        dearest,
    )


def _table(provider: str, model: str, at: datetime) -> ModelPrice:
    return calc_price(Usage(), model, provider_id=provider, genai_request_timestamp=at).model_price


def _is_of_tokens(table: ModelPrice) -> bool:
    """Return whether input and output tokens have a price and nothing else is charged."""
    return None not in (table.input_mtok, table.output_mtok) and not any(getattr(table, key) for key in _OTHER_CHARGES)


def _rates(table: ModelPrice, keys: tuple[str, ...], max_input_tokens: int | None) -> Iterator[Fraction]:
    """Yield every price, in dollars a million tokens, that the keys may be charged at.

    Exact fractions, never floats: those round, and NaN passes every comparison with a limit.
    """
    for key in keys:
        rate: Decimal | TieredPrices | None = getattr(table, key)
        if isinstance(rate, TieredPrices):
            yield Fraction(rate.base)
            # A tier prices the whole call, not only the tokens above its start.
            yield from (Fraction(t.price) for t in rate.tiers if max_input_tokens is None or t.start < max_input_tokens)
        elif rate is not None:
            yield Fraction(rate)
