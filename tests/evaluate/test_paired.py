"""Two measurements of the same queries: what differs, and whether it may be chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fsm_orch.evaluate.paired import Outcome, exact_p, interval, paired


def outcome(text: str, *, reached: str = "a", tokens: int = 1) -> Outcome:
    return Outcome(text=text, expected="a", reached=reached, is_right=reached == "a", tokens=tokens, cost=1)


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_test_is_the_exact_binomial_one(gained: int, lost: int) -> None:
    """It agrees with SciPy's, and does not care which side is which."""
    known = stats.binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0

    assert exact_p(gained, lost) == pytest.approx(known)
    assert exact_p(gained, lost) == exact_p(lost, gained)


def test_thousands_of_queries_are_tested() -> None:
    """Where powers of two are beyond every float."""
    assert 0 <= exact_p(4_000, 1_000) < 1e-300
    assert 1 == exact_p(3_000, 3_000)


def test_the_figures_are_those_that_were_published() -> None:
    """Of Cavo's 161 patients: 59 are right on both sides, 6 and 16 on one alone, and 80 on none."""
    # Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables (2017), chapter 8, as the tests of its R
    # package have them: ocbe-uio/contingencytables, tests/testthat/test-ch8.R, of Newcombe_square_and_add_CI_paired_2x2
    # and McNemar_exact_cond_test_paired_2x2
    assert (-0.0621, -0.1186, -0.0046) == pytest.approx(interval(59, 6, 16, 161), abs=5e-5)
    assert 0.052479 == pytest.approx(exact_p(6, 16), abs=5e-7)


def test_an_almost_even_split_is_certainly_chance() -> None:
    """Of 7 and 6 the exact p-value is 1, as rsquaredacademy/inferr has it in tests/testthat/test-mcnemar.R."""
    assert 1.0 == exact_p(7, 6)


def test_of_no_query_nothing_is_known() -> None:
    """The interval is as wide as it can be."""
    assert (0.0, -1.0, 1.0) == interval(0, 0, 0, 0) == paired([], []).difference


@given(*[st.integers(0, 60)] * 4)
def test_the_interval_holds_the_difference(right: int, gained: int, lost: int, neither: int) -> None:
    """It lies within -1 and 1, holds what was seen, and turns over with the sides."""
    of = right + gained + lost + neither
    change, low, high = interval(right, gained, lost, of)
    turned = interval(right, lost, gained, of)

    assert -1 <= low <= change <= high <= 1
    assert (-change, -high, -low) == pytest.approx(turned)


@given(st.lists(st.sampled_from("xyz")), st.lists(st.sampled_from("xyz")))
def test_each_query_is_paired_once(before: list[str], now: list[str]) -> None:
    """Also one that stands several times; the others are counted."""
    found = paired([outcome(text) for text in before], [outcome(text, reached="b") for text in now])
    common = sum(min(before.count(text), now.count(text)) for text in "xyz")

    assert (common, len(before) + len(now) - 2 * common) == (len(found.pairs), found.unpaired)
    assert (0, common) == (found.gained, found.lost)
    assert all(pair.before.text == pair.now.text for pair in found.pairs)


@given(st.lists(st.sampled_from("xyz")), st.lists(st.sampled_from("xyz")))
def test_the_first_of_a_query_is_paired_with_its_first(before: list[str], now: list[str]) -> None:
    """The second with its second, and so on, in the order of the second measurement."""
    sides = [[outcome(text, tokens=number) for number, text in enumerate(texts)] for texts in (before, now)]
    found = [(pair.before.tokens, pair.now.tokens) for pair in paired(*sides).pairs]

    for each in "xyz":
        places = [[number for number, text in enumerate(texts) if text == each] for texts in (before, now)]
        assert list(zip(*places, strict=False)) == [(old, new) for old, new in found if now[new] == each]
    assert sorted(new for _, new in found) == [new for _, new in found]


def test_two_wrong_states_are_a_disagreement() -> None:
    """Neither is right, and they are not the same."""
    (pair,) = paired([outcome("x", reached="b")], [outcome("x", reached="c")]).pairs

    assert not pair.is_same
