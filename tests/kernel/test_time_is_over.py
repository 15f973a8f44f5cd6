"""What is over first, a visit's time or the run's, decides whether an edge for timeouts can ever be taken."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit, never
from fsm_orch.export.finite import finite_model
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.reasons import FailureReason
from fsm_orch.kernel.requests import AskHuman
from fsm_orch.kernel.step import fold
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.explore.play import Play
from fsm_orch.proof.findings.ways import untaken


class Query(Context):
    text: str


def work(visit: Visit[Query]) -> None:
    """Do nothing: no agent is called here."""


class Desk(Machine[Query]):
    """Wait, and pay back whoever waited too long."""

    wait = State(work, initial=True)
    look = State(work)
    late, lost = State(work), State(work)
    done, human = Final(), Final(fallback=True)
    to_look = wait.to(look)
    finish = (look | late | lost).to(done)
    too_late, gone = (wait | look).on_timeout(late), (wait | look).on_failure(lost)
    limits = Limits(deadline_s=5, visit_s=4.9)
    policies = (never(late),)


class Patient(Machine[Query]):
    """Ask somebody who may take as long as they like."""

    wait = State(HumanAgent("May it be done?"), initial=True)
    late = State(work)
    done, human = Final(), Final(fallback=True)
    yes, too_late = wait.to(done, "it may"), wait.on_timeout(late)
    finish = late.to(done)
    limits = Limits(visit_s=5)
    policies = (never(late),)


def within(visit_s: float, deadline_s: float) -> CompiledMachine:
    """Compile the machine for runs and visits of so many seconds."""
    return CompiledMachine(Desk.definition, limits=Limits(visit_s=visit_s, deadline_s=deadline_s))


def after(compiled: CompiledMachine, *events: inputs.Input) -> tuple[str, str | None]:
    """Return where a run stands, and why it was landed."""
    now = fold(compiled, [started(compiled, {"text": "?"}, run_id="r"), *events])
    return now.state, now.landing


SECONDS = st.floats(0.1, 100)


@given(SECONDS, SECONDS, st.floats(0, 200), st.floats(0, 200))
def test_the_edge_is_taken_only_where_the_proof_takes_it(
    visit_s: float, deadline_s: float, one: float, two: float
) -> None:
    """Whatever a clock says, a visit that has as much time as its run is landed, and takes no edge."""
    first, second = sorted((one, two))
    compiled = within(visit_s, deadline_s)

    at_once = after(compiled, inputs.Failed(reason="timeout", at=first))
    later, _ = after(compiled, inputs.Replied(at=0.0), inputs.Failed(reason="timeout", at=second))

    if visit_s >= deadline_s:
        assert at_once == ("human", "deadline")
        assert later == "human"
    elif first < deadline_s:
        assert at_once == ("late", None)


def asked(at: float) -> inputs.Asked:
    """Say that the agent asks a human."""
    return inputs.Asked(requests=(AskHuman(question="May it be done?"),), at=at)


def yes(at: float) -> inputs.Answered:
    """Say what the human answers."""
    return inputs.Answered(ask=1, id="a", value="yes", at=at)


@pytest.mark.parametrize(
    "events",
    [
        [inputs.Failed(reason="timeout", at=6.0)],
        [inputs.Replied(handoff="yes", at=6.0)],
        [asked(6.0)],
        [asked(0.0), yes(6.0)],
        [asked(0.0), yes(0.0), inputs.Replied(handoff="yes", at=6.0)],
    ],
    ids=["failed", "replied", "asked", "answered", "replied to the answer"],
)
def test_what_comes_late_takes_no_edge_that_the_proof_does_not_take(events: list[inputs.Input]) -> None:
    """While a human is waited for no time passes, and what comes late all the same lands the run."""
    assert ["holds"] == [judged.verdict for judged in explore(Patient.definition).policies]
    assert ("human", "deadline") == after(CompiledMachine(Patient.definition), *events)


@pytest.mark.parametrize(("visit_s", "verdict"), [(4.9, "violated"), (5, "holds"), (10, "holds")])
def test_a_timeout_that_cannot_happen_is_no_path(visit_s: float, verdict: str) -> None:
    """A policy is not called violated for an edge that no run can take; at equality the run's deadline comes first."""
    limits = Limits(deadline_s=5, visit_s=visit_s)

    explored = explore(Desk.definition, limits=limits)

    assert [judged.verdict for judged in explored.policies] == [verdict]
    assert ("too_late" in explored.taken) == (verdict == "violated")


def test_the_edge_that_is_never_taken_is_a_finding() -> None:
    """It says which time is over first."""
    definition = dataclasses.replace(Desk.definition, limits=Limits(deadline_s=5, visit_s=5))

    problems = {f.about: f.problem for f in untaken(definition, explore(definition))}

    assert set(problems) == {
        "too_late",
    }
    assert "a visit may take 5 s, and by then the run has been landed, for its 5 s" in problems["too_late"]


def test_other_model_checkers_are_not_shown_it() -> None:
    """The texts for SPIN and TLC have the edge exactly where it can be taken."""
    for visit_s, kinds in ((4.9, {"timeout", "failure"}), (5, {"failure"})):
        definition = dataclasses.replace(Desk.definition, limits=Limits(deadline_s=5, visit_s=visit_s))
        places = {place.name: place for place in finite_model(definition).places}
        assert {edge.kind for edge in places["wait"].failures} == kinds


@pytest.mark.parametrize(
    ("reason", "state"),
    [("error", "lost"), ("denied", "lost"), ("timeout", "late"), ("outcome_unknown", "lost")],
)
def test_what_failed_takes_the_edge_of_its_kind(reason: FailureReason, state: str) -> None:
    """Work whose outcome nobody knows has failed: it did not time out, though it may have taken long."""
    assert after(within(4, 5), inputs.Failed(reason=reason, at=1.0)) == (state, None)


class Retried(Machine[Query]):
    """Pay, at the second attempt if need be."""

    pay = State(work, initial=True, attempts=2)
    done, human = Final(), Final(fallback=True)
    finish = pay.to(done)


@pytest.mark.parametrize(("reason", "landing"), [("error", None), ("outcome_unknown", "outcome_unknown")])
def test_work_whose_outcome_is_unknown_is_not_done_twice(reason: FailureReason, landing: str | None) -> None:
    """What raised is tried again; what may have had its effect is not, and the landing says why."""
    compiled = CompiledMachine(Retried.definition)

    assert after(compiled, inputs.Failed(reason=reason, at=0.0))[1] == landing


@pytest.mark.parametrize(("agent", "is_played"), [(work, True), (LLMAgent("Answer."), False)])
def test_the_adversary_kills_workers(agent: Any, is_played: bool) -> None:
    """A crash in code is played, since code may have paid already; a model is asked again, and nothing is lost."""

    class Desk(Machine[Query]):
        """Answer."""

        answer = State(agent, initial=True)
        done, human = Final(), Final(fallback=True)
        finish = answer.to(done, "it is answered")

    play = Play(Desk.definition, Desk.definition.limits, {}, ())
    (start,) = play.starts()
    ((begun, _),) = play.take(None, start)

    reasons = {event.reason for event in play.moves(begun.position) if isinstance(event, inputs.Failed)}

    assert ("outcome_unknown" in reasons) == is_played
