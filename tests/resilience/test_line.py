"""A line for places: first come, first served, and no place is lost or held twice, whoever gives up when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.resilience.line import Line, NoPlace
from fsm_orch.testing import virtual_time


@dataclass
class Guest:
    """One that comes: when, how long it waits and stays, and whether it is called away meanwhile."""

    after_s: float
    waits_s: float | None
    stays_s: float
    leaves_s: float | None
    weight: int = 1


GUESTS = st.lists(
    st.builds(
        Guest,
        after_s=st.sampled_from([0.0, 0.0, 0.5, 1.0]),
        waits_s=st.sampled_from([None, None, 0.0, 0.5, 1.0, 3.0]),
        stays_s=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        leaves_s=st.sampled_from([None, None, None, 0.5, 1.0, 1.5]),
        weight=st.sampled_from([1, 1, 2, 5]),
    ),
    max_size=30,
)


@dataclass
class Seen:
    """What was seen of a line."""

    most: int = 0
    """How many places were held at once; who is alone may hold more than there are."""
    served: dict[int, float] = field(default_factory=dict)
    """Who was, and when."""
    refused: list[tuple[int, str]] = field(default_factory=list)


async def _played(line: Line, guests: list[Guest]) -> Seen:
    seen, inside = Seen(), 0

    async def one(number: int, guest: Guest) -> None:
        nonlocal inside
        try:
            async with asyncio.timeout(guest.leaves_s):
                await line.take(guest.waits_s, guest.weight)
        except NoPlace as error:
            seen.refused.append((number, error.why))
            return
        except TimeoutError:
            return
        seen.served[number] = asyncio.get_running_loop().time()
        inside += guest.weight
        seen.most = max(seen.most, inside if inside > guest.weight else 0)
        await asyncio.sleep(guest.stays_s)
        inside -= guest.weight
        line.give_back(guest.weight)

    tasks = []
    for number, guest in enumerate(guests):
        await asyncio.sleep(guest.after_s)
        tasks.append(asyncio.create_task(one(number, guest)))
        assert line.waiting <= line.longest
    await asyncio.gather(*tasks)
    return seen


@given(GUESTS, st.integers(1, 3), st.integers(0, 5))
def test_no_place_is_lost_or_held_twice(guests: list[Guest], places: int, longest: int) -> None:
    """Never more are inside than there are places; at the end all are free, and nobody waits; the first is first."""
    line = Line(places, longest)
    with virtual_time() as loop:
        seen = loop.run(_played(line, guests))

    assert seen.most <= places
    assert (0, 0, 0) == (line.held, line.waiting, line.ahead)
    served = [seen.served[number] for number in sorted(seen.served)]
    assert served == sorted(served)


def test_who_finds_the_line_full_is_told_at_once() -> None:
    """One is inside, two wait, the fourth is refused, and the third after its second is over."""
    guests = [Guest(0, None, 2, None), Guest(0, None, 2, None), Guest(0, 1.0, 2, None), Guest(0, None, 2, None)]
    line = Line(1, 2)
    with virtual_time() as loop:
        seen = loop.run(_played(line, guests))

    assert {0: 0.0, 1: 2.0} == seen.served
    assert [(3, "full"), (2, "too late")] == seen.refused


@pytest.mark.looptime
async def test_a_place_that_comes_with_a_cancellation_goes_on() -> None:
    """Who is cancelled in the very moment in which it is served hands the place to the next."""
    line = Line(1, 2)
    await line.take()
    second, third = asyncio.create_task(line.take()), asyncio.create_task(line.take())
    await asyncio.sleep(0)
    line.give_back()
    second.cancel()

    await third
    assert second.cancelled()
    assert (1, 0) == (line.held, line.waiting)


@pytest.mark.looptime
async def test_who_leaves_the_front_lets_those_behind_in() -> None:
    """One that wants two places kept another one waiting, for whom there was a place all along."""
    line = Line(2, 2)
    await line.take()
    heavy, light = asyncio.create_task(line.take(weight=2)), asyncio.create_task(line.take())
    await asyncio.sleep(0)
    heavy.cancel()

    await asyncio.wait_for(light, 1.0)
    assert (2, 0) == (line.held, line.waiting)


@pytest.mark.looptime
async def test_a_place_that_comes_in_the_last_moment_is_taken() -> None:
    """Who is served in the very moment in which its time is over has the place."""
    line, loop = Line(1, 1), asyncio.get_running_loop()
    await line.take()
    loop.call_later(1.0, line.give_back)

    await line.take(1.0)
    assert 1 == line.held


def test_threads_share_a_line() -> None:
    """Loops of several threads are served in turn, and one that is closed while it waits is passed over."""
    line, rounds, inside, most = Line(2, 100), 60, [0], [0]
    ready = Barrier(4)

    async def one() -> None:
        for _ in range(rounds):
            await line.take(30)
            inside[0] += 1
            most[0] = max(most[0], line.held)
            await asyncio.sleep(0)
            inside[0] -= 1
            line.give_back()

    def work() -> None:
        ready.wait()
        asyncio.run(one())

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (0, 0) == (line.held, line.waiting)
    assert most[0] <= 2


def test_a_loop_that_is_closed_is_passed_over() -> None:
    """A place is not handed to a waiter whose event loop is gone."""
    line, gone = Line(1, 5), asyncio.new_event_loop()
    asyncio.run(line.take())
    waiting = line.take()
    gone.call_soon(gone.stop)
    task = gone.create_task(waiting)
    gone.run_forever()
    gone.close()

    assert 1 == line.waiting
    line.give_back()
    assert (0, 0) == (line.held, line.waiting)
    task.get_coro().close()  # type: ignore[union-attr]
