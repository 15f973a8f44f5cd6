"""Prices come from the installed table, are upper bounds, and are unknown rather than wrong."""

import socket
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st
from support.pinned import pinned

from fsm_orch.amounts import FREE, Price
from fsm_orch.models.prices import price_by_name, price_of

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pinned("genai-prices")
def test_plain_price() -> None:
    """A plain price is the table's dollars a million tokens."""

    assert Price(Fraction(1, 4), Fraction(2), Fraction(1, 40)) == price_of("openai", "gpt-5-mini", at=AT)


def test_dearest_tier() -> None:
    """Of prices by input length the dearest is taken, for nobody knows the length beforehand."""
    long = calc_price(Usage(input_tokens=10**6, output_tokens=0), "gemini-2.5-pro", provider_id="google")
    price = price_of("google", "gemini-2.5-pro", at=AT)

    assert price is not None
    assert Fraction(long.input_price) == price.input


@pinned("genai-prices")
def test_tiers_out_of_reach() -> None:
    """A tier that starts at the largest input, or above it, is not taken; one token more and it is."""
    exact = price_of("anthropic", "claude-sonnet-4-5", max_input_tokens=200_000, writes_cache=False, at=AT)
    long = price_of("anthropic", "claude-sonnet-4-5", max_input_tokens=200_001, writes_cache=False, at=AT)

    assert Price(Fraction(3), Fraction(15), Fraction(3, 10)) == exact
    assert Price(Fraction(6), Fraction(45, 2), Fraction(3, 5)) == long


@pinned("genai-prices")
def test_cache_is_not_written() -> None:
    """Writing the cache is left out of the price for who says that it is not asked for."""

    written = price_of("anthropic", "claude-haiku-4-5", at=AT)
    plain = price_of("anthropic", "claude-haiku-4-5", writes_cache=False, at=AT)

    assert Price(Fraction(5, 4), Fraction(5), Fraction(1, 10)) == written
    assert Price(Fraction(1), Fraction(5), Fraction(1, 10)) == plain


@pinned("genai-prices")
def test_input_from_a_cache() -> None:
    """Input that is read from a cache has a price of its own where the table knows one, and else that of any input."""
    known, unknown = price_of("openai", "gpt-5-mini", at=AT), price_of("openai", "gpt-4", at=AT)
    assert known is not None
    assert unknown is not None

    assert known.amount(1_000, 0, cached_input_tokens=1_000).cost * 10 == known.amount(1_000, 0).cost
    assert unknown.amount(1_000, 0, cached_input_tokens=1_000) == unknown.amount(1_000, 0)


@given(hours=st.integers(0, 23))
def test_dearest_hour(hours: int) -> None:
    """A price that depends on the hour of the day is the dearest one, whenever it is asked for."""

    assert price_of("deepseek", "deepseek-chat", at=AT) == price_of(
        "deepseek", "deepseek-chat", at=AT.replace(hour=hours)
    )


@given(
    model=st.sampled_from(
        [
            ("openai", "gpt-5-mini"),
            ("openai", "gpt-5.6-sol"),
            ("anthropic", "claude-sonnet-4-5"),
            ("google", "gemini-2.5-pro"),
            ("deepseek", "deepseek-reasoner"),
        ]
    ),
    input_tokens=st.integers(0, 10**6) | st.sampled_from([200_000, 200_001]),
    more_tokens=st.none() | st.just(0) | st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
    at=st.datetimes(datetime(2026, 11, 20), datetime(2026, 11, 21), timezones=st.just(UTC)),
)
def test_never_undercounted(
    model: tuple[str, str], input_tokens: int, more_tokens: int | None, output_tokens: int, cached: int, at: datetime
) -> None:
    """No call of the day costs more than its price says, if its input is no larger than was said."""
    provider, name = model
    cached = min(cached, input_tokens)
    largest = None if more_tokens is None else input_tokens + more_tokens
    price = price_of(provider, name, max_input_tokens=largest, writes_cache=False, at=AT.replace(hour=0))
    billed = calc_price(
        Usage(input_tokens=input_tokens, cache_read_tokens=cached, output_tokens=output_tokens),
        name,
        provider_id=provider,
        genai_request_timestamp=at,
    ).total_price

    assert price is not None
    assert price.amount(input_tokens, output_tokens, cached_input_tokens=cached).cost >= billed * Decimal(10**6)


@given(
    tokens=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)),
    model=st.sampled_from(["claude-sonnet-4-5", "claude-haiku-4-5"]),
)
def test_written_cache_is_counted(tokens: tuple[int, int, int], model: str) -> None:
    """Unless it is ruled out, a call may read and write its cache and costs no more than its price says."""
    _, written, read = tokens
    price = price_of("anthropic", model, at=AT)
    billed = calc_price(
        Usage(input_tokens=sum(tokens), cache_write_tokens=written, cache_read_tokens=read, output_tokens=1),
        model,
        provider_id="anthropic",
        genai_request_timestamp=AT,
    ).total_price

    assert price is not None
    assert price.amount(sum(tokens), 1, cached_input_tokens=read).cost >= billed * Decimal(10**6)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-nonsense"),
        ("openai", ""),
        ("nobody", "gpt-5-mini"),
        ("openai", "text-embedding-3-small"),
        ("perplexity", "sonar"),
    ],
)
def test_unknown(provider: str, model: str) -> None:
    """What is not in the table, makes no text, or costs something besides tokens, has no known price."""

    assert price_of(provider, model, at=AT) is None


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched."""
    monkeypatch.setattr(socket, "socket", None)

    assert price_of("openai", "gpt-5-nano") is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("local:smollm2", FREE),
        ("openai:gpt-5-mini", price_of("openai", "gpt-5-mini")),
        ("openai-chat:gpt-5-mini", price_of("openai", "gpt-5-mini")),
        (
            "anthropic:claude-sonnet-4-5",
            price_of("anthropic", "claude-sonnet-4-5", max_input_tokens=200_000, writes_cache=False),
        ),
        ("compatible:llama", None),
        ("openai:no-such-model", None),
    ],
)
def test_a_price_is_known_by_name(name, expected) -> None:
    """A name is enough to price a model: no key, no weights, no SDK."""
    assert price_by_name(name) == expected
