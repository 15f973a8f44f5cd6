"""The certificate and the exploration, which share no idea but the kernel's rules, on the same machines."""

from random import Random

import pytest
from support import finite, roads
from support.desk import Support

from fsm_orch import Limits
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.skeleton import Measure
from fsm_orch.proof.explore.exploration import explore
from machines.shop import ShopFloor

MEASURES: tuple[Measure, ...] = ("tokens", "hops", "calls")


def explored(definition, limits):
    found = explore(definition, limits=limits)
    assert found.is_complete
    return {
        "tokens": found.measures.tokens.amount,
        "hops": found.measures.hops.amount,
        "calls": found.measures.calls.amount,
    }


@pytest.mark.parametrize("seed", range(30))
def test_they_agree_where_nothing_but_hops_and_visits_limits(seed):
    """Without guards and with more tokens than any run takes, the worst run explored is the worst case certified."""
    random = Random(seed)
    definition = roads.drawn(random, states=random.randint(1, 5), hops=random.randint(1, 6), has_entries=True)
    roomy = Limits(hops=definition.limits.hops, tokens=10**6)

    bounds = certify(definition, limits=roomy).bounds

    assert {measure: bounds[measure].bound for measure in MEASURES} == explored(definition, roomy)


@pytest.mark.parametrize("seed", range(8))
def test_no_run_explored_is_worse_than_certified(seed):
    """With guards, writes and limits too tight, no run explored passes a bound."""
    definition = finite.drawn(seed).definition

    bounds = certify(definition).bounds

    for measure, amount in explored(definition, definition.limits).items():
        assert amount <= bounds[measure].bound


@pytest.mark.parametrize("machine", [Support, ShopFloor])
def test_the_bounds_of_machines_of_ours_are_reached(machine):
    """Some run takes all that is certified, so no lower bound would hold."""
    bounds = certify(machine.definition).bounds

    assert {measure: bounds[measure].bound for measure in MEASURES} == explored(machine.definition, None)


def test_the_ledger_bounds_too():
    """Where the limit of tokens is below the bound, no run passes the limit, and some run takes all of it."""
    tight = Limits(hops=6, tokens=3_000)

    assert certify(Support.definition, limits=tight).bounds["tokens"].bound > 3_000
    assert explored(Support.definition, tight)["tokens"] == 3_000
