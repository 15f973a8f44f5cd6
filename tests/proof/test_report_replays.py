"""On random machines: what the explorer says is violated, its generated test shows with the real runner."""

import sys
import types
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support.random_machines import MACHINES

from fsm_orch import Limits, at_most, eventually, never
from fsm_orch.export.as_test import pytest_source
from fsm_orch.proof.explore.exploration import explore


def policies(draw, definition):
    """Draw a policy of a machine's own parts."""
    parts = [*definition.states.values(), *definition.finals.values(), *definition.handoffs]
    one, other = draw(st.sampled_from(parts)), draw(st.sampled_from(parts))
    kinds = [never(one), at_most(1, one), eventually(one), never(one, strict=True), eventually(one | other)]
    return draw(st.sampled_from(kinds if one is other else [*kinds, never(one).before(other), never(one).after(other)]))


@contextmanager
def importable(machine, definition):
    """Put a machine where a generated test imports it from, while it has this definition."""
    module = types.ModuleType("generated_machines")
    module.Random = machine
    found = mock.patch.dict(sys.modules, {"generated_machines": module})
    with found, mock.patch.multiple(machine, definition=definition, policies=definition.policies):
        yield


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), MACHINES, st.sampled_from([(4, 10_000), (3, 320), (5, 800)]))
def test_a_violation_is_shown_by_its_test(data, machine, limits):
    """The test fails on the machine, by the policy and by nothing else."""
    hops, tokens = limits
    definition = replace(machine.definition, limits=Limits(hops=hops, tokens=tokens))
    policy = policies(data.draw, definition)
    (judged,) = explore(definition, policies=(policy,), max_configurations=1_500).policies
    event(judged.verdict)
    if judged.verdict != "violated":
        return
    broken = replace(definition, name="Random", policies=(policy,))
    source = pytest_source(broken, policy, judged.trace, module="generated_machines")
    namespace = {}
    with importable(machine, broken):
        exec(compile(source, "generated.py", "exec"), namespace)
        (test,) = (value for name, value in namespace.items() if name.startswith("test_"))
        with pytest.raises(AssertionError, match="is broken"):
            test()
