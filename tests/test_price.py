"""Prices: exact numbers of dollars, in whatever exact form they are given."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.amounts import Price

DOLLARS = st.decimals(min_value=0, max_value=10_000, places=4)


@given(DOLLARS, DOLLARS)
def test_a_price_is_the_same_in_every_exact_form(one: Decimal, other: Decimal) -> None:
    """A price given as text, Decimal or Fraction is one price, down to the last micro-dollar."""
    prices = {Price(str(one), str(other)), Price(one, other), Price(Fraction(one), Fraction(other))}

    assert {Price(Fraction(one), Fraction(other))} == prices


@pytest.mark.parametrize("wrong", [0.25, True, None, b"1", [1]])
def test_what_is_not_exact_is_no_price(wrong: Any) -> None:
    """A float, or what is no number at all, is refused where the price is made, with what to write instead."""
    with pytest.raises(TypeError, match=r"the output of a price is exact, not a \w+: Price\('0.25', '2.00'\)"):
        Price(1, wrong)


@pytest.mark.parametrize("wrong", ["free", "", Decimal("NaN"), Decimal("Infinity"), "nan"])
def test_what_is_not_finite_is_no_price(wrong: Any) -> None:
    """A text that is no number, or one without end, is refused where the price is made."""
    with pytest.raises(ValueError, match="the input of a price is no finite number"):
        Price(wrong, 1)


@pytest.mark.parametrize("dollars", [(-1, 1), (1, "-0.1"), (1, 1, Decimal(-1))])
def test_a_price_is_not_negative(dollars: tuple[Any, ...]) -> None:
    """A negative price is refused: with it more calls would cost less, and no bound would hold."""
    with pytest.raises(ValueError, match="is negative: give dollars per million tokens"):
        Price(*dollars)
