"""Gates: nobody may enter a state that is shut, at any level of the tree, and nothing else changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from support.handfed import Asks, Play, Row, ask, case, fail, inside, part, refuses, reply, reserve, run, settle, work
from support.random_machines import Facts, is_a

from fsm_orch import Final, Limits, LLMAgent, Machine, State
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.legal import legal, most_offered
from fsm_orch.kernel.step import step


def shut(*places: str, at: float = 0) -> Input:
    """Say which states nobody may enter."""
    return inputs.GatesSeen(shut=places, at=at)


class Doors(Machine[Facts]):
    """A model that has a choice, code that has none, and a failure edge."""

    choose = State(LLMAgent("Choose.", calls=3, max_input_tokens=10, max_output_tokens=10), initial=True)
    check = State(work, writes=(Facts.a,), max_visits=1)
    search = State(work)
    rest = State(work)
    done = Final()
    human = Final(fallback=True)
    to_check = choose.to(check, "check it")
    to_search = choose.to(search, "look for it")
    sure = check.to(rest, guard=is_a)
    unsure = check.to(search)
    lost = check.on_failure(rest)
    ends = (search | rest).to(done)
    limits = Limits(hops=6, tokens=200, deadline_s=100)


class Inner(Machine[Facts]):
    """A part of two states."""

    look = State(work, initial=True)
    read = State(work)
    done = Final()
    human = Final(fallback=True)
    on = look.to(read)
    end = read.to(done)


class Outer(Machine[Facts]):
    """Runs a part twice at most, and ends."""

    fan = State(Asks(parts=(part(Inner, 2),)), initial=True)
    sum_up = State(work)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(sum_up)
    end = sum_up.to(done)


DOORS, OUTER = CompiledMachine(Doors.definition), CompiledMachine(Outer.definition)
TO_CHECK = reply("to_check")
BOTH = ask(run("inner"), run("inner"))


@pytest.mark.parametrize(
    "row",
    [
        case(
            "a model that names a shut state is told, and asked again",
            DOORS,
            shut("check"),
            TO_CHECK,
            refused="shut",
            why="'to_check' is not legal now: the agent of 'check' is not available now",
            is_repaired=True,
            state="choose",
            attempt=2,
        ),
        case("it may then take another", DOORS, shut("check"), TO_CHECK, reply("to_search"), state="search"),
        case(
            "and the same one, once its state is shut no more",
            DOORS,
            shut("check"),
            TO_CHECK,
            shut(),
            TO_CHECK,
            state="check",
        ),
        case(
            "a run whose model names it to the last lands as shut",
            DOORS,
            shut("check"),
            reserve(1, 1, 1),
            settle(1, 1, 1),
            reserve(2, 1, 1),
            settle(2, 1, 1),
            reserve(3, 1, 1),
            settle(3, 1, 1),
            TO_CHECK,
            landing="shut",
        ),
        case(
            "where all is shut that could be entered, the run lands",
            DOORS,
            shut("check", "search"),
            TO_CHECK,
            landing="shut",
        ),
        case(
            "code never falls through to the next exit: it takes its failure edge",
            DOORS,
            shut("search"),
            TO_CHECK,
            reply(a=False),
            refused="shut",
            is_repaired=False,
            taken="lost",
            state="rest",
        ),
        case(
            "a failure edge to a shut state is not taken",
            DOORS,
            TO_CHECK,
            shut("rest"),
            fail(),
            landing="failure",
            state="human",
        ),
        case("whoever is in a state that is shut goes on", DOORS, TO_CHECK, shut("check"), reply(a=True), state="rest"),
        case(
            "a final state is never shut for those before it",
            DOORS,
            TO_CHECK,
            reply(a=True),
            shut("rest", "search"),
            reply(),
            state="done",
        ),
        case(
            "a run in which all is shut enters its state, and lands at once",
            DOORS,
            TO_CHECK,
            shut("rest", "search"),
            reply(a=True),
            landing="shut",
        ),
        case("what is seen is recorded", DOORS, shut("search", "check"), kinds=["gates_seen"]),
        case(
            "a part knows its own states that are shut",
            OUTER,
            shut("fan.inner.read"),
            BOTH,
            asks=["finished", "finished"],
        ),
        case(
            "also one that ran already",
            OUTER,
            BOTH,
            shut("fan.inner.read"),
            inside(2, reply()),
            asks=[None, "finished"],
        ),
        case("and no others: names are by place", OUTER, shut("sum_up"), BOTH, inside(1, reply()), asks=[None, None]),
    ],
)
def test_what_is_shut_is_not_entered(row: Row) -> None:
    """A shut state is no handoff's target: a model is told and chooses again, code has failed its visit."""
    row()


@pytest.mark.parametrize("place", ["nowhere", "done", "fan", "check.inner.look", "check.", ""])
def test_only_states_can_be_shut(place: str) -> None:
    """A name of no state of the tree is passed over, in a journal's first input too: a newer machine may lack one."""
    begun = step(DOORS, None, replace(started(DOORS, {}, run_id="r"), shut=("check", place)))

    assert frozenset({"check"}) == Play(DOORS, shut("check", place)).now.shut == begun.configuration.shut


def test_gates_are_seen_for_the_whole_run() -> None:
    """An input for a part is refused."""
    refuses("is always for the run itself", OUTER, BOTH, inputs.GatesSeen(shut=(), at=0, path=(1,)))


def test_a_run_may_begin_while_states_are_shut() -> None:
    """Its first menu leaves out what is shut, and so does the form of its model, which may then take none of these."""
    begun = step(DOORS, None, replace(started(DOORS, {}, run_id="r"), shut=("search",)))
    (visit,) = [record for record in begun.records if isinstance(record, records.VisitStarted)]
    offer = most_offered(DOORS, begun.configuration)

    assert ("to_check",) == visit.legal
    assert (Doors.to_check,) == offer.handoffs
    assert offer.is_used_up


def test_a_waiting_run_sees_gates() -> None:
    """A run that waits for a human is told too: what it goes on with when it is answered is drawn by then."""

    class Waits(Machine[Facts]):
        """Asks a human, then works."""

        ask = State(Asks(kind="human", asks_human=True, asks=1, must_ask=True, proposes=True), initial=True)
        work = State(work)
        done = Final()
        human = Final(fallback=True)
        yes = ask.to(work, "yes")
        no = ask.to(human, "no")
        end = work.to(done)

    play = Play(CompiledMachine(Waits.definition), ask())
    assert play.now.is_waiting
    play.feed(shut("work"))

    assert play.now.is_waiting
    assert (Waits.no,) == legal(play.compiled, play.now)


def test_all_levels_are_told() -> None:
    """Each machine of the tree knows the places from itself on down; those that ended are let be."""
    play = Play(OUTER, BOTH, inside(1, fail()), shut("fan.inner.read", "sum_up"))
    visit = play.now.visit
    assert visit is not None
    child = visit.asks[2].child
    assert child is not None

    assert frozenset({"fan.inner.read", "sum_up"}) == play.now.shut
    assert frozenset({"read"}) == child.shut
    play.feed(shut())
    assert play.now.visit is not None
    assert [None, frozenset[str]()] == [ask.child and ask.child.shut for ask in play.now.visit.asks.values()]
