"""A breaker: what failures open, one probe at a time closes or keeps open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from support.breaking import FAILURES, OPEN_S, WINDOW_S, Breaking

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Breaker
from fsm_orch.resilience.base import Came

T = TypeVar("T")


def at_once(waited: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine that waits for nothing comes to; an event loop for each takes long."""
    try:
        waited.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


class LocalBreaking(Breaking):
    """A breaker in memory."""

    def made(self) -> Breaker:
        return Breaker(failures=FAILURES, window_s=WINDOW_S, open_s=OPEN_S, clock=lambda: self.time)

    def waited(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return at_once(coroutine)


TestBreaking = LocalBreaking.TestCase


@pytest.mark.looptime
async def test_three_failures_in_a_minute_open_it_and_one_probe_of_four_decides() -> None:
    """It is shut for five minutes; then one of four enters, and after its success all do."""
    breaker = Breaker(failures=3, window_s=60, open_s=300)
    for _ in range(3):
        await breaker.leave(await breaker.enter(), "error")
        await asyncio.sleep(20)
    assert breaker.is_shut
    with pytest.raises(CallDenied, match="denied: shut: its agent has failed too often"):
        await breaker.enter()

    await asyncio.sleep(300 - 20)
    came = await asyncio.gather(*(breaker.enter() for _ in range(4)), return_exceptions=True)
    (probe,) = [number for number in came if isinstance(number, int)]
    assert breaker.is_shut
    await breaker.leave(probe, "ok")

    assert not breaker.is_shut
    assert 0 == await breaker.enter()


@pytest.mark.looptime
async def test_failures_that_are_far_apart_do_not_open_it() -> None:
    """Three failures in more than the window leave it as it is, however many there were before."""
    breaker = Breaker(failures=3, window_s=60, open_s=300)
    for _ in range(20):
        await breaker.leave(await breaker.enter(), "timeout")
        await asyncio.sleep(31)
        assert not breaker.is_shut


@pytest.mark.parametrize("came", ["ok", "error", None])
async def test_a_probe_from_before_a_restart_says_nothing(came: Came) -> None:
    """Another one probes by now, and it alone decides: else two would, and a third could enter."""
    breaker = Breaker(failures=1, open_s=100)
    breaker.restart(0.0)
    old = await breaker.enter()
    breaker.restart(0.0)
    new = await breaker.enter()
    await breaker.leave(old, came)

    assert old != new
    assert breaker.is_shut
    with pytest.raises(CallDenied):
        await breaker.enter()
    await breaker.leave(new, "ok")
    assert not breaker.is_shut


async def test_a_restart_forgets_what_failed() -> None:
    """It is closed, and as many failures as ever open it; one of a probe from before is one of them."""
    breaker = Breaker(failures=2, open_s=100)
    await breaker.leave(0, "error")
    breaker.restart(0.0)
    old = await breaker.enter()
    breaker.restart(None)
    await breaker.leave(old, "error")
    assert not breaker.is_shut
    await breaker.leave(0, "error")
    assert breaker.is_shut


async def test_failures_at_both_ends_of_the_window_open_it() -> None:
    """The window is whole: two that are just as far apart as it is long are within it, and later ones are not."""
    for apart, is_shut in ((10.0, True), (10.1, False)):
        seconds = [0.0]
        breaker = Breaker(failures=2, window_s=10, clock=lambda at=seconds: at[0])  # type: ignore[misc]
        await breaker.leave(0, "error")
        seconds[0] = apart
        await breaker.leave(0, "error")
        assert is_shut == breaker.is_shut


async def test_what_counts_can_be_said() -> None:
    """Refused replies count where that is said, and then nothing else does."""
    breaker = Breaker(failures=1, counts=["refusal"])
    await breaker.leave(await breaker.enter(), "error")
    assert not breaker.is_shut
    await breaker.leave(await breaker.enter(), "refusal")
    assert breaker.is_shut


async def test_what_counts_may_be_one_word() -> None:
    """One failure may be given alone; it is not taken for its letters."""
    assert Breaker(counts="refusal").counts == {"refusal"}


@pytest.mark.parametrize(
    ("counts", "told"),
    [(["errors"], "'errors'"), ("errors", "'errors'"), ([], "nothing"), (["error", 3], "'error', 3")],
)
async def test_what_is_no_failure_cannot_count(counts: Any, told: str) -> None:
    """A breaker that would never open is refused."""
    with pytest.raises(ValueError, match=f"^counts= takes 'error', 'timeout' or 'refusal', or several, not {told}:"):
        Breaker(counts=counts)


@pytest.mark.parametrize("numbers", [{"failures": 0}, {"window_s": 0}, {"open_s": -1.0}, {"open_s": float("nan")}])
def test_numbers_of_a_breaker_are_positive(numbers: dict[str, float]) -> None:
    """A breaker that would always be open, or never, is refused."""
    with pytest.raises(ValueError, match="of a Breaker takes a"):
        Breaker(**numbers)  # type: ignore[arg-type]
