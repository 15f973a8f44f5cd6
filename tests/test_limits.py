"""Limits: what is a bound and what is not."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fsm_orch.limits import CallLimits, Limits

COUNTS = [(Limits, "hops"), (Limits, "tokens"), (CallLimits, "max_input_tokens"), (CallLimits, "max_output_tokens")]
SECONDS = [(Limits, "deadline_s"), (Limits, "visit_s")]
NOT_FINITE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(("model", "name"), COUNTS)
@pytest.mark.parametrize("value", [*NOT_FINITE, -1, True, False, "8", 8.0, 8.5, Decimal(8), None])
def test_counts_are_plain_integers(model: Any, name: str, value: object) -> None:
    """A count is a non-negative int and nothing that could be taken for one."""

    with pytest.raises(ValidationError, match=name):
        model(**{name: value})


def test_a_limit_that_is_unknown_is_told_which_there_are() -> None:
    """Other libraries name theirs otherwise, such as max_turns."""
    with pytest.raises(ValidationError, match=r"max_tokens\n *there is no such limit, but hops, tokens, cost_usd, "):
        Limits(max_tokens=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", [1, None, ("hops",)])
def test_a_name_may_be_of_any_type(name: Any) -> None:
    """It is told as it is written, without the value that came for it."""
    with pytest.raises(ValidationError, match="there is no such limit") as refused:
        Limits.model_validate({name: "private"})

    assert [(str(name),)] == [each["loc"] for each in refused.value.errors()]
    assert "private" not in str(refused.value)


@pytest.mark.parametrize(("model", "name"), SECONDS)
@pytest.mark.parametrize("value", [*NOT_FINITE, 0, -1, -0.0, None, "soon", "nan", True, "60"])
def test_seconds_are_positive_and_finite(model: Any, name: str, value: object) -> None:
    """Seconds are a finite number above 0; bools and strings are no numbers."""

    with pytest.raises(ValidationError, match=name):
        model(**{name: value})


@pytest.mark.parametrize("value", [*NOT_FINITE, "nan", "sNaN", "inf", -1, "-0.01", True, "five"])
def test_cost_is_finite_and_not_negative(value: Any) -> None:
    """A cost is a finite number of dollars, 0 or more."""

    with pytest.raises(ValidationError, match="cost_usd"):
        Limits(cost_usd=value)


@pytest.mark.parametrize("model", [Limits, CallLimits])
def test_unknown_limits_are_refused(model: Any) -> None:
    """A misspelt limit is refused, instead of leaving its default on."""

    with pytest.raises(ValidationError, match="hop_s"):
        model(hop_s=1)


@pytest.mark.parametrize(("limits", "name"), [(Limits(), "hops"), (CallLimits(), "max_input_tokens")])
def test_limits_are_frozen(limits: Any, name: str) -> None:
    """A limit cannot be raised once it is declared."""

    with pytest.raises(ValidationError, match="frozen"):
        setattr(limits, name, 10**6)


@given(st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False))
def test_micro_dollars_round_down(cost: Decimal) -> None:
    """A cost limit in micro-dollars never exceeds the dollars declared, and is the greatest that does not."""

    assert math.floor(Fraction(cost) * 10**6) == Limits(cost_usd=cost).cost_micros


def test_micro_dollars_round_down_beyond_the_decimal_context() -> None:
    """A cost with more digits than the decimal context keeps is rounded down too, never up."""

    assert 0 == Limits(cost_usd="0.000000" + "9" * 31).cost_micros


@pytest.mark.parametrize("cost", ["1e30", "1e999999"])
def test_huge_costs_are_bounds_or_refused(cost: str) -> None:
    """A cost is refused when it is declared, or has its exact micro-dollars; it never fails later."""

    try:
        limits = Limits(cost_usd=cost)
    except ValidationError:
        return

    assert math.floor(Fraction(cost) * 10**6) == limits.cost_micros


def test_no_cost_limit_has_no_micro_dollars() -> None:
    """Without a cost limit there are no micro-dollars, which is not the same as 0."""

    assert None is Limits().cost_micros
    assert 0 == Limits(cost_usd=0).cost_micros


def test_safe_defaults_are_on() -> None:
    """Without a word there are 8 hops, 10,000 tokens, 60 s a run and 10 s a visit."""

    expected = {"hops": 8, "tokens": 10_000, "cost_usd": None, "deadline_s": 60.0, "visit_s": 10.0}

    assert expected == Limits().model_dump()


def test_hops_have_an_end() -> None:
    """More hops than any bound is computed for are refused by name, at once."""
    assert 10_000 == Limits(hops=10_000).hops

    with pytest.raises(ValidationError, match=r"hops\n.*less than or equal to 10000"):
        Limits(hops=10_001)
