"""How a run moves: it enters states through open guards, and ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.handfed import CLOSED, FORKS, Play, Row, cancel, case, reply, work, wrong
from support.random_machines import Facts

from fsm_orch import Final, Machine, State, guard
from fsm_orch.kernel import records
from fsm_orch.kernel.engine import CompiledMachine


@pytest.mark.parametrize(
    "row",
    [
        case(
            "where nothing is legal on entry no call is made, and the grant is given back",
            CLOSED,
            landing="no_handoff",
            tokens=(0, 0),
            kinds=["run_started", "visit_started", "landed", "run_finished"],
        ),
        case(
            "a final state sets its fields however it is reached",
            FORKS,
            reply(a=False, b=True),
            reply(),
            state="done",
            context=Facts(b=True, note="done"),
        ),
        case(
            "an input stamped earlier than the last one does not turn the clock back",
            FORKS,
            reply(a=False, b=True, at=5),
            cancel(at=1),
            at=5,
        ),
    ],
)
def test_courses(row: Row) -> None:
    """A run is in one state at a time, at a time that never runs backwards."""
    row()


@pytest.mark.parametrize(
    "row",
    [
        wrong("nothing happens after the end", "came after run r had finished", CLOSED, cancel()),
        *(
            wrong(f"time is finite and positive, not {at}", "time is a finite number of seconds", FORKS, cancel(at=at))
            for at in (-1.0, float("nan"), float("inf"))
        ),
    ],
)
def test_what_a_run_does_not_take(row: Row) -> None:
    """An input that does not fit what the run is doing is an error, and nothing changes."""
    row()


@guard
def divides(facts: Facts) -> bool:
    return 1 // facts.count > 0


class Divided(Machine[Facts]):
    """A guard that raises."""

    look = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, guard=divides)
    other = look.to(done, guard=~divides)
    rest = look.to(done)


def test_a_guard_that_raises_is_false_and_recorded() -> None:
    """A raising guard closes its handoff, negated or not, and says so."""
    play = Play(CompiledMachine(Divided.definition))

    assert [("rest",)] == [record.legal for record in play.records(records.VisitStarted)]
    assert ["ZeroDivisionError in divides", "ZeroDivisionError in ~divides"] == [
        record.detail for record in play.records(records.GuardRaised)
    ]


answers: Iterator[bool] = iter(())


@guard
def moody(facts: Facts) -> bool:
    return next(answers)


class Moody(Machine[Facts]):
    """A guard that is not pure."""

    look = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, guard=moody)


def test_a_guard_that_changes_its_answer_opens_nothing() -> None:
    """A handoff is fired through its guard: if that closed meanwhile, the run does not move through it."""
    global answers  # noqa: PLW0603
    answers = iter([True, True, False])

    play = Play(CompiledMachine(Moody.definition), reply("go"))

    assert (play.now.state, play.now.landing) == ("human", "refusal")
