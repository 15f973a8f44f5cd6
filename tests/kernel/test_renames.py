"""Inputs in the words of another version of their machine: each name that is another there is told by that one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from support.handfed import Asks, ask, inside, part, reply, run, work
from support.random_machines import Facts

from fsm_orch import Final, Machine, State
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.rebinding import rebound_all
from fsm_orch.kernel.renames import Renames, renamed
from fsm_orch.kernel.step import fold
from fsm_orch.proof.versions.judge import judge

RENAMES = Renames(states={"fan": "spread", "sum_up": "close"}, handoffs={"finish": "finished"})


class Inner(Machine[Facts]):
    """A part of two states; its names are no names of the machine around it."""

    look = State(work, initial=True)
    fan = State(work)
    done, human = Final(), Final(fallback=True)
    on, end = look.to(fan), fan.to(done)


class Old(Machine[Facts]):
    """Runs a part, and ends."""

    fan = State(Asks(parts=(part(Inner, 2),)), initial=True)
    sum_up = State(work)
    done, human = Final(), Final(fallback=True)
    finish, end = fan.to(sum_up), sum_up.to(done)
    lost = fan.on_failure(done)


class New(Machine[Facts]):
    """The same under other names."""

    spread = State(Asks(parts=(part(Inner, 2),)), initial=True)
    close = State(work)
    done, human = Final(), Final(fallback=True)
    finished, end = spread.to(close), close.to(done)
    lost = spread.on_failure(done)


OLD, NEW = CompiledMachine(Old.definition), CompiledMachine(New.definition)


def begun(*shut: str) -> Input:
    """Begin a run of the old version while states are shut."""
    return replace(started(OLD, {}, run_id="r"), shut=shut)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("sum_up", "close"),
        ("fan.inner.look", "spread.inner.look"),
        ("fan.inner.fan", "spread.inner.fan"),
        ("other", "other"),
        ("other.fan.sum_up", "other.fan.sum_up"),
        ("", ""),
    ],
)
def test_what_is_shut_is_told_by_its_place_in_the_new_version(was: str, now: str) -> None:
    """Where a run begins and where gates are seen; inside parts names stay, and what has no new name keeps its own."""
    first, seen = (renamed(each, RENAMES) for each in (begun(was), inputs.GatesSeen(shut=(was, was), at=1.0)))

    assert inputs.GatesSeen(shut=(now, now), at=1.0) == seen
    assert (now,) == first.shut  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "journal",
    [
        [begun(), inputs.GatesSeen(shut=("sum_up",), at=0.1), reply("finish")],
        [begun("sum_up")],
        [begun("fan.inner.fan"), ask(run("inner"))],
        [begun(), ask(run("inner")), inputs.GatesSeen(shut=("fan.inner.fan",), at=0.1), inside(1, reply())],
    ],
)
def test_a_run_that_found_states_shut_goes_on_in_a_version_where_they_have_other_names(journal: list[Input]) -> None:
    """It is refused there what it was refused, and its journal folds to the same end at every level."""
    for cut in range(1, len(journal) + 1):
        judged = judge(OLD, NEW, journal[:cut], renames=RENAMES)

        assert ("continues", "") == (judged.verdict, judged.why)
    was, now = fold(OLD, journal), fold(NEW, rebound_all(New.definition, journal, RENAMES))
    assert (was.landing, was.hops) == (now.landing, now.hops)
    assert {RENAMES.place(place) for place in was.shut} == now.shut


def test_what_was_shut_and_is_gone_is_passed_over() -> None:
    """A version that lacks the state, or the part, folds the journal as if nobody had said so."""
    journal = [
        begun("gone", "fan.gone.look", "fan.inner.gone"),
        inputs.GatesSeen(shut=("gone", "fan.inner", "fan.inner.gone"), at=0.1),
    ]

    assert frozenset() == fold(OLD, journal).shut
    assert "continues" == judge(OLD, NEW, journal, renames=RENAMES).verdict
