"""A simulation finds what is wrong: each planted fault is met within a few plans, and told as a story."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from support.simulated.faults import FAULTS
from support.simulated.plans import Plan, plans
from support.simulated.simulation import simulate
from support.simulated.story import Broken

FEW = 150
"""Plans that are tried until one shows the fault."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """And what is told says when, who and what."""
    plant, says = FAULTS[fault]
    tried = 0

    # not made smaller, which takes longer than to find it: the plans are small
    @settings(
        max_examples=FEW,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(plans(hosts=3, jobs=2, troubles=3))
    def holds(plan: Plan) -> None:
        nonlocal tried
        tried += 1
        with plant() as store:
            simulate(plan, store=store)

    with pytest.raises(Broken, match=says) as found:
        holds()
    print(f"{fault}: plan {tried}\n{found.value}")

    assert " s  the store " in str(found.value)
    assert " s  h0.1 " in str(found.value)
