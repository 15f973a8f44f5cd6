"""What gates promise, be their parts in the memory of one process or shared over Redis: the same tests for both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from support.servers import redis

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Breaker, Bulkhead, Gate, Pace
from fsm_orch.resilience.base import Breaking, Came, Pacing, Places, Why
from fsm_orch.resilience.shared import SharedGates


class Parts:
    """Makes the parts of gates, in memory."""

    def pace(self, calls: float, *, per_s: float = 1.0, burst: int = 1) -> Pacing:
        return Pace(calls, per_s=per_s, burst=burst)

    def breaker(
        self,
        *,
        failures: int = 5,
        window_s: float = 60.0,
        open_s: float = 30.0,
        counts: tuple[Why, ...] = ("error", "timeout"),
    ) -> Breaking:
        return Breaker(failures=failures, window_s=window_s, open_s=open_s, counts=counts)

    def places(self, at_once: int, *, queue: int = 0) -> Places:
        return Bulkhead(at_once, queue=queue)


class SharedParts(Parts):
    """Makes them shared, each under a name of its own."""

    def __init__(self, shared: SharedGates) -> None:
        self._shared = shared

    def pace(self, calls: float, *, per_s: float = 1.0, burst: int = 1) -> Pacing:
        return self._shared.pace(uuid4().hex, calls, per_s=per_s, burst=burst)

    def breaker(
        self,
        *,
        failures: int = 5,
        window_s: float = 60.0,
        open_s: float = 30.0,
        counts: tuple[Why, ...] = ("error", "timeout"),
    ) -> Breaking:
        return self._shared.breaker(uuid4().hex, failures=failures, window_s=window_s, open_s=open_s, counts=counts)

    def places(self, at_once: int, *, queue: int = 0) -> Places:
        return self._shared.places(uuid4().hex, at_once, queue=queue)


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedGates]:
    """Gates over Redis."""
    with SharedGates(redis().url, namespace=uuid4().hex, lease_s=60.0, timeout_s=20.0) as shared:
        yield shared


@pytest.fixture(params=["local", "shared"])
def parts(request: pytest.FixtureRequest) -> Parts:
    """What makes parts, of either kind."""
    return Parts() if request.param == "local" else SharedParts(request.getfixturevalue("shared"))


async def stay(gate: Gate, leaves: asyncio.Event | None = None, came: Came = "ok", *, left: float = 30.0) -> str:
    """Go through a gate, and stay until something happens; return what came of it."""
    said: Came = None
    try:
        async with gate.entered(left) as tell:
            try:
                if leaves is not None:
                    await leaves.wait()
                said = came
            finally:
                await tell(said)
    except CallDenied as error:
        return error.reason
    return "entered"


async def shown(gate: Gate, *, is_shut: bool) -> None:
    """Wait until a gate is seen to be shut or not, which is at once in memory, and before a lease runs out in Redis."""
    async with asyncio.timeout(30):
        while gate.is_shut != is_shut:  # noqa: ASYNC110 - nothing tells of it: that is looked at
            await asyncio.sleep(0.005)


async def opened(breaker: Breaking, came: Came = "error") -> None:
    """Let an attempt fail."""
    await breaker.leave(await breaker.enter(), came)


async def test_a_pace_keeps_its_burst_and_then_its_steps(parts: Parts) -> None:
    """Three of a burst leave at once, and each other a step after the one before."""
    pace = parts.pace(1, burst=3)
    waited = await asyncio.gather(*(pace.wait(50.0) for _ in range(6)))

    assert [0.0] * 3 == waited[:3]
    assert [1.0, 2.0, 3.0] == pytest.approx(waited[3:], abs=0.99)
    assert waited[3] < waited[4] < waited[5]


async def test_a_pace_denies_at_once_what_cannot_be_in_time(parts: Parts) -> None:
    """Of three with 0.2 s each, at one in three seconds, two are denied, and take no turn from who has more time."""
    pace = parts.pace(1, per_s=3)
    came = await asyncio.gather(*(pace.wait(0.2) for _ in range(3)), return_exceptions=True)
    with pytest.raises(CallDenied, match=r"denied: pace: the next call is due in \d\.\d s, and 0\.1 s are left"):
        await pace.wait(0.1)

    assert 0.0 == came[0]
    assert [CallDenied] * 2 == [type(each) for each in came[1:]]
    assert 0.0 < await pace.wait(50.0) <= 3


async def test_a_turn_that_is_given_up_last_is_anothers(parts: Parts) -> None:
    """Of two that wait the second gives up, and who comes then has its turn."""
    pace = parts.pace(2, per_s=4)
    await pace.wait(1.0)
    first, second = asyncio.create_task(pace.wait(90.0)), asyncio.create_task(pace.wait(90.0))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.wait({second})

    assert 2 < await pace.wait(90.0) <= 4
    assert await first <= 2


async def test_three_failures_open_a_breaker_and_one_probe_of_four_closes_it(parts: Parts) -> None:
    """It is shut meanwhile; then one of four enters, and after its success all do."""
    breaker = parts.breaker(failures=3, open_s=2.0)
    for _ in range(2):
        await opened(breaker)
        assert not breaker.is_shut
    await opened(breaker)
    assert breaker.is_shut
    with pytest.raises(CallDenied, match="denied: shut: its agent has failed too often"):
        await breaker.enter()

    await asyncio.sleep(2.05)
    assert not breaker.is_shut
    came = await asyncio.gather(*(breaker.enter() for _ in range(4)), return_exceptions=True)
    (probe,) = [number for number in came if isinstance(number, int)]
    assert probe != 0
    assert breaker.is_shut
    await breaker.leave(probe, "ok")
    assert not breaker.is_shut
    assert 0 == await breaker.enter()
    await opened(breaker)
    assert not breaker.is_shut


async def test_failures_that_are_far_apart_do_not_open_a_breaker(parts: Parts) -> None:
    """Two failures in more than the window leave it as it is."""
    breaker = parts.breaker(failures=2, window_s=0.1)
    for _ in range(3):
        await opened(breaker, "timeout")
        await asyncio.sleep(0.15)
    assert not breaker.is_shut


@pytest.mark.parametrize("came", [None, "refusal", "error"])
async def test_a_probe_decides_if_it_says_anything(parts: Parts, came: Came) -> None:
    """One that fails opens it anew, one that is refused has been answered, and one that says nothing is no probe."""
    breaker = parts.breaker(failures=1, open_s=2.0)
    await opened(breaker)
    await asyncio.sleep(2.05)
    probe = await breaker.enter()
    assert breaker.is_shut
    await breaker.leave(probe, came)

    assert (came == "error") == breaker.is_shut
    if came != "error":
        again = await breaker.enter()
        assert (came is None) == (again != 0)
        assert again != probe


async def test_attempts_that_entered_before_it_opened_count_for_nothing(parts: Parts) -> None:
    """What they come to neither closes it nor keeps it open for longer."""
    breaker = parts.breaker(failures=1, open_s=2.0)
    early = [await breaker.enter() for _ in range(3)]
    await breaker.leave(early.pop(), "error")
    await breaker.leave(early.pop(), "ok")
    assert breaker.is_shut
    await asyncio.sleep(2.05)
    await breaker.leave(early.pop(), "error")
    assert not breaker.is_shut


async def test_what_counts_can_be_said(parts: Parts) -> None:
    """Refused replies count where that is said, and then nothing else does."""
    breaker = parts.breaker(failures=1, counts=("refusal",))
    await opened(breaker)
    assert not breaker.is_shut
    await opened(breaker, "refusal")
    assert breaker.is_shut


async def test_what_came_in_one_tick_is_counted_again_at_the_door(parts: Parts) -> None:
    """Twelve that saw the gate open come at once: two enter, three wait, and seven are turned away."""
    gate, leaves = Gate(at_once=parts.places(2, queue=3)), asyncio.Event()
    tasks = [asyncio.create_task(stay(gate, leaves)) for _ in range(12)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await shown(gate, is_shut=True)
    leaves.set()
    came = await asyncio.gather(*tasks)

    assert ["entered"] * 5 == came[:5]
    assert ["full: 2 attempts are at work, and 3 wait"] * 7 == came[5:]
    await shown(gate, is_shut=False)


async def test_the_first_in_line_is_served_first(parts: Parts) -> None:
    """Ten go through one place in the order in which they came."""
    gate, order = Gate(at_once=parts.places(1, queue=10)), list[int]()

    async def one(number: int) -> None:
        async with gate.entered(30.0):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(10)))
    assert list(range(10)) == order


async def test_who_waits_too_long_is_told_so(parts: Parts) -> None:
    """A place that does not come within the time of the visit is no place, and who gave up is in nobody's way."""
    gate, leaves = Gate(at_once=parts.places(1, queue=2)), asyncio.Event()
    first = asyncio.create_task(stay(gate, leaves))
    await asyncio.sleep(0.05)
    assert "full: no place came free, 1 attempts are at work, and 0 wait" == await stay(gate, left=0.1)
    second = asyncio.create_task(stay(gate))
    await asyncio.sleep(0.05)
    leaves.set()

    assert ["entered"] * 2 == await asyncio.gather(first, second)


async def test_without_a_place_to_wait_nobody_waits(parts: Parts) -> None:
    """Two places and no line: they are full as soon as both are held."""
    places = parts.places(2)
    one, other = await places.take(0.0), await places.take(0.0)
    assert places.is_full
    with pytest.raises(CallDenied, match="full: 2 attempts are at work, and 0 wait"):
        await places.take(1.0)
    await one()
    assert not places.is_full
    await other()


async def test_a_cancellation_leaves_nothing_held(parts: Parts) -> None:
    """Of two that are cancelled, while one works and one waits, no place is held and no probe is out."""
    gate = Gate(at_once=parts.places(1, queue=1), breaker=parts.breaker(failures=1, open_s=2.0))
    await stay(gate, came="error")
    await asyncio.sleep(2.05)
    inside, waiting = [asyncio.create_task(stay(gate, asyncio.Event())) for _ in range(2)]
    await shown(gate, is_shut=True)
    waiting.cancel()
    inside.cancel()
    await asyncio.wait({inside, waiting})
    await shown(gate, is_shut=False)

    assert "entered" == await stay(gate, left=5.0)
    assert not gate.is_shut


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancellation_at_any_moment_leaves_nothing_held(parts: Parts, turns: int) -> None:
    """It may come before, while or after the place and the probe are had, and nothing of them is lost."""
    gate = Gate(at_once=parts.places(1, queue=5), breaker=parts.breaker(failures=1, open_s=0.01))
    await stay(gate, came="error")
    await asyncio.sleep(0.02)
    tasks = [asyncio.create_task(stay(gate, asyncio.Event())) for _ in range(3)]
    for _ in range(turns // 4):
        await asyncio.sleep(0)
    await asyncio.sleep(0.0005 * turns)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await shown(gate, is_shut=False)

    assert "entered" == await stay(gate, left=3.0)


@pytest.mark.parametrize("calls", [1e7, 1e300, float("inf")])
async def test_a_pace_may_be_as_fast_as_one_likes(shared: SharedGates, parts: Parts, calls: float) -> None:
    """Calls of it wait for nothing, and Redis takes its numbers."""
    pace = parts.pace(calls)

    assert [0.0, 0.0] == pytest.approx([await pace.wait(1.0), await pace.wait(1.0)], abs=1e-5)
    assert not shared._link.is_alone


async def test_a_breaker_may_be_open_for_as_long_as_one_likes(shared: SharedGates, parts: Parts) -> None:
    """A hundred years, and failures are kept as long."""
    century = 100 * 365 * 86_400.0
    breaker = parts.breaker(failures=1, window_s=century, open_s=century)
    await opened(breaker)

    assert breaker.is_shut
    assert not shared._link.is_alone


async def test_names_are_told_apart(shared: SharedGates) -> None:
    """Whatever they look like: none of these has the keys of another one, and each is text."""
    names = ["a", "a:failed", "a.failed", "failed:a", "failed", ":a", "a:held", "held", "a\nb", "{a}", "é", "a\0", ""]
    breakers = [shared.breaker(f"odd{name}", failures=2) for name in names]
    places = [shared.places(f"odd{name}", 1) for name in names]
    for breaker in breakers:
        await opened(breaker)
    assert not any(breaker.is_shut for breaker in breakers)
    for give_back in [await each.take(1.0) for each in places]:
        await give_back()
    assert not shared._link.is_alone


async def test_who_is_called_away_before_its_answer_holds_nothing(shared: SharedGates) -> None:
    """The server has given it a place by then, which it would have kept for good."""
    places, other = shared.places(uuid4().hex, 100), shared.places(uuid4().hex, 1)
    for _ in range(20):
        task = asyncio.create_task(places.take(5.0))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    await (await other.take(5.0))()  # over the same line, so all of them have been answered

    assert not places._held
    assert not places._known


async def test_who_is_dropped_while_it_waits_is_in_nobodys_way(parts: Parts) -> None:
    """A loop that ends may drop a coroutine without cancelling it; the place that comes free then is the next one's."""
    places = parts.places(1, queue=5)
    give_back = await places.take(1.0)
    dropped = places.take(30.0)
    dropped.send(None)  # type: ignore[attr-defined]
    await asyncio.sleep(0.05)
    dropped.close()  # type: ignore[attr-defined]
    await give_back()

    await (await places.take(3.0))()


@pytest.mark.parametrize("numbers", [(0, {}), (1, {"queue": -1})])
def test_places_that_make_no_sense_are_refused(parts: Parts, numbers: tuple[int, dict[str, int]]) -> None:
    """No place, or fewer than none that wait."""
    with pytest.raises(ValueError, match=r" takes a whole number of [01] or more"):
        parts.places(numbers[0], **numbers[1])


@pytest.mark.parametrize("failures", [0, -1])
def test_other_numbers_are_positive(parts: Parts, failures: int) -> None:
    """A breaker that is always open, and a pace at which nothing leaves, are refused."""
    with pytest.raises(ValueError, match=r"takes a (whole )?(finite )?number"):
        parts.breaker(failures=failures)
    with pytest.raises(ValueError, match=r"takes a (whole )?(finite )?number"):
        parts.pace(failures)


def test_what_is_no_failure_does_not_count(parts: Parts) -> None:
    """A breaker that would never open, for a word that is no failure, is refused."""
    with pytest.raises(ValueError, match="it would never open"):
        parts.breaker(counts=("errors",))  # type: ignore[arg-type]
