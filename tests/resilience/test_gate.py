"""A gate: it lets an attempt in when its place, its breaker and its time admit that, and forgets nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Breaker, Bulkhead, Gate, Pace
from fsm_orch.resilience.base import Came

pytestmark = pytest.mark.looptime


async def stay(gate: Gate, seconds: float, came: Came = "ok", *, left: float = 100.0) -> str:
    """Go through a gate and stay a while; return what came of it."""
    said: Came = None
    try:
        async with gate.entered(left) as tell:
            try:
                await asyncio.sleep(seconds)
                said = came
            finally:
                await tell(said)
    except CallDenied as error:
        return error.reason
    return "entered"


async def test_a_gate_without_anything_lets_all_in() -> None:
    """It is never shut."""
    gate = Gate()

    assert ["entered"] * 5 == await asyncio.gather(*(stay(gate, 1) for _ in range(5)))
    assert not gate.is_shut


async def test_what_came_in_one_tick_is_counted_again_at_the_door() -> None:
    """Twelve that saw the gate open come at once: two enter, three wait, and seven are turned away."""
    gate = Gate(at_once=2, queue=3)
    assert not gate.is_shut

    came = await asyncio.gather(*(stay(gate, 1) for _ in range(12)))
    assert 5 == came.count("entered")
    assert ["full: 2 attempts are at work, and 3 wait"] * 7 == [each for each in came if each != "entered"]
    assert not gate.is_shut


async def test_who_waits_too_long_is_told_so() -> None:
    """A place that does not come within the time of the visit is no place."""
    gate = Gate(at_once=1, queue=1)

    came = await asyncio.gather(stay(gate, 5), stay(gate, 1, left=2.0))
    assert ["entered", "full: no place came free, 1 attempts are at work, and 0 wait"] == came


async def test_a_full_queue_shuts_a_gate() -> None:
    """It is shut as soon as nobody could even wait, and opens with the first that leaves."""
    gate = Gate(at_once=1, queue=1)
    tasks = [asyncio.create_task(stay(gate, seconds)) for seconds in (1, 1)]
    await asyncio.sleep(0.5)
    assert gate.is_shut
    await asyncio.sleep(1)
    assert not gate.is_shut
    await asyncio.gather(*tasks)


async def test_nobody_waits_in_line_for_an_agent_that_is_shut() -> None:
    """Who comes while the breaker is open is turned away at once; who waits then, when its place comes."""
    gate = Gate(at_once=1, queue=9, breaker=Breaker(failures=1, open_s=50))
    loop = asyncio.get_running_loop()

    async def late() -> tuple[str, float]:
        await asyncio.sleep(2)
        return await stay(gate, 1), loop.time()

    first, waited, (came, at) = await asyncio.gather(stay(gate, 1, "error"), stay(gate, 1), late())
    assert ("entered", True, True) == (first, waited.startswith("shut"), came.startswith("shut"))
    assert 2 == pytest.approx(at)
    assert not gate.places.is_full if gate.places else False


async def test_who_comes_to_an_agent_that_is_shut_does_not_wait_for_its_place() -> None:
    """One is still at work there for long; it is told at once all the same, and stands in nobody's way."""
    breaker = Breaker(failures=1, open_s=50)
    gate = Gate(at_once=1, queue=9, breaker=breaker)
    inside = asyncio.create_task(stay(gate, 9))
    await asyncio.sleep(1)
    await breaker.leave(0, "error")

    assert (await stay(gate, 0)).startswith("shut")
    assert 1 == pytest.approx(asyncio.get_running_loop().time())
    await inside


@pytest.mark.parametrize("came", [None, "ok", "error"])
async def test_a_probe_decides_if_it_says_anything(came: Came) -> None:
    """A probe that succeeds opens the gate, one that fails shuts it; one that says nothing lets another one try."""
    gate = Gate(breaker=Breaker(failures=1, open_s=50))
    await stay(gate, 1, "error")
    await asyncio.sleep(50)
    await stay(gate, 1, came)

    assert (came == "error") == gate.is_shut
    assert ("shut" if came == "error" else "entered") == (await stay(gate, 1)).partition(":")[0]


async def test_a_cancellation_leaves_nothing_held() -> None:
    """Of two that are cancelled, while one works and one waits, no place is held and no probe is out."""
    gate = Gate(at_once=1, queue=1, breaker=Breaker(failures=1, open_s=1))
    await stay(gate, 0, "error")
    await asyncio.sleep(1)
    inside, waiting = asyncio.create_task(stay(gate, 9)), asyncio.create_task(stay(gate, 9))
    await asyncio.sleep(0.5)
    waiting.cancel()
    inside.cancel()
    await asyncio.wait({inside, waiting})

    assert not gate.is_shut
    assert "entered" == await stay(gate, 0)


async def test_gates_share_what_they_are_given() -> None:
    """Two gates of one provider open and close together, and so do those of one bulkhead."""
    breaker, places = Breaker(failures=1), Bulkhead(1)
    one, other = Gate(breaker=breaker, at_once=places), Gate(breaker=breaker, at_once=places)
    task = asyncio.create_task(stay(one, 1, "error"))
    await asyncio.sleep(0.5)
    assert other.is_shut
    await task
    assert other.is_shut


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"queue": 3}, "say how many there are: at_once=8"),
        ({"at_once": 0}, "at_once= takes a whole number of 1 or more, not 0"),
        ({"at_once": 1, "queue": -1}, "queue= takes a whole number of 0 or more, not -1"),
        ({"at_once": Bulkhead(2), "queue": 3}, r"say it where the places are made, Bulkhead\(8, queue=16\)"),
    ],
)
async def test_numbers_of_a_gate_make_sense(numbers: dict[str, Any], why: str) -> None:
    """No places, or a queue for nothing, are refused."""
    with pytest.raises(ValueError, match=why):
        Gate(**numbers)


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"pace": 60}, r"^pace= of a Gate takes a pace: Pace\(60, per_s=60\), not an int$"),
        ({"pace": Pace}, "not the class Pace"),
        ({"at_once": "8"}, "^at_once= of a Gate takes how many, or places: at_once=8, not a str$"),
        ({"at_once": 8.0}, "not a float"),
        ({"at_once": True}, "not a bool"),
        ({"breaker": True}, r"^breaker= of a Gate takes a breaker: Breaker\(failures=5\), not a bool$"),
        ({"breaker": Pace(1)}, "not a Pace"),
    ],
)
async def test_a_gate_is_made_of_its_parts(part: dict[str, Any], why: str) -> None:
    """What is no pace, no place and no breaker is refused where it is given, and not in each run."""
    with pytest.raises(TypeError, match=why):
        Gate(**part)
