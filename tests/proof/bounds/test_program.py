"""The prices that the linear program finds."""

import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.roads import Stop, charged, paths, road, small

from fsm_orch.errors import CertificateError
from fsm_orch.proof.bounds.program import best_tolls
from fsm_orch.proof.bounds.skeleton import skeleton, worst_cases
from fsm_orch.proof.bounds.tolls import Tolls

PING_PONG = road({"a": 1, "b": Stop(100, max_visits=2)}, [("a", "b"), ("b", "a")])


def reduced(definition):
    return skeleton(definition, definition.limits), worst_cases(definition, definition.limits, {}, {})["tokens"]


def total(definition, prices):
    return Tolls(*reduced(definition), prices).total


@given(st.randoms(use_true_random=False), st.fractions(0, 3_000, max_denominator=64))
def test_any_prices_bound_every_path(random, price):
    """Whatever the prices, good, bad or none, no path is charged more than the bound that follows."""
    definition = small(random)
    numbers, cost = reduced(definition)
    worst = max(charged(definition, path) for path in paths(definition))

    for prices in (
        {},
        dict.fromkeys(numbers.scarce, price),
        best_tolls(numbers, cost),
        best_tolls(numbers, cost, layered_up_to=0),
    ):
        assert worst <= total(definition, prices)


@given(st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_best_prices_are_the_best(random, other):
    """No other prices prove less, but for what rounding takes: at most 1 in 64 squared on each visit, and the nudge."""
    definition = small(random)
    numbers, cost = reduced(definition)
    drawn = {state: Fraction(other.choice([0, 1, 10, 100, 700, 2_304])) for state in sorted(numbers.scarce)}

    best = total(definition, best_tolls(numbers, cost))

    assert best <= total(definition, drawn) + 1
    assert best <= total(definition, {}) + 1
    assert best <= total(definition, best_tolls(numbers, cost, layered_up_to=0)) + 1


def test_a_price_is_what_a_visit_is_worth():
    """Round and round two states, a visit of the scarce one is worth its cost and the visit between."""
    assert best_tolls(*reduced(PING_PONG)) == {"b": 101}
    assert total(PING_PONG, {"b": Fraction(101)}) == 203


def test_what_nothing_hangs_on_has_no_price():
    """A limit of visits that the hops keep anyway is not priced."""
    definition = road({"a": Stop(1, max_visits=9), "b": Stop(100, max_visits=3)}, [("a", "b"), ("b", "a")], hops=6)

    assert best_tolls(*reduced(definition)) == {"b": 0}


def test_prices_may_be_fractions():
    """Prices are rounded to small fractions, as exact as the program's own where those are small."""
    stops = {"a": Stop(10, max_visits=1), "b": 30, "c": Stop(40, max_visits=1), "d": Stop(20, max_visits=2)}
    edges = [("a", "b"), ("b", "b"), ("b", "d"), ("c", "c"), ("c", "d"), ("d", "b"), ("d", "c")]
    definition = road(stops, edges, hops=6)

    assert best_tolls(*reduced(definition)) == {"c": Fraction(20, 3), "d": 0}
    assert total(definition, {"c": Fraction(20, 3)}) == Fraction(500, 3)


def test_no_solver_no_prices(monkeypatch):
    """Where SciPy is needed and not there, the message says what to install."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)

    with pytest.raises(CertificateError, match=r"pip install -e '\.\[proof\]'"):
        best_tolls(*reduced(PING_PONG))


def test_a_solver_is_not_always_needed(monkeypatch):
    """Where no visits can run out, where nothing costs anything and where nothing follows there is nothing to price."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)

    assert best_tolls(*reduced(road({"a": 1, "b": 1}, [("a", "b"), ("b", "a")]))) == {}
    assert best_tolls(*reduced(road({"a": 0, "b": Stop(0, max_visits=2)}, [("a", "b"), ("b", "a")]))) == {"b": 0}
    assert best_tolls(*reduced(road({"a": 1, "b": Stop(1, max_visits=2)}, []))) == {"b": 0}


def test_a_solver_that_fails_leaves_a_bound(monkeypatch):
    """A program that is not solved leaves every price at 0, and the bound as hops alone make it."""
    monkeypatch.setattr("scipy.optimize.linprog", lambda *_: type("Unsolved", (), {"x": None}))

    assert best_tolls(*reduced(PING_PONG)) == {"b": 0}
    assert total(PING_PONG, {"b": Fraction(0)}) == 4 * 101
