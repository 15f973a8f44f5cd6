"""Rules about limits: they admit a run, a visit of each state, and an end."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from support.declared import case, load, machine, shows

from fsm_orch import Limits
from fsm_orch.amounts import Price
from fsm_orch.define.rules.start import start_objection

MODEL = "State(model(), initial=True)"


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "a run has a hop to land with",
            "a run needs at least 1 hop, to land; the limit is 0",
            "limits = Limits(hops=0)",
            found="FSM119",
        ),
        case(
            "a run can pay its first call",
            "the first call of 'a' may take 2,304 tokens; the limit is 2,303 tokens",
            "limits = Limits(tokens=2_303)",
            a=MODEL,
            found="FSM119",
        ),
        case(
            "a run can pay the first call of each other state",
            "the first call of 'b' may take 2,304 tokens, a run 2,303",
            """
            b = State(model())  # FSM119
            to_b = a.to(b)
            b_end = b.to(done, "when done")
            limits = Limits(tokens=2_303)
            """,
        ),
        case(
            "a run has hops to reach an end but the fallback",
            "the shortest way to an end other than the fallback takes 2 hops, and a run has 1: a -> b -> done",
            """
            a = State(work, initial=True)
            b = State(work)
            give_up = a.to(human)
            to_b = a.to(b)
            end = b.to(done)
            limits = Limits(hops=1)
            """,
            a=None,
            found="FSM119",
        ),
    ],
)
def test_limits_that_admit_no_run(problem: str, source: str, path: Path) -> None:
    """Limits within which nothing could start, be entered or end well are found at the class or the state."""
    shows(path, source, problem)


def test_limits_admit_what_they_just_hold(path: Path) -> None:
    """Limits are inclusive: one hop, and exactly the first call's tokens, are a run."""
    body = "b = State(model()); high = a.to(b, 'if', guard=is_high); b_end = b.to(done, 'else'); "

    assert load(path, machine(f"{body}limits = Limits(hops=1, tokens=2_304)", a=MODEL)).M


def test_a_start_without_a_cost_limit_mentions_none(path: Path) -> None:
    """Where money is not limited, an objection to the start speaks of no limit of $0."""
    reason = start_objection(load(path, machine(a=MODEL)).M.definition, Limits(tokens=1))

    assert reason is not None
    assert re.search(r"limits? (is|are) 1\b", reason)
    assert "and $0" not in reason.partition("limits")[2]


def test_a_start_that_money_cannot_pay_is_told_in_dollars(path: Path) -> None:
    """With the price of its model, the first call is held against the limit of money as well."""
    definition = load(path, machine(a=MODEL)).M.definition
    limits, prices = Limits(cost_usd="0.001"), {"a": Price(Fraction(1), Fraction(1))}

    assert start_objection(definition, limits, prices) == (
        "the first call of 'a' may take 2,304 tokens and $0.002304; the limit is 10,000 tokens and $0.001"
    )
    assert start_objection(definition, Limits(cost_usd="0.002304"), prices) is None
    assert "and $0.00001" == (start_objection(definition, Limits(cost_usd="0.00001"), prices) or "")[-12:]
