"""Counterexamples: as a table, a diagram and a test."""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Literal

import pytest
from support.selling import Desk, judged

from fsm_orch import Context, Final, LLMAgent, Machine, State, guard, never
from fsm_orch.export.as_test import pytest_source
from fsm_orch.export.drawing import drawn
from fsm_orch.export.mermaid import mermaid
from fsm_orch.export.table import rows, table
from fsm_orch.kernel import inputs
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.report import prove


class Money(Context):
    amount: int
    paid: bool


@guard
def has_paid(money: Money) -> bool:
    return money.paid


@guard
def is_small(money: Money) -> bool:
    return money.amount < 10


class Start(Machine[Money]):
    """A machine whose policies are broken before it has done anything."""

    look = State(print, initial=True)
    yes, human = Final(), Final(fallback=True)
    ok = look.to(yes)
    policies = (never(has_paid), never(is_small))


def test_a_table_has_a_row_for_each_turn() -> None:
    """Hop, state, handoff, target, what was held and what was charged; the start comes first."""
    trace = explore(Desk.definition).measures.tokens.trace
    turns = rows(trace)[1:]

    assert [(row.hop, row.state) for row in turns] == [(n + 1, turn.state) for n, turn in enumerate(trace.legs)]
    assert [row.total for row in turns] == [turn.settled for turn in trace.legs]
    lines = table(trace).splitlines()
    assert lines[0].split() == ["hop", "state", "handoff", "to", "reserved", "total"]
    assert len(lines) == len(rows(trace)) + 1
    starts = [(line.index(f" {row.handoff} "), line.split()) for line, row in zip(lines[1:], rows(trace), strict=True)]
    assert len({start for start, _ in starts}) == 1
    assert f"{trace.settled:,}" in starts[-1][1]


def test_a_table_notes_failures_and_assumptions() -> None:
    """The answer of an opaque guard is on the row that depends on it, or values for it; so is how a visit failed."""
    big, lost, lucky = judged(2).trace, judged(5).trace, judged(6).trace

    assert "if is_lucky" in rows(lucky)[-1].note
    assert "amount=1001" in rows(big)[0].note
    assert "if " not in rows(big)[-1].note
    assert rows(lost)[-1].note.startswith("on failure")
    assert "paid=True" in rows(explore(Desk.definition, policies=(never(Desk.to_send),)).policies[0].trace)[-1].note


class Careless(Machine[Money]):
    """A function that may skip its check, by a handoff that it would have to propose."""

    look, check = State(print, initial=True), State(print)
    yes, human = Final(), Final(fallback=True)
    to_check = look.to(check)
    extra = look.to(yes)
    small, ok = check.to(human, guard=is_small), check.to(yes)
    policies = (never(extra), never(ok), never(small), never(yes).before(check))


def test_a_handoff_that_must_be_proposed_is_said_to_be() -> None:
    """Guards alone would take another: so the row and the finding name the function; else nobody is named."""
    verdicts = explore(Careless.definition).policies

    extra, ok, small, skipped = (rows(judged.trace)[-1].note for judged in verdicts)
    assert extra == skipped == "if `print` proposes `extra`"
    assert "proposes" not in ok + small  # `small` may be closed, and what a menu was drawn by binds nobody
    said = [finding.problem for finding in prove(Careless).findings if finding.code == "FSM411"]
    assert said[0] == "never(extra) is violated: look -extra-> yes, if `print` proposes `extra`"
    assert "proposes" not in said[1] + said[2]


def test_a_model_proposes_whatever_it_does() -> None:
    """A model is not said to have to propose what it takes: it always does."""

    class Asked(Machine[Money]):
        """Ask."""

        look = State(LLMAgent("Look."), initial=True)
        yes, human = Final(), Final(fallback=True)
        ok, no = look.to(yes, "yes"), look.to(human, "no")
        policies = (never(no),)

    assert rows(explore(Asked.definition).policies[0].trace)[-1].note == ""


def test_a_table_shows_what_a_run_begins_with() -> None:
    """Where a path depends on the values of the start, they are on its own row; without any there is no such row."""
    (always, small) = explore(Start.definition).policies

    assert [(row.hop, row.target, row.note) for row in rows(always.trace)] == [(0, "look", "paid=True")]
    assert table(always.trace).splitlines()[1].split() == ["0", "start", "look", "0", "0", "paid=True"]
    assert [(row.hop, row.target, row.note) for row in rows(small.trace)] == [(0, "look", "amount=9")]
    assert [row.hop for row in rows(explore(Start.definition, policies=(never(Start.ok),)).policies[0].trace)] == [0, 1]
    assert rows(replace(small.trace, opaque=("amount", "paid"))) == ()


def test_the_path_is_thick_on_the_diagram() -> None:
    """The drawing of the machine, and one line that marks the edges of the path and the start."""
    trace = judged(1).trace
    text = drawn(Desk.definition, trace)

    (marks,) = set(text.splitlines()) - set(mermaid(Desk.definition).splitlines())
    edges = [line for line in text.splitlines() if "-->" in line or "-.->" in line]
    marked = [edges[int(number)].replace("#95;", "_") for number in marks.split()[1].split(",")]
    assert marks.endswith("stroke-width:5px")
    for edge, name in zip(marked, ("start", "to_search", "rush"), strict=True):
        assert name in edge


def run(source: str, tmp_path, monkeypatch, *, expected: str) -> str:
    """Run a generated test in this process, as pytest would; returns what it said."""
    namespace: dict[str, object] = {"__name__": "generated"}
    exec(compile(source, "generated.py", "exec"), namespace)
    (test,) = (value for name, value in namespace.items() if name.startswith("test_"))
    outcomes = {"fails": (AssertionError, pytest.fail.Exception), "skips": (pytest.skip.Exception,)}
    if expected == "passes":
        test()
        return ""
    with pytest.raises(outcomes[expected]) as caught:
        test()
    return str(caught.value)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_sure_path_is_a_test_that_fails(number, tmp_path, monkeypatch) -> None:
    """It plays the path with scripted replies and asserts the policy."""
    found = judged(number)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=Desk.__module__)

    assert found.verdict == "violated"
    said = run(source, tmp_path, monkeypatch, expected="fails")
    assert f"{found.policy} is broken: sort -to_search-> search" in said
    assert all(len(line) <= 120 for line in source.splitlines())


def test_a_possible_path_is_searched_for_values(tmp_path, monkeypatch) -> None:
    """Hypothesis finds values that make it real, and the test fails with the simplest."""
    found = judged(6)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=Desk.__module__)

    assert found.verdict == "possible"
    assert "which is real if is_lucky" in source
    assert "'amount': " in run(source, tmp_path, monkeypatch, expected="fails")


def test_values_that_were_found_are_played(tmp_path, monkeypatch) -> None:
    """Where values are known with which the path is real, the test plays it with them and searches for nothing."""
    found = judged(2)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=Desk.__module__)

    assert found.verdict == "violated"
    assert "Order(amount=1001)" in source
    assert "never(big) is broken" in run(source, tmp_path, monkeypatch, expected="fails")


def test_a_possible_path_that_is_none_is_skipped(tmp_path, monkeypatch) -> None:
    """Where no values are found it says so."""
    found = judged(3)
    source = pytest_source(Desk.definition, found.policy, found.trace, module=Desk.__module__)

    assert "no values made this path real" in run(source, tmp_path, monkeypatch, expected="skips")


class Wear(enum.Enum):
    NEW = "new"
    USED = "used"


class Item(Context):
    kind: Literal["a", "b"]
    mark: Wear
    code: bytes
    count: int = 3


def test_values_are_written_as_they_are_read() -> None:
    """Enums by their class, what cannot be guessed drawn by Hypothesis, defaults left out."""

    @guard
    def is_used(item: Item) -> bool:
        return item.mark is Wear.USED and item.kind == "b"

    class Box(Machine[Item]):
        look = State(print, initial=True)
        yes, human = Final(), Final(fallback=True)
        ok = look.to(yes, guard=is_used)
        no = look.to(human)
        policies = (never(ok),)

    (found,) = explore(Box.definition).policies
    source = pytest_source(Box.definition, found.policy, found.trace, module="boxes")
    assert f"from {__name__} import Item, Wear" in source
    assert 'draw(st.builds(Item, kind=st.just("b"), mark=st.just(Wear.USED), code=values(Item, "code")' in source


def test_a_cancelled_run_is_played_by_its_deadline() -> None:
    """Nothing cancels a played run, and a deadline lands it just the same; a visit that nobody acted in is no turn."""
    policy = never(Desk.human, strict=True)
    definition = replace(Desk.definition, policies=(policy,))
    trace = explore(definition).policies[0].trace
    end = trace.legs[-1]
    cancelled = replace(trace, legs=(*trace.legs[:-1], replace(end, inputs=(inputs.Cancelled(at=0.0),))))
    late = replace(trace, legs=(*trace.legs[:-1], replace(end, inputs=(inputs.Failed(reason="timeout", at=60.0),))))
    unasked = replace(trace, legs=(*trace.legs, replace(end, inputs=())))

    def written(path):
        return pytest_source(definition, policy, path, module=__name__)

    assert written(cancelled) == written(late)
    assert f"Turn(Desk.{end.state}, seconds=60)" in written(cancelled)
    assert written(unasked) == written(trace)
