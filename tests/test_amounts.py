"""What providers and models report as used: what is believed of it, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Usage
from fsm_orch.amounts import (
    MOST_TOKENS,
    Allowance,
    Amount,
    believed,
    dollars,
    in_words,
    is_count,
    padded_dollars,
    trusted_usage,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, True),
        (MOST_TOKENS, True),
        (MOST_TOKENS + 1, False),
        (-1, False),
        (True, False),
        (1.0, False),
        ("1", False),
        (None, False),
    ],
)
def test_a_number_of_tokens_is_a_plain_integer(value: object, expected: bool) -> None:
    """It is none below 0, above what any request has, or of another type that only looks like one."""

    assert expected is is_count(value)


@pytest.mark.parametrize(
    ("cached", "expected"),
    [(0, 0), (4, 4), (10, 10), (11, 0), (-1, 0), (True, 0), (4.0, 0), ("4", 0), (None, 0), (float("nan"), 0)],
)
def test_input_from_a_cache_is_believed_if_it_is_a_part(cached: Any, expected: int) -> None:
    """What is no count, or more than the whole input, counts as none; then all of it costs its full price."""
    usage = Usage(requests=1, input_tokens=10, output_tokens=2, cached_input_tokens=expected)

    assert usage == trusted_usage(10, 2, cached)
    assert usage == believed(Usage(requests=7, input_tokens=10, output_tokens=2, cached_input_tokens=cached))


def test_nothing_comes_from_a_cache_unless_it_is_said() -> None:
    """A provider that tells no number of cached tokens is charged at the full price."""

    assert Usage(requests=1, input_tokens=10, output_tokens=2) == trusted_usage(10, 2)


@pytest.mark.parametrize(("input_tokens", "output_tokens"), [(-1, 2), (10, -1), (None, 2), (10, None), (True, 2)])
def test_usage_without_its_counts_is_unknown(input_tokens: Any, output_tokens: Any) -> None:
    """One count that is none makes the whole unknown, and an unknown one is charged in full."""

    assert None is trusted_usage(input_tokens, output_tokens, 0)


@pytest.mark.parametrize(
    ("micros", "written"),
    [
        (0, "$0"),
        (1, "$0.000001"),
        (10, "$0.00001"),
        (50_000, "$0.05"),
        (1_000_000, "$1"),
        (10**15 + 1, "$1000000000.000001"),
        (10_000_000, "$10"),
    ],
)
def test_dollars_are_written_exactly(micros: int, written: str) -> None:
    """Money is written down to the last micro-dollar, and never with an exponent."""
    assert written == dollars(micros)


@pytest.mark.parametrize("micros", [0, 1, 10, 730, 50_000, 999_999, 1_000_000, 10_000_000, 10**15 + 1])
def test_dollars_of_a_column_have_all_digits(micros: int) -> None:
    """They are the same amount, with six digits behind the point whatever they are."""
    whole, _, part = padded_dollars(micros).partition(".")

    assert (str(micros // 1_000_000), f"{micros % 1_000_000:06}") == (whole.removeprefix("$"), part)


def test_money_is_told_where_it_is_limited() -> None:
    """An amount is told in tokens, and in dollars beside them only where money has a limit, be that 0."""
    amount = Amount(2_304, 10)

    told = [in_words(amount, Allowance(1, cost)) for cost in (None, 0, 5)]

    assert ["2,304 tokens", "2,304 tokens and $0.00001", "2,304 tokens and $0.00001"] == told
