"""What becomes of runs that found states shut: a gate closes an exit of any machine, as lack of money does of some."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from support.handfed import Asks, ask, part, reply, work
from support.handfed import run as run_of
from support.random_machines import Facts, is_a

from fsm_orch import Final, Limits, Machine, State
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import GatesSeen, Input, Started
from fsm_orch.kernel.step import fold
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.judge import judge

LANDS = "'choose' has other exits now, and a run lands there that can enter nothing behind them"


def walk(exits: str) -> type[Machine[Any]]:
    """Return a machine of code that goes to a state with some exits, and the start of another run stands there too."""

    class Walk(Machine[Facts]):
        """Go on, or end at once."""

        first = State(work, initial=True)
        choose = State(work, entry=True, writes=Facts.a if "writing" in exits else ())
        rest = State(work)
        done, given_up, human = Final(), Final(), Final(fallback=True)
        go = first.to(choose)
        on = choose.to(rest)
        if "more" in exits:
            more = State(work)
            also, end_of_more = choose.to(more), more.to(done)
        if "end" in exits:
            end = choose.to(given_up)
        if "guarded" in exits:
            end = choose.to(given_up, guard=is_a)
        over = rest.to(done)
        cancel = first.to(given_up)
        limits = Limits(hops=6, tokens=10_000)

    return Walk


def around(inner: type[Machine[Any]]) -> type[Machine[Any]]:
    """Return a machine that runs another in a visit."""

    class Around(Machine[Facts]):
        """Run a part, and end."""

        fan = State(Asks(parts=(part(inner, 1, name="inner"),)), initial=True)
        done, human = Final(), Final(fallback=True)
        end = fan.to(done)

    return Around


def begun(compiled: CompiledMachine, *shut: str, **options: Any) -> Started:
    return replace(started(compiled, {}, run_id="r", **options), shut=shut)


def on_its_way(compiled: CompiledMachine) -> list[Input]:
    """Return a run that comes to a state while the state behind it is shut."""
    return [begun(compiled), GatesSeen(shut=("rest",), at=0.0), reply("go")]


def from_there(compiled: CompiledMachine) -> list[Input]:
    """Return a run that starts there, while that is shut."""
    return [begun(compiled, "rest", state="choose")]


def inside(compiled: CompiledMachine) -> list[Input]:
    """Return a run in which a part comes there."""
    return [begun(compiled, "fan.inner.rest"), ask(run_of("inner")), inputs.Replied(handoff="go", at=0.0, path=(1,))]


@pytest.mark.parametrize("way", [on_its_way, from_there])
def test_an_exit_to_an_end_that_is_gone_may_land_a_run_whose_other_exits_are_shut(way: Any) -> None:
    """It stands in the old version, and has landed in the new one: so not every run continues, though all is free."""
    old, new = (CompiledMachine(walk(exits).definition) for exits in ("end", ""))
    found = judge_all(old, new)

    assert "the state is 'human' now, and was 'choose'" in judge(old, new, way(old)).why
    assert not found.continues
    assert LANDS in {loss.why for loss in found.losses}


@pytest.mark.parametrize(("was", "now"), [("end", ""), ("", "end")])
def test_a_part_that_lands_in_one_version_alone_does_not_continue(was: str, now: str) -> None:
    """Its end strands nobody, but for the run around it: that goes on with an answer, or with none."""
    old, new = (CompiledMachine(around(walk(exits)).definition) for exits in (was, now))
    found = judge_all(old, new)

    assert "continues" != judge(old, new, inside(old)).verdict
    assert not found.continues


@pytest.mark.parametrize(
    ("was", "now"), [("", "more"), ("", "end"), ("end", "end more"), ("guarded", "end"), ("", "guarded")]
)
@pytest.mark.parametrize("way", [on_its_way, from_there])
def test_an_exit_that_is_added_strands_nobody(way: Any, was: str, now: str) -> None:
    """Who goes on with some of them shut goes on with more of them open; whoever has landed without them has landed."""
    old, new = (CompiledMachine(walk(exits).definition) for exits in (was, now))

    assert judge_all(old, new).continues
    assert "finished" == fold(old, way(old)).status or "continues" == judge(old, new, way(old)).verdict


def test_what_an_agent_has_yet_to_write_closes_no_exit() -> None:
    """Where it no longer writes what a guard reads, that may: a run may then land at once that stood there before."""
    found = judge_all(*(CompiledMachine(walk(exits).definition) for exits in ("guarded writing", "guarded")))

    assert "choose" in [loss.path[-1] for loss in found.losses if loss.why == LANDS]
