"""A breaker: what failures open, one probe at a time closes or keeps open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Breaker
from fsm_orch.resilience.base import Came

T = TypeVar("T")
CAME = st.sampled_from(["error", "timeout", "refusal", "ok", None])


def at_once(waited: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine that waits for nothing comes to; an event loop for each takes long."""
    try:
        waited.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


class Breaking(RuleBasedStateMachine):
    """Attempts that enter and leave in any order, against what the words of the breaker say."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.breaker = Breaker(failures=3, window_s=10, open_s=20, clock=lambda: self.time)
        self.inside: list[int] = []
        self.failed: list[float] = []
        self.open_until: float | None = None
        self.probe: int | None = None
        self.probes = 0

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 11.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    @rule()
    def enter(self) -> None:
        is_open = self.open_until is not None
        may = not is_open or (self.probe is None and self.time >= self.open_until)  # type: ignore[operator]
        try:
            number = at_once(self.breaker.enter())
        except CallDenied:
            assert not may
            return
        assert may
        assert (number > 0) == is_open
        if number:
            assert number > self.probes
            self.probes = self.probe = number
        self.inside.append(number)

    @rule(which=st.integers(0, 9), came=CAME)
    def leave(self, which: int, came: Came) -> None:
        if not self.inside:
            return
        number = self.inside.pop(which % len(self.inside))
        at_once(self.breaker.leave(number, came))
        has_failed = came in ("error", "timeout")
        if number and number == self.probe:
            self.probe = None
            if has_failed:
                self.open_until = self.time + 20
            elif came is not None:
                self.open_until, self.failed = None, []
        elif not number and self.open_until is None and has_failed:
            self.failed = [*self.failed, self.time][-3:]
            if len(self.failed) == 3 and self.time - self.failed[0] <= 10:
                self.open_until = self.time + 20

    @invariant()
    def it_is_shut_as_long_as_nobody_may_enter(self) -> None:
        is_shut = self.open_until is not None and (self.probe is not None or self.time < self.open_until)
        assert is_shut == self.breaker.is_shut


TestBreaking = Breaking.TestCase


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


async def test_what_counts_can_be_said() -> None:
    """Refused replies count where that is said, and then nothing else does."""
    breaker = Breaker(failures=1, counts=["refusal"])
    await breaker.leave(await breaker.enter(), "error")
    assert not breaker.is_shut
    await breaker.leave(await breaker.enter(), "refusal")
    assert breaker.is_shut


@pytest.mark.parametrize("numbers", [{"failures": 0}, {"window_s": 0}, {"open_s": -1.0}, {"open_s": float("nan")}])
def test_numbers_of_a_breaker_are_positive(numbers: dict[str, float]) -> None:
    """A breaker that would always be open, or never, is refused."""
    with pytest.raises(ValueError, match="give positive numbers"):
        Breaker(**numbers)  # type: ignore[arg-type]
