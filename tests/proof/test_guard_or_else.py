"""The guard with an exit for all else that is suggested, on random machines."""

import random

import pytest
from support.random_machines import GUARDS, build

from fsm_orch import Limits, never
from fsm_orch.define.definition import Definition
from fsm_orch.define.rules.check import check
from fsm_orch.define.states import Handoff
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.repair.edits import guard_or_else
from fsm_orch.testing import Tape

GUARDED = [each for each in GUARDS if each is not None]


def only_exits(definition: Definition) -> list[Handoff]:
    """Return the handoffs that are the only way out of one state of code."""
    return [
        handoff
        for handoff in definition.handoffs
        if handoff.kind == "handoff" and handoff.guard is None and len(handoff.sources) == 1
        if handoff.sources[0].spec.kind == "code" and len(handoff.sources[0].exits) == 1
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_a_guard_with_an_exit_for_all_else_keeps_what_it_is_for(seed: int) -> None:
    """The machine builds as before, and no run enters what is guarded where the guard did not hold."""
    definition, handoff, chance = drawn(seed)
    guard = chance.choice(GUARDED)
    changed = guard_or_else(definition, handoff, guard).apply(definition)
    source = changed.states[handoff.sources[0].name]
    guarded, otherwise = source.exits
    policy = never(guarded).when(~guard)
    explored = explore(changed, policies=(policy,), limits=Limits(hops=4, tokens=10_000), max_configurations=3_000)
    (verdict,) = explored.policies

    assert check(changed) == check(definition)
    assert (handoff.name, f"not_{handoff.name}") == (guarded.name, otherwise.name)
    assert changed.fallback.name == otherwise.target.name
    assert verdict.verdict in ("holds", "unknown" if not explored.is_complete else "holds")
    assert not explored.broken


def drawn(seed: int) -> tuple[Definition, Handoff, random.Random]:
    """Return a random machine with a state of code that has one way out."""
    chance = random.Random(seed)
    while True:
        definition = build(Tape(bytes(chance.randrange(256) for _ in range(60)))).definition
        handoffs = only_exits(definition)
        if handoffs and len(definition.states) <= 3:
            return definition, chance.choice(handoffs), chance
