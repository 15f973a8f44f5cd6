"""The active time of a run, and its one alarm: held, stopped, set again and let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Ticket

from fsm_orch import Final, Machine, Runner, State, Visit
from fsm_orch.run.active import ActiveTime
from fsm_orch.testing import virtual_time


def timers(loop: Any) -> int:
    """Return how many timers a loop still has to ring."""
    return sum(not timer.cancelled() for timer in loop._scheduled)


class Bare:
    """A timer that can be cancelled and says no time, such as uvloop's of what is due at once."""

    _source_traceback = None  # asked by asyncio itself

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.cancel = timer.cancel


MOVES = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 6)),
    st.tuples(st.just("wait"), st.integers(0, 8)),
    st.tuples(st.sampled_from(["stop", "hold", "go on"]), st.just(0)),
)


async def played(moves: list[tuple[str, int]]) -> None:
    """Play moves, and compare when the alarm rang with a countdown kept by hand."""
    loop = asyncio.get_running_loop()
    time = ActiveTime(loop.time, at=0.0, now=loop.time())
    rung, expected = list[tuple[int, float]](), list[tuple[int, float]]()
    alarm, left, holds, active, made = 0, 0.0, 0, 0.0, None

    def stop() -> None:
        nonlocal made
        if made is not None:
            time.stop_alarm(made)
            made = None

    call_at: Any = loop.call_at
    loop.call_at = lambda when, call, *args, **kind: Bare(call_at(when, call, *args, **kind))  # type: ignore[assignment,method-assign,return-value]
    wrong = list[Any]()  # what a timer raises reaches the loop alone
    loop.set_exception_handler(lambda _, told: wrong.append(told))

    def ringing(number: int) -> Callable[[], None]:
        def ring() -> None:
            rung.append((number, loop.time()))
            stop()

        return ring

    for number, (move, seconds) in enumerate(moves, 1):
        if move == "set":
            alarm, left = number, seconds + 0.5  # a half: no alarm is due at the very end of a wait
            stop()
            made = time.set_alarm(left, ringing(number))
        elif move == "stop":
            alarm = 0
            stop()
        elif move == "hold":
            holds += 1
            time.hold()
        elif move == "go on" and holds:
            holds -= 1
            time.go_on()
        elif move == "wait":
            if not holds:
                if alarm and left < seconds:
                    expected.append((alarm, loop.time() + left))
                    alarm = 0
                active, left = active + seconds, left - seconds
            await asyncio.sleep(seconds)
        assert (active, expected) == (time.elapsed(), rung)
        assert timers(loop) <= 1
    time.end()
    assert timers(loop) == 0
    await asyncio.sleep(100)
    assert (expected, []) == (rung, wrong)


@given(st.lists(MOVES, max_size=14))
def test_the_alarm_rings_when_its_active_seconds_are_over(moves: list[tuple[str, int]]) -> None:
    """However it is set, stopped and held: it rings once, at its time, for the last that set it; one timer does it."""
    with virtual_time() as loop:
        loop.run(played(moves))


async def waits(visit: Visit[Ticket]) -> None:
    """Take as long as the query says for this state."""
    await asyncio.sleep(
        dict(zip(("first", "second"), map(float, visit.context.query.split()), strict=True))[visit.state.name]
    )


class Long(Machine[Ticket]):
    """A long visit, and then a short one."""

    first = State(waits, initial=True, reads=Ticket.query, timeout_s=4)
    second = State(waits, reads=Ticket.query, timeout_s=0.5)
    done, human = Final(), Final(fallback=True)
    on, end = first.to(second), second.to(done)


class Short(Machine[Ticket]):
    """A short visit, and then a long one."""

    first = State(waits, initial=True, reads=Ticket.query, timeout_s=0.5)
    second = State(waits, reads=Ticket.query, timeout_s=4)
    done, human = Final(), Final(fallback=True)
    on, end = first.to(second), second.to(done)


@pytest.mark.parametrize(
    ("machine", "query", "seconds"),
    [(Long, "3 99", 3.5), (Long, "0 99", 0.5), (Short, "0.25 99", 4.25), (Long, "99 0", 4), (Short, "0 3", 3)],
)
@pytest.mark.looptime
async def test_each_visit_has_its_own_time(machine: Any, query: str, seconds: float) -> None:
    """A visit's time is over at its end, be it before or after that of the visit before; and leaves no timer behind."""
    result = await Runner(machine).run(Ticket(query=query))

    assert seconds == pytest.approx(result.seconds)
    assert ("99" in query) == (result.landing is not None)
    assert 0 == timers(asyncio.get_running_loop())


@pytest.mark.looptime
async def test_a_run_that_is_cancelled_leaves_no_timer() -> None:
    """However a run ends, its event loop has nothing of it left to ring."""
    task = asyncio.create_task(Runner(Long).run(Ticket(query="99 0")))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})

    assert 0 == timers(asyncio.get_running_loop())
