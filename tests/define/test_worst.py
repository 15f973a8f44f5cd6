"""The worst case of a run, from its numbers alone, and the shares that parts are moved."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.handfed import Asks, part
from support.random_machines import PLANS, Facts, Twins, build
from support.roads import Stop, road

from fsm_orch import Final, Limits, Machine, State
from fsm_orch.amounts import FREE, NOTHING, Amount, Price
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.define.worst import share_of, shares_of, within, worst_run
from fsm_orch.limits import CallLimits
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.testing import Tape

PRICE = Price(Fraction(2), Fraction(2))


class Small(Machine[Facts]):
    """Two calls of 100 tokens a visit, two visits."""

    look = State(
        Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=50, max_output_tokens=50)),
        initial=True,
        max_visits=2,
    )
    done = Final()
    human = Final(fallback=True)
    again = look.to(look)
    finish = look.to(done)
    limits = Limits(hops=8, tokens=1_000, cost_usd="0.0007")


class Middle(Machine[Facts]):
    """May run the small one twice."""

    fan = State(Asks(parts=(part(Small, 2),)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(done)
    limits = Limits(tokens=900)


class Large(Machine[Facts]):
    """May run the middle one."""

    fan = State(Asks(parts=(part(Middle, 1),)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(done)


def test_a_share_is_the_worst_case_or_the_limit() -> None:
    """Two visits are left though eight hops are: 400 tokens; the cost is more than its limit, and is held to it."""
    assert Amount(400) == share_of(Small.definition)
    assert Amount(400, 700) == share_of(Small.definition, {"look": PRICE})
    assert Amount(800, 1_400) == share_of(Middle.definition, {"fan.small.look": PRICE})


def test_every_share_of_the_tree_has_its_place() -> None:
    """Shares are named by where they are, from the machine that is asked down."""
    assert {"fan.middle": Amount(800), "fan.middle.fan.small": Amount(400)} == shares_of(Large.definition, {})
    prices = {"fan.middle.fan.small.look": PRICE, "fan.other.look": PRICE}

    assert {"fan.small.look": PRICE} == within(prices, "fan.middle")
    assert Amount(800, 1_400) == shares_of(Large.definition, prices)["fan.middle"]


@given(PLANS)
def test_the_worst_case_is_the_certified_one(plan: Tape) -> None:
    """No solver is needed for what a solver finds: on small machines both are exact."""
    definition = build(plan).definition
    visits = {name: state.spec.worst_case(FREE) for name, state in definition.states.items()}
    certificate = certify(definition)

    found = worst_run(definition, definition.limits, visits)

    assert found.tokens >= certificate.bounds["tokens"].witness.amount
    if certificate.bounds["tokens"].is_exact:
        assert found.tokens >= certificate.bounds["tokens"].bound


@pytest.mark.parametrize("hops", [1, 2, 3, 8])
def test_hops_bound_the_worst_case(hops: int) -> None:
    """With h hops there are h visits at most; a machine of code is charged nothing."""
    definition = road({"a": Stop(10), "b": Stop(20)}, [("a", "b"), ("b", "a")], hops=hops)
    visits = {"a": Amount(10), "b": Amount(20)}

    assert sum(([10, 20] * 4)[:hops]) == worst_run(definition, definition.limits, visits).tokens
    assert NOTHING == worst_run(definition, definition.limits, {"a": NOTHING, "b": NOTHING})


@given(st.integers(1, 5), st.integers(0, 4))
def test_grants_and_worst_cases_of_parts_are_sums(most: int, calls: int) -> None:
    """Without calls all parts are granted on entry; with some the first call is, and the worst case has both."""
    caps = CallLimits(max_input_tokens=7, max_output_tokens=3)
    spec = Asks(calls=calls, call_limits=caps, parts=(part(Small, most), part(Middle, 1))).spec
    parts = 400 * most + 800

    assert (10 if calls else parts) == spec.grant(FREE).tokens
    assert 10 * calls + parts == spec.worst_case(FREE).tokens
    shares = {"small": Amount(1, 2), "middle": Amount(3, 4)}
    assert Amount(10 * calls + most + 3, most * 2 + 4) == spec.worst_case(FREE, shares)


def test_what_is_no_part_is_refused() -> None:
    """A part has a name that is an identifier, runs once at least, and shares its name with nothing else."""
    with pytest.raises(ValueError, match="is named by an identifier"):
        Part(name="a.b", definition=Small.definition)
    with pytest.raises(ValueError, match="may run 0 times"):
        Part(name="a", definition=Small.definition, most=0)
    with pytest.raises(ValueError, match="given no 'url', which is to be its item"):
        Part(name="a", definition=Small.definition, item="url")
    for most in (True, 2.5, "3", None):
        with pytest.raises(TypeError, match="part 'a' may run a whole number of times, not "):
            Part(name="a", definition=Small.definition, most=cast("Any", most))
    with pytest.raises(ValueError, match="two parts or tools named small"):
        Asks(parts=(part(Small),), tools=(ToolSpec(name="small"),))
