"""Three that know nothing of each other agree on what machines can do: exploration over the kernel, SPIN, and TLC."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from support import checkers
from support.checkers import Seen
from support.finite import drawn

from fsm_orch.define.graph import shortest_cycle
from fsm_orch.export.promela import promela
from fsm_orch.export.tla import module_name, tla
from fsm_orch.proof.explore.exploration import Exploration, explore

pytestmark = pytest.mark.slow

PLAIN, COUNT = 60, 90
MACHINES = [drawn(seed, rounds=seed >= PLAIN) for seed in range(COUNT)]
DEFINITIONS = [machine.definition for machine in MACHINES]


class Views(NamedTuple):
    """What each of the three saw, by machine."""

    explored: list[Exploration]
    spin: list[Seen] | None
    tlc: list[Seen] | None


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    """Let all three look at once: the checkers are programs of their own, and take turns on one thread."""

    # Made here: pytest's factory of folders breaks where two threads use it at once.
    folders = [tmp_path_factory.mktemp("spin") for _ in DEFINITIONS]
    with ThreadPoolExecutor(1) as pool:
        spin = None if checkers.why_no_spin() else pool.submit(_all_by_spin, folders)
        tlc = None if checkers.why_no_tlc() else pool.submit(_all_by_tlc, tmp_path_factory.mktemp("tlc"))
        explored = [explore(definition) for definition in DEFINITIONS]
        return Views(explored, spin and spin.result(), tlc and tlc.result())


def _all_by_spin(folders: list[Path]) -> list[Seen]:
    found = zip(DEFINITIONS, folders, strict=True)
    return [checkers.spin(promela(d), (*d.states, *d.finals), folder) for d, folder in found]


def _all_by_tlc(folder: Path) -> list[Seen]:
    """Check all of them in one run, under module names of their own."""
    texts = [tla(d).replace(f"MODULE {module_name(d)} ", f"MODULE M{n:02} ", 1) for n, d in enumerate(DEFINITIONS)]
    return checkers.tlc({f"M{number:02}": text for number, text in enumerate(texts)}, folder)


def _as_seen(explored: Exploration) -> Seen:
    """Return of an exploration what a checker finds; one that a guard might make real is broken for them too."""
    return Seen(
        hops=explored.measures.hops.amount,
        tokens=explored.measures.tokens.amount,
        places=frozenset(explored.reached),
        broken=frozenset(n for n, judged in enumerate(explored.policies) if judged.verdict in ("violated", "possible")),
    )


@pytest.mark.skipif(checkers.why_no_spin() != "", reason=checkers.why_no_spin())
@pytest.mark.parametrize("number", range(COUNT))
def test_spin_agrees(views: Views, number: int) -> None:
    """SPIN finds the same most hops and tokens, the same states, and the same policies broken."""
    assert views.spin is not None
    assert _as_seen(views.explored[number]) == views.spin[number]


@pytest.mark.skipif(checkers.why_no_tlc() != "", reason=checkers.why_no_tlc())
@pytest.mark.parametrize("number", range(COUNT))
def test_tlc_agrees(views: Views, number: int) -> None:
    """TLC finds the same most hops and tokens, the same states, and the same policies broken."""
    assert views.tlc is not None
    assert _as_seen(views.explored[number]) == views.tlc[number]


def test_the_machines_are_worth_it(views: Views) -> None:
    """Among the machines are cycles, tokens denied, failure edges, states out of reach, every verdict, and rounds."""
    explored = views.explored
    kinds = Counter(t.kind for e in explored for trace in e.reached.values() for t in trace.legs)
    verdicts = Counter(judged.verdict for e in explored for judged in e.policies)

    tight = [(e, d) for e, d in zip(explored, DEFINITIONS, strict=True) if e.measures.is_tight]
    roomy = [explore(d, limits=d.limits.model_copy(update={"tokens": 10_000}), policies=()) for _, d in tight]

    assert all(e.is_complete and not e.broken for e in explored)
    assert sum(len(d.starts) > 1 for d in DEFINITIONS) > COUNT / 6
    assert sum(shortest_cycle(d.successors) is not None for d in DEFINITIONS) > COUNT / 3
    assert {s.spec.kind for d in DEFINITIONS for s in d.states.values()} >= {"human", "parallel", "map", "llm", "code"}
    assert min(verdicts[verdict] for verdict in ("holds", "violated")) >= 100
    assert len({(judged.policy.pattern, judged.verdict) for e in explored for judged in e.policies}) > 12
    assert kinds.keys() >= {"handoff", "failure", "timeout", "refusal", "landing"}
    assert sum(len(e.reached) < len(d.successors) for e, d in zip(explored, DEFINITIONS, strict=True)) > 5
    assert (
        sum(e.measures.tokens.amount < r.measures.tokens.amount for (e, _), r in zip(tight, roomy, strict=True))
        > COUNT / 6
    )
