"""Pace: in any stretch of time no more calls leave than the rate and the burst admit, and nobody waits in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Pace
from fsm_orch.testing import virtual_time


@dataclass
class Call:
    """One that came: when, how long it had, and whether its run gave up meanwhile."""

    after_s: float
    left_s: float
    gives_up_s: float | None


@dataclass
class Went:
    """What became of it: when it left, or when it was denied; None: it gave up."""

    came: float
    left: float | None = None
    denied: float | None = None


CALLS = st.lists(
    st.builds(
        Call,
        after_s=st.sampled_from([0.0, 0.0, 0.0, 0.25, 1.0, 7.0]),
        left_s=st.sampled_from([0.0, 0.5, 2.0, 10.0, 1_000.0]),
        gives_up_s=st.sampled_from([None, None, None, 0.3, 1.7]),
    ),
    max_size=40,
)
PACES = st.tuples(st.sampled_from([1, 2, 3, 60]), st.sampled_from([1.0, 2.0, 60.0]), st.sampled_from([1, 2, 10]))


async def _played(pace: Pace, calls: list[Call]) -> list[Went]:
    loop = asyncio.get_running_loop()

    async def one(call: Call, went: Went) -> None:
        try:
            async with asyncio.timeout(call.gives_up_s):
                await pace.wait(call.left_s)
            went.left = loop.time()
        except CallDenied:
            went.denied = loop.time()
        except TimeoutError:
            pass

    tasks, went = [], list[Went]()
    for call in calls:
        await asyncio.sleep(call.after_s)
        went.append(Went(loop.time()))
        tasks.append(asyncio.create_task(one(call, went[-1])))
    await asyncio.gather(*tasks)
    return went


def played(calls: list[Call], numbers: tuple[int, float, int]) -> list[Went]:
    """Play calls at a pace, on virtual time."""
    with virtual_time() as loop:
        return loop.run(_played(Pace(numbers[0], per_s=numbers[1], burst=numbers[2]), calls))


@given(CALLS, PACES)
def test_no_stretch_of_time_has_more_calls_than_it_may(calls: list[Call], numbers: tuple[int, float, int]) -> None:
    """Between any two calls that leave there are at most the burst, and one more for each of the steps between them."""
    left = sorted(went.left for went in played(calls, numbers) if went.left is not None)
    every_s, burst = numbers[1] / numbers[0], numbers[2]

    for first in range(len(left)):
        for last in range(first + burst, len(left)):
            assert left[last] - left[first] >= (last - first - burst + 1) * every_s - 1e-6


@given(CALLS, PACES)
def test_calls_leave_in_the_order_in_which_they_came(calls: list[Call], numbers: tuple[int, float, int]) -> None:
    """Nobody overtakes, unless somebody gave up."""
    went = played([Call(call.after_s, call.left_s, None) for call in calls], numbers)

    left = [each.left for each in went if each.left is not None]
    assert left == sorted(left)


@given(CALLS, PACES)
def test_who_cannot_be_in_time_is_told_at_once(calls: list[Call], numbers: tuple[int, float, int]) -> None:
    """One is denied in the moment in which it comes, and takes no turn; one that is not leaves within its time."""
    patient = [Call(call.after_s, call.left_s, None) for call in calls]
    for call, went in zip(patient, played(patient, numbers), strict=True):
        if went.left is None:
            assert went.denied == went.came
        else:
            assert went.left - went.came < call.left_s


def test_forty_at_once_at_two_a_second_with_ten_seconds_each() -> None:
    """Twenty leave, the last of them after 9.5 s; twenty are told at once that they cannot be in time."""
    went = played([Call(0.0, 10.0, None)] * 40, (2, 1.0, 1))

    assert [number / 2 for number in range(20)] == pytest.approx([each.left for each in went if each.left is not None])
    assert [0.0] * 20 == [each.denied for each in went if each.denied is not None]


def test_a_turn_that_is_given_up_last_is_free_again() -> None:
    """Of two that wait the second gives up, and who comes then takes its turn."""
    went = played([Call(0.0, 9.0, None), Call(0.0, 9.0, 0.5), Call(0.75, 9.0, None)], (1, 1.0, 1))

    assert [0.0, None, 1.0] == pytest.approx([each.left for each in went])


def test_a_turn_that_is_given_up_in_mid_line_is_lost() -> None:
    """Who stands behind keeps its turn, and nobody else gets the same one."""
    went = played([Call(0, 9, None), Call(0, 9, 0.5), Call(0, 9, None), Call(0.75, 9, None)], (1, 1.0, 1))

    assert [0.0, None, 2.0, 3.0] == pytest.approx([each.left for each in went])


@given(st.permutations(range(5)), st.integers(1, 3))
def test_of_turns_that_are_all_given_up_none_is_lost(order: list[int], burst: int) -> None:
    """In whatever order those who wait give up: who comes then is in the place of the first of them."""
    calls = [Call(0, 99, None)] * burst + [Call(0, 99, 0.1 + each / 10) for each in order]

    went = played([*calls, Call(0.75, 99, None)], (1, 1.0, burst))

    assert [*[0.0] * burst, 1.0] == pytest.approx([each.left for each in went if each.left is not None])


async def test_a_turn_that_is_given_up_late_takes_none_from_who_left() -> None:
    """One that was due already gives up, when another call has left in the meantime: that one counts."""
    now = [0.0]
    pace = Pace(1, clock=lambda: now[0])
    await pace.wait(9)
    late = asyncio.create_task(pace.wait(9))
    await asyncio.sleep(0)
    now[0] = 3.0
    left_after = await pace.wait(9)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)

    assert (0.0, 1.0) == (left_after, pace._turn(9).waits)


def test_of_turns_nothing_stays_in_memory() -> None:
    """Used or given up, at the end of the line or in the middle."""
    with virtual_time() as loop:
        pace = Pace(1)

        async def all_of_them() -> None:
            waiting = [asyncio.create_task(pace.wait(99)) for _ in range(9)]
            await asyncio.sleep(0.5)
            for each in (3, 4, 8):
                waiting[each].cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

        loop.run(all_of_them())

    assert not pace._line


@pytest.mark.parametrize(("calls", "per_s", "burst"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (float("nan"), 1, 1)])
def test_numbers_are_positive(calls: float, per_s: float, burst: int) -> None:
    """A pace at which nothing would ever leave is refused."""
    with pytest.raises(ValueError, match="of a Pace takes a"):
        Pace(calls, per_s=per_s, burst=burst)


def test_outside_of_an_event_loop_it_has_the_time_of_the_machine() -> None:
    """It may be made, and its clock read, where no loop runs; and a clock may be given."""
    seconds = [5.0]
    pace = Pace(1, clock=lambda: seconds[0])

    assert 0.0 == asyncio.run(pace.wait(1.0))
    with pytest.raises(CallDenied, match=r"denied: pace: the next call is due in 1\.0 s, and 0\.5 s are left"):
        asyncio.run(pace.wait(0.5))
    seconds[0] = 6.0
    assert 0.0 == asyncio.run(pace.wait(0.5))
    assert 0.0 == asyncio.run(Pace(1).wait(1.0))
