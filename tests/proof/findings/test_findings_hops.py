"""Findings about hops that end too early."""

from __future__ import annotations

import random
import re
import types
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_machines import build

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Visit, guard
from fsm_orch.define.definition import Definition
from fsm_orch.errors import Finding
from fsm_orch.proof import prove
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.findings import hops
from fsm_orch.testing import Tape

STATES = "abcdefg"


class Note(Context):
    text: str


def way(length: int, hops: int, *, shortcut: int = 0, is_back: bool = False, visits: int | None = 2) -> Definition:
    """Build a machine of states in a row, the last of which may end it or, if asked for, begin again.

    Args:
        shortcut: the first state may also go to this one at once; 0: it may not.
        visits: of each state; None: it has no bound of its own.
    """
    states = {
        name: State(LLMAgent(f"Do {name}.", reads=Note.text), initial=name == "a", max_visits=visits)
        for name in STATES[:length]
    }
    row: list[Any] = [*states.values(), done := Final()]
    body: dict[str, Any] = {**states, "done": done, "human": Final(fallback=True)}
    body |= {f"to_{i}": row[i].to(row[i + 1], f"go on to {i}") for i in range(length)}
    if shortcut:
        body["at_once"] = states["a"].to(row[shortcut], "it is short")
    if is_back:
        body["again"] = states[STATES[length - 1]].to(states["a"], "it is not right")
    body |= {"limits": Limits(hops=hops, tokens=1_000_000), "__module__": __name__, "__doc__": "A row."}
    row_of = types.new_class("Row", (Machine[Note],), exec_body=lambda namespace: namespace.update(body))
    return row_of.definition  # type: ignore[attr-defined, no-any-return]


def found(definition: Definition) -> list[Finding]:
    """Return the findings of the code under test."""
    return [finding for finding in prove(definition).findings if finding.code == "FSM207"]


@given(st.integers(3, 6), st.data())
def test_a_way_is_cut_short_if_and_only_if_the_hops_are_fewer(length: int, data: st.DataObject) -> None:
    """It holds of every shortcut, and of every limit that admits some run; with what is said to do nothing is found."""
    shortcut = data.draw(st.integers(2, length - 1))
    least = length - shortcut + 1  # of the shortcut, which fewer hops do not admit
    hops = data.draw(st.integers(max(least, shortcut), length + 2))
    findings = found(way(length, hops, shortcut=shortcut))

    assert (hops < length) == bool(findings)
    for finding in findings:
        said = re.fullmatch(r"give the machine Limits\(hops=(\d+)\)", finding.fix)
        assert said is not None
        assert [] == found(way(length, int(said[1]), shortcut=shortcut))


@pytest.mark.parametrize("visits", [2, None])
def test_it_says_where_no_hop_is_left(visits: int | None) -> None:
    """The path to it, its line, what the longest way takes, and what there is."""
    (finding,) = found(way(4, 3, shortcut=2, visits=visits))

    assert ("to_2", "warning") == (finding.about, finding.level)
    path = "a -to_0-> b -to_1-> c -to_2-> d -to_3-> done"
    assert f"no hop is left to take 'to_2': hops=3, and the longest way takes 4, {path}" == finding.problem


def test_nothing_is_said_of_what_was_not_seen_whole() -> None:
    """Where the exploration was cut off, it is not known how runs end."""
    cut = prove(way(4, 3, shortcut=2), max_configurations=2)

    assert "FSM207" not in {finding.code for finding in cut.findings}


@pytest.mark.parametrize(("hops", "level"), [(5, "note"), (6, None), (9, None)])
def test_hops_that_end_what_visits_bound_are_noted(hops: int, level: str | None) -> None:
    """Two visits of each of three states take six hops; fewer may be meant."""
    assert [level] * (level is not None) == [finding.level for finding in found(way(3, hops, is_back=True))]


def test_a_look_at_longer_runs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has seen by then is said, and that it may not be all."""
    seen = set()
    for most in range(5, 60, 3):
        monkeypatch.setattr(hops, "_MOST_CONFIGURATIONS", most)
        seen |= {finding.problem.partition(", and ")[2][:17] for finding in found(way(4, 4, is_back=True))}

    assert {"a way takes 5, a ", "the longest way t"} <= seen


class Count(Context):
    n: int


@guard
def is_small(count: Count) -> bool:
    """Read a number, of which the proof does not list the values."""
    return count.n < 2


@guard
def is_big(count: Count) -> bool:
    """Hold of no number that is small."""
    return count.n > 10


def work(visit: Visit[Count]) -> None:
    """Propose nothing."""


class Sizes(Machine[Count]):
    """No run takes all three states: no number is both small and big."""

    a, b, c = State(work, initial=True), State(work), State(work)
    done, human = Final(), Final(fallback=True)
    to_b, a_to_c, a_ends = a.to(b, guard=is_small), a.to(c, guard=is_big & ~is_small), a.to(done)
    b_to_c, b_ends = b.to(c, guard=is_big), b.to(done)
    c_ends = c.to(done)
    limits = Limits(hops=2)


def test_of_a_way_that_hangs_on_guards_it_is_said_on_which() -> None:
    """Nobody knows whether a run takes it, so nobody is warned."""
    (finding,) = found(Sizes.definition)

    path = "a -to_b-> b -b_to_c-> c -c_ends-> done"
    said = f"no hop is left to take 'b_to_c': hops=2, and a way may take 3, {path}, if is_small and is_big"
    assert (said, "note") == (finding.problem, finding.level)


@pytest.mark.slow
@pytest.mark.parametrize("most", [2, 4])
def test_the_look_at_longer_runs_has_an_end(most: int) -> None:
    """It takes 4,000 steps, or as many as the proof, of a machine whose longer runs take more than 20,000."""
    chance = random.Random(38)
    drawn = build(Tape(bytes(chance.randrange(256) for _ in range(90)))).definition
    definition = replace(drawn, limits=drawn.limits.model_copy(update={"hops": most}))
    explored = explore(definition)

    seen = hops.longer(explored, 15)

    assert seen.hops.amount > most
    assert seen.steps <= max(4_000, explored.steps)
    assert not seen.is_complete
    (finding,) = hops.cut_short(definition, explored)
    assert "or more" in finding.fix
