"""What runs use at most, as an exploration tells it."""

from __future__ import annotations

from fractions import Fraction

from support.explored import Careless, Dear

from fsm_orch import Limits
from fsm_orch.amounts import Price
from fsm_orch.proof.explore.exploration import explore


def test_a_trace_tells_what_every_turn_cost() -> None:
    """Calls, reservations and what is settled are told turn by turn, at the limits and prices that were given."""
    prices = {"triage": Price(Fraction(3), Fraction(15))}
    found = explore(Careless.definition, prices=prices)

    trace = found.measures.tokens.trace
    assert (600, 6, 3 * 2 * 540) == (
        found.measures.tokens.amount,
        found.measures.calls.amount,
        found.measures.cost.amount,
    )
    assert [(100, 100), (), (100, 100), (), (100, 100)] == [turn.calls for turn in trace.legs]
    assert [200, 200, 400, 400, 600] == [turn.settled for turn in trace.legs]
    assert [100, 0, 100, 0, 100] == [turn.reserved for turn in trace.legs]
    assert [0, 1, 2, 3, 4] == [turn.hops for turn in trace.legs]
    assert (600, 3_240, 6) == (trace.settled, trace.cost, trace.calls)


def test_a_limit_of_money_is_kept_too() -> None:
    """With a price and a limit of cost, what could not be paid is not done."""
    prices = {"triage": Price(Fraction(3), Fraction(15))}
    limits = Limits(hops=6, tokens=10_000, cost_usd="0.0017")

    found = explore(Careless.definition, prices=prices, limits=limits)

    assert found.measures.is_tight
    assert 1_620 == found.measures.cost.amount
    assert () == found.broken


def test_little_usage_opens_what_the_maximum_closes() -> None:
    """Where the ledger may deny something, calls that use nothing are explored as well as those that use all."""
    tight = explore(Dear.definition, limits=Limits(hops=3, tokens=100))
    fits = explore(Dear.definition)

    assert (True, False) == (tight.measures.is_tight, fits.measures.is_tight)
    assert {"cheap", "dear", "done", "human"} == set(tight.reached)
    assert (70, 110) == (tight.measures.tokens.amount, fits.measures.tokens.amount)
    assert tight.configurations > 0
