"""Parts: machines that run inside a round, on shares of the ledger and by a time of their own."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from support.handfed import (
    ERRANDS,
    MANAGER,
    PARENT,
    Asks,
    Errand,
    Parent,
    Play,
    Row,
    answer,
    ask,
    cancel,
    case,
    fail,
    inside,
    key,
    part,
    reply,
    reserve,
    run,
    settle,
    use,
    work,
)
from support.random_machines import Facts

from fsm_orch import Final, Limits, Machine, Nested, State
from fsm_orch.amounts import Price
from fsm_orch.errors import StepError
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.legal import Objection, objection
from fsm_orch.kernel.records import Landed
from fsm_orch.kernel.step import step
from fsm_orch.kernel.tree import levels

DONE = reply("finish", note="n")


@pytest.mark.parametrize(
    "row",
    [
        case(
            "entering reserves all parts",
            PARENT,
            tokens=(0, 340),
        ),
        case(
            "asking moves their shares, and gives the rest back",
            PARENT,
            ERRANDS,
            tokens=(0, 200),
            kinds=["asked", "run_started", "visit_started", "run_started", "visit_started"],
            due=(Act((1,), 0, "look", 1), Act((2,), 0, "look", 1)),
        ),
        case(
            "asking charges what the attempt left open, and frees its grant",
            MANAGER,
            reserve(1, 50, 40),
            ask(run("errand")),
            tokens=(90, 100),
        ),
        case(
            "a part that ends gives back what it did not use, in that very step",
            PARENT,
            ERRANDS,
            inside(1, reserve(1, 40, 40)),
            inside(1, settle(1, 30)),
            inside(1, DONE),
            tokens=(30, 100),
            asks=["finished", None],
            kinds=["handed_off", "run_finished", "answered"],
        ),
        case(
            "what its calls used is the run's usage too",
            PARENT,
            ask(run("errand")),
            inside(1, reserve(1, 40, 40)),
            inside(1, settle(1, 30)),
            inside(1, DONE),
            tokens=(30, 0),
            due=(Act((), 0, "fan", 2),),
        ),
        case(
            "a round that cannot be paid has not begun",
            CompiledMachine(MANAGER.definition, limits=Limits(tokens=260)),
            reserve(1, 60, 40),
            ask(run("errand"), run("errand")),
            failed="denied",
            kinds=["call_settled", "attempt_failed", "landed", "run_finished"],
            landing="denied",
            tokens=(100, 0),
        ),
        case(
            "a part that nothing is legal in has failed as it begins",
            PARENT,
            ask(run("closed"), run("errand")),
            asks=["finished", None],
            values=[{"state": "human", "landing": "no_handoff"}, None],
            tokens=(0, 100),
        ),
        case(
            "and may be all of its round",
            PARENT,
            ask(run("closed")),
            due=(Act((), 0, "fan", 2),),
            tokens=(0, 0),
        ),
        case(
            "a part that is charged more than its share lands the run",
            PARENT,
            ask(run("errand"), use("look_up")),
            inside(1, reserve(1, 50, 50)),
            inside(1, settle(1, 170)),
            landing="overrun",
            tokens=(170, 0),
        ),
        case(
            "one that is charged more than a call reserved, within its share, has failed alone",
            PARENT,
            ask(run("errand"), use("look_up")),
            inside(1, reserve(1, 10, 10)),
            inside(1, settle(1, 30)),
            values=[{"state": "human", "landing": "overrun"}, None],
            tokens=(30, 0),
            under_way=True,
        ),
        case(
            "a cancellation lands the whole tree, and charges what is open in full",
            PARENT,
            ask(run("errand"), run("approval"), use("look_up"), use("pay")),
            inside(1, reserve(1, 50, 50)),
            inside(2, ask()),
            cancel(),
            landing="cancelled",
            tokens=(100, 0),
            kinds=[
                *["call_settled", "landed", "run_finished", "answered"],
                *["answered", "landed", "run_finished", "answered"],
                *["answered", "answered", "landed", "run_finished"],
            ],
        ),
        case(
            "a visit that fails ends its round first, and takes its edge",
            PARENT,
            ask(run("errand")),
            inside(1, reserve(1, 50, 50)),
            fail("timeout", at=20),
            taken="over",
            tokens=(100, 0),
        ),
    ],
)
def test_money(row: Row) -> None:
    """Shares are moved in one step, and come back in the step in which a part ends."""
    row()


@pytest.mark.parametrize(
    "row",
    [
        case("of all, the first", PARENT, ERRANDS, inside(1, DONE), under_way=True),
        case("of all, both", PARENT, ERRANDS, inside(2, DONE), inside(1, DONE), asks=["finished"] * 2, under_way=False),
        case(
            "where both must succeed, one failure is the end",
            PARENT,
            ask(run("errand"), run("errand"), need=2),
            inside(1, cancel()),
            asks=["finished", "unneeded"],
            values=[{"state": "human", "landing": "cancelled"}, "it was no longer needed"],
            attempt=2,
        ),
        case(
            "where none must, all are waited for",
            PARENT,
            ERRANDS,
            inside(1, cancel()),
            under_way=True,
        ),
        case(
            "a race is over with its winner",
            PARENT,
            ask(run("errand"), run("errand"), use("pay"), need=1, race=True),
            inside(2, DONE),
            asks=["unneeded", "finished", "unneeded"],
            attempt=2,
        ),
        case(
            "but not with a loser",
            PARENT,
            ask(run("errand"), run("errand"), need=1, race=True),
            inside(2, cancel()),
            asks=[None, "finished"],
        ),
        case(
            "of which two are wanted, two",
            PARENT,
            ask(*[use("look_up")] * 3, need=2, race=True),
            answer(1, id=key(1)),
            answer(3, id=key(3)),
            asks=["answered", "unneeded", "answered"],
        ),
        case(
            "or two losers of three",
            PARENT,
            ask(*[use("look_up")] * 3, need=2, race=True),
            answer(1, ok=False, id=key(1)),
            answer(3, ok=False, id=key(3)),
            asks=["answered", "unneeded", "answered"],
            attempt=2,
        ),
        case(
            "a part that ends in its fallback has failed",
            PARENT,
            ask(run("approval"), use("look_up"), need=2),
            inside(1, ask()),
            inside(1, answer(value="no")),
            inside(1, reply("no")),
            values=[{"state": "human", "landing": None}, "it was no longer needed"],
        ),
    ],
)
def test_when_a_round_is_over(row: Row) -> None:
    """It is over when nothing is open, enough of a race has succeeded, or enough is no longer possible."""
    row()


def test_what_a_part_leaves_is_json() -> None:
    """An agent is told the end of its part and its context, as JSON."""
    play = Play(PARENT, ask(run("errand", count=3)), inside(1, DONE))

    assert [
        {"state": "done", "context": {"a": False, "b": False, "count": 3, "note": "n", "answer": None}}
    ] == play.seen("values")


def test_a_part_does_not_age_while_it_waits() -> None:
    """While one branch works, the time of another stands still in which only a human is due."""
    play = Play(PARENT, ask(run("approval"), run("errand"), at=1), inside(1, ask(), at=3))

    play.feed(inside(2, reserve(1, 9, 9), at=4))
    play.feed(inside(1, answer(), at=15))  # its visits have 8 seconds
    waited = levels(play.compiled, play.now, (1,))[-1]
    play.feed(inside(1, reply("yes"), at=17))

    assert (2.0, 13.0) == (waited.now.at, waited.behind)
    assert "done" == play.seen("values")[0]["state"]


def test_a_parts_time_is_its_own() -> None:
    """It begins at 0 when it is asked for, and its deadline and visits are judged by it."""
    play = Play(PARENT, ask(run("errand"), use("look_up"), at=4), inside(1, reply("finish", note="n"), at=15))

    assert [{"state": "human", "landing": "timeout"}, None] == play.seen("values")
    assert 15 == play.now.at


def around(inner: type[Machine[Facts]] | None) -> type[Machine[Facts]]:
    """Make a machine that runs another, or that of which all others are made."""

    class Level(Machine[Facts]):
        """One of many."""

        act = State(Nested(inner) if inner else work, initial=True)
        done, human = Final(), Final(fallback=True)
        on = act.to(done)

    return Level


@pytest.mark.parametrize(
    ("event", "status"),
    [(inside((1,) * 31, reply()), "running"), (cancel(), "finished"), (fail("timeout", at=99), "finished")],
)
def test_the_deepest_machines_take_a_step_from_a_caller_that_is_deep_in_calls(event: Input, status: str) -> None:
    """With 32 machines inside each other, a step may begin 500 calls down: it goes on, or lands all of them."""
    machine = None
    for _ in range(32):
        machine = around(machine)
    assert machine is not None
    play = Play(CompiledMachine(machine.definition), *(inside((1,) * deep, ask(run("Level"))) for deep in range(31)))

    def called(deep: int) -> None:
        if deep:
            called(deep - 1)
        else:
            play.feed(event)

    called(500)

    assert status == play.now.status


class Fares(Machine[Facts]):
    """Runs parts in its second state, if they can be paid."""

    first = State(Asks(asks=0), initial=True, max_visits=1)
    fan = State(Asks(parts=(part(Errand),)))
    done, human = Final(), Final(fallback=True)
    to_fan = first.to(fan)
    finish = fan.to(done)
    limits = Limits(tokens=300, cost_usd="0.00001")


PRICED = CompiledMachine(Fares.definition, prices={"fan.errand.look": Price(1, 1)})


def test_money_for_parts_is_told_in_words_of_parts() -> None:
    """What cannot be entered says which parts are to be paid there, in money too, and speaks of no call."""
    play = Play(PRICED)

    found = objection(PRICED, play.now, Fares.to_fan)

    assert found == Objection("budget", "what 'fan' runs (3 x 'errand') may take 300 tokens and $0.0003")


def test_a_run_that_was_moved_too_little_for_its_parts_says_so() -> None:
    """A thread that moves less than the parts of the first state take lands the run, in words of parts."""
    made = step(PARENT, None, replace(started(PARENT, {}, run_id="r"), tokens=5))

    landed = next(record for record in made.records if isinstance(record, Landed))
    assert landed.detail == (
        "it was moved 5 tokens, which do not pay what 'fan' runs (3 x 'errand', 3 x 'approval', 'closed')"
    )


def test_limits_that_pay_for_no_part_begin_no_run() -> None:
    """A start within too little says what the first state runs, and what that takes."""
    with pytest.raises(
        StepError, match=r"cannot start with 5 tokens and 8 hops: what 'fan' runs .* may take 340 tokens"
    ):
        Play(CompiledMachine(Parent.definition, limits=Limits(tokens=5)))
