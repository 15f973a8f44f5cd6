"""Messages: which usage is believed."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.amounts import MOST_TOKENS, Usage, trusted_usage


class Count(enum.IntEnum):
    ONE = 1


class LyingInt(int):
    def __add__(self, other: object) -> int:
        return 0


usages = st.builds(
    Usage, requests=st.integers(0, 9), input_tokens=st.integers(0, 9**9), output_tokens=st.integers(0, 9**9)
)


@given(st.integers(0, MOST_TOKENS), st.integers(0, MOST_TOKENS))
def test_plain_counts_are_believed(input_tokens: int, output_tokens: int) -> None:
    """Two plain non-negative integers are the usage of one request."""

    expected = Usage(requests=1, input_tokens=input_tokens, output_tokens=output_tokens)

    assert expected == trusted_usage(input_tokens, output_tokens)


@pytest.mark.parametrize(
    "count", [-1, True, False, "12", 12.0, float("nan"), None, Decimal(1), Count.ONE, LyingInt(3), [], MOST_TOKENS + 1]
)
def test_anything_else_is_not_believed(count: Any) -> None:
    """A count that is no plain non-negative integer makes the whole usage unknown, on either side."""

    assert None is trusted_usage(count, 1)
    assert None is trusted_usage(1, count)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()), st.integers())
def test_usage_is_never_half_believed(input_tokens: Any, output_tokens: int) -> None:
    """Usage is believed exactly if both counts are plain and not negative."""

    expected = type(input_tokens) is int and 0 <= input_tokens <= MOST_TOKENS and 0 <= output_tokens <= MOST_TOKENS

    assert expected == (trusted_usage(input_tokens, output_tokens) is not None)


@given(usages, usages)
def test_usages_add_up(one: Usage, other: Usage) -> None:
    """Adding usages adds every count."""

    total = one + other

    assert one.requests + other.requests == total.requests
    assert one.input_tokens + other.input_tokens == total.input_tokens
    assert one.output_tokens + other.output_tokens == total.output_tokens
    assert one.total_tokens + other.total_tokens == total.total_tokens
    assert one == one + Usage()
