"""The least bounds that are offered, and the guard with an exit for all else, on random machines."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.random_machines import GUARDS, PLANS, build

from fsm_orch import Limits, never
from fsm_orch.define.definition import Definition
from fsm_orch.define.least import least_hops, least_visits
from fsm_orch.define.rules.check import check
from fsm_orch.define.states import Handoff
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.repair.edits import guard_or_else
from fsm_orch.testing import Tape

GUARDED = [each for each in GUARDS if each is not None]


def walks(definition: Definition, most: int) -> list[tuple[str, ...]]:
    """Return all walks of so many hops at most from a start to an answer, tried one by one."""
    answers = {name for name, final in definition.finals.items() if not final.fallback}
    found: list[tuple[str, ...]] = []
    ways: list[tuple[str, ...]] = [(start,) for start in definition.starts]
    for _ in range(most):
        ways = [(*way, after) for way in ways for after in dict.fromkeys(definition.successors.get(way[-1], ()))]
        found += [way for way in ways if way[-1] in answers]
        ways = [way for way in ways if way[-1] in definition.states]
    return found


def pairs(definition: Definition, of: list[tuple[str, ...]]) -> set[tuple[str, str]]:
    """Return the pairs of neighbours on walks."""
    return {pair for way in of for pair in itertools.pairwise(way)}


@given(PLANS)
def test_least_hops_open_every_way_and_one_less_does_not(plan: Tape) -> None:
    """Each edge that leads to an answer is on a walk of so many hops to one; with one hop less, some is on none."""
    definition = build(plan).definition
    least = least_hops(definition)
    assume(len(definition.states) <= 4)
    assume(least <= 7)
    every = pairs(definition, walks(definition, 9))

    assert pairs(definition, walks(definition, least)) == every
    assert pairs(definition, walks(definition, least - 1)) < every


@given(PLANS)
def test_least_visits_open_every_way_and_one_less_does_not(plan: Tape) -> None:
    """The same of the visits of each state."""
    definition = build(plan).definition
    assume(len(definition.states) <= 3)
    found = walks(definition, 9)
    every = pairs(definition, found)

    for state in definition.states:
        least = least_visits(definition, state)
        assert pairs(definition, [way for way in found if way.count(state) <= least]) == every
        assert pairs(definition, [way for way in found if way.count(state) < least]) != every or least <= 1


@given(PLANS, st.integers(1, 3))
def test_what_is_advised_where_hops_are_too_few_builds(plan: Tape, few: int) -> None:
    """With the limit that is offered, nothing is said of hops."""
    definition = build(plan).definition
    short = replace(definition, limits=definition.limits.model_copy(update={"hops": few}))
    said = [finding for finding in check(short) if "raise the limit of hops" in (finding.fix or "")]
    assume(said)
    mended = replace(definition, limits=definition.limits.model_copy(update={"hops": least_hops(definition)}))

    assert f"raise the limit of hops to {least_hops(definition)} or more" in str(said[0].fix)
    assert not [finding for finding in check(mended) if "raise the limit of hops" in (finding.fix or "")]


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
