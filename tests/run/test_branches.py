"""Branches and nested machines, run in virtual time: each as long as planned, stopped when it is due no longer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.branches import STOPPED, All, First, Inner, Outer, Tolerant, Trip, Two

from fsm_orch import Machine, Reply, Runner, RunResult, Visit
from fsm_orch.testing import TheoremChecker, virtual_time


def ran(machine: type[Machine[Trip]], plan: dict[str, Any], **options: Any) -> RunResult[Trip]:
    """Run as planned, and check the journal and that nothing is left."""
    STOPPED.clear()

    async def running() -> RunResult[Trip]:
        result = await Runner(machine, **options).run(Trip(plan=json.dumps(plan)))
        assert {asyncio.current_task()} == asyncio.all_tasks()
        return result

    with virtual_time() as loop:
        result = loop.run(running())
    desk = Runner(machine, **options)
    assert result.records == desk.replay(result.journal).records
    assert "finished" == TheoremChecker(desk.compiled).follow_all(result.journal).status
    return result


WELL, ILL, HANGS = [1, True], [1, False], [99, True]


@pytest.mark.parametrize(
    ("machine", "plan", "end", "seconds", "stopped"),
    [
        (All, {}, "done", 1.0, []),
        (All, {"a": [2, True], "b": [3, True]}, "done", 3.0, []),
        (All, {"a": ILL, "b": [2, True], "c": [2, True]}, "failed", 1.0, ["b", "c"]),
        (All, {"b": HANGS}, "late", 10.0, ["b"]),
        (First, {"b": [2, True], "c": HANGS}, "done", 1.0, ["b", "c"]),
        (First, {"a": ILL, "b": [2, True], "c": HANGS}, "done", 2.0, ["c"]),
        (First, {"a": ILL, "b": ILL, "c": ILL}, "failed", 1.0, []),
        (First, {"a": HANGS, "b": HANGS, "c": HANGS}, "late", 3.0, ["a", "b", "c"]),
        (Two, {"b": [2, True], "c": HANGS}, "done", 2.0, ["c"]),
        (Two, {"a": ILL, "b": [2, True], "c": [2, False]}, "failed", 2.0, []),
        (Two, {"a": ILL, "b": ILL, "c": HANGS}, "failed", 1.0, ["c"]),
        (Tolerant, {"a": ILL, "b": [2, True], "c": [3, False]}, "done", 3.0, []),
        (Outer, {"b": [2, True]}, "done", 2.0, []),
        (Outer, {"b": [4, False]}, "done", 4.0, []),
        (Inner, {"b": HANGS}, "late", 5.0, ["b"]),
        # both have no time left at the same instant: the outermost is left
        (Outer, {"b": HANGS}, "late", 5.0, ["b"]),
    ],
)
def test_branches_take_as_long_as_they_must(
    machine: type[Machine[Trip]], plan: dict[str, Any], end: str, seconds: float, stopped: list[str]
) -> None:
    """All at once, to the instant at which enough have ended, or enough no longer can; the others are stopped then."""
    result = ran(machine, plan)

    assert (end, seconds, stopped) == (result.state.name, result.seconds, sorted(STOPPED))
    assert [hop.source for hop in result.path] == ["fan"]


def test_a_hanging_branch_sends_the_outermost_visit_over_its_edge() -> None:
    """What timed out is folded for the machine whose edge is taken, once, and nothing after it."""
    result = ran(Outer, {"b": HANGS})

    (failed,) = [event for event in result.journal if event.kind == "failed"]
    assert (failed, ()) == (result.journal[-1], failed.path)


def test_a_branch_that_clings_on_is_abandoned() -> None:
    """A loser that does not let itself be stopped holds the run up for its grace, and no longer."""

    async def clings(visit: Any) -> Any:
        while True:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                STOPPED.append("clings")

    loser = next(state for state in First.definition.states["fan"].spec.parts[1].definition.states.values())

    async def running() -> tuple[RunResult[Trip], float]:
        result = await Runner(First, agents={loser: clings}).run(Trip(plan="{}"))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.get_coro().close()  # type: ignore[union-attr]
        return result, asyncio.get_running_loop().time()

    STOPPED.clear()
    with virtual_time() as loop:
        result, seconds = loop.run(running())

    assert ("done", 1.0, 2.0) == (result.state.name, result.seconds, seconds)
    assert "clings" in STOPPED


class Stop(BaseException):
    """What is no failure of an agent."""


def test_an_interrupt_in_a_branch_reaches_the_caller() -> None:
    """It lands the run; the other branches are stopped first, and nothing is left at work."""
    STOPPED.clear()
    part = All.definition.states["fan"].spec.parts[0]

    async def interrupts(visit: Any) -> Any:
        await asyncio.sleep(0.5)
        raise Stop

    kinds = list[str]()

    async def running() -> None:
        (state,) = part.definition.states.values()
        desk = Runner(All, agents={state: interrupts}, observers=[lambda record: kinds.append(record.kind)])
        with pytest.raises(Stop):
            await desk.run(Trip(plan="{}"))
        assert {asyncio.current_task()} == asyncio.all_tasks()

    with virtual_time() as loop:
        loop.run(running())

    assert ["b", "c"] == sorted(STOPPED)
    assert "run_finished" == kinds[-1]


def test_an_interrupt_before_a_branch_has_begun_keeps_it_from_beginning() -> None:
    """A branch whose task has not had its first turn when the run ends has none, and costs nothing."""
    began = list[str]()
    first, second, _ = (next(iter(part.definition.states.values())) for part in All.definition.states["fan"].spec.parts)

    async def begins(visit: Visit[Any]) -> Reply:
        began.append(visit.state.name)
        return Reply()

    def interrupts(visit: Visit[Any]) -> Reply:  # a plain function has no task
        raise Stop

    async def running() -> None:
        with pytest.raises(Stop):
            await Runner(All, agents={first: begins, second: interrupts}).run(Trip(plan="{}"))
        assert {asyncio.current_task()} == asyncio.all_tasks()

    with virtual_time() as loop:
        loop.run(running())

    assert [] == began
