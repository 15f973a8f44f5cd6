"""Policies that speak of tools: exploration, the full adversary, SPIN and TLC agree on what breaks them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import checkers
from support.finite import drawn

from fsm_orch.define.definition import Definition
from fsm_orch.define.used import Used
from fsm_orch.export.promela import promela
from fsm_orch.export.tla import module_name, tla
from fsm_orch.proof.explore import bare
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.play import Play
from fsm_orch.proof.explore.walk import walk

pytestmark = pytest.mark.slow

COUNT = 60
MACHINES = [drawn(seed, opaque=(), tools=True) for seed in range(1_000, 1_000 + COUNT)]
DEFINITIONS = [machine.definition for machine in MACHINES]


@pytest.fixture(scope="module")
def explored() -> list[Exploration]:
    return [explore(definition) for definition in DEFINITIONS]


def _broken(found: Exploration) -> frozenset[int]:
    return frozenset(n for n, judged in enumerate(found.policies) if judged.verdict != "holds")


@pytest.mark.skipif(checkers.why_no_spin() != "", reason=checkers.why_no_spin())
def test_spin_agrees(explored: list[Exploration], tmp_path_factory: pytest.TempPathFactory) -> None:
    """SPIN finds the same policies broken, the same states, and the same most hops and tokens."""

    def seen(definition: Definition, folder: Path) -> checkers.Seen:
        return checkers.spin(promela(definition), (*definition.states, *definition.finals), folder)

    # Made here: pytest's factory of folders breaks where two threads use it at once.
    folders = [tmp_path_factory.mktemp("spin") for _ in DEFINITIONS]
    with ThreadPoolExecutor(2) as pool:
        for number, (found, own) in enumerate(zip(explored, pool.map(seen, DEFINITIONS, folders), strict=True)):
            assert _broken(found) == own.broken, number
            assert frozenset(found.reached) == own.places, number
            assert (found.measures.hops.amount, found.measures.tokens.amount) == (own.hops, own.tokens), number


@pytest.mark.skipif(checkers.why_no_tlc() != "", reason=checkers.why_no_tlc())
def test_tlc_agrees(explored: list[Exploration], tmp_path: Path) -> None:
    """TLC finds the same policies broken."""
    texts = [tla(d).replace(f"MODULE {module_name(d)} ", f"MODULE M{n:02} ", 1) for n, d in enumerate(DEFINITIONS)]
    seen = checkers.tlc({f"M{number:02}": text for number, text in enumerate(texts)}, tmp_path)

    assert list(map(_broken, explored)) == [own.broken for own in seen]


@pytest.mark.parametrize("number", range(0, COUNT, 4))
def test_the_full_adversary_breaks_no_more(explored: list[Exploration], number: int) -> None:
    """Monotonicity: whatever else agents do with tools, calls and rounds, no other policy is broken for it."""
    definition = DEFINITIONS[number]
    play = Play(definition, definition.limits, {}, definition.policies, against="full")
    found = walk(play, 20_000)

    broken = frozenset(n for n, seen in enumerate(found.breaks) if seen.first)
    assert broken <= _broken(explored[number])
    assert not found.is_complete or broken == _broken(explored[number])
    assert not found.breaches


def test_what_the_bare_graph_decides_is_so(explored: list[Exploration]) -> None:
    """Policies that hold on the bare graph are broken by no run; and some that speak of tools do hold there."""
    by_tools = 0
    for definition, found in zip(DEFINITIONS, explored, strict=True):
        alone = (walk(Play(definition, definition.limits, {}, definition.policies, against="lean"), 20_000)).breaks
        for number, policy in enumerate(definition.policies):
            if bare.holds(definition, policy, definition.limits):
                assert alone[number].first is None, (definition, policy)
                assert number not in _broken(found)
                by_tools += any(isinstance(atom, Used) for atom in policy.atoms)
    assert by_tools > 5


def test_the_machines_are_worth_it(explored: list[Exploration]) -> None:
    """Many policies speak of tools, of every kind, and many of these hold and are broken."""
    verdicts = Counter(
        (judged.policy.pattern, judged.verdict)
        for found in explored
        for judged in found.policies
        if any(isinstance(atom, Used) for atom in judged.policy.atoms)
    )

    assert all(found.is_complete and not found.broken for found in explored)
    assert len(verdicts) >= 12
    assert sum(verdicts.values()) > COUNT
