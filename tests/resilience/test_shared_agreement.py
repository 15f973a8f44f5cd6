"""Scripts in Redis and the code in memory do the same, whatever comes when, on a clock that is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.breaking import FAILURES, OPEN_S, WINDOW_S, Breaking
from support.shared import by_clock

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Pace
from fsm_orch.resilience.pace import _Turn
from fsm_orch.resilience.shared import SharedBreaker

T = TypeVar("T")
EPOCH = 1_800_000_000.0
"""Seconds since 1970 when it begins: so long that numbers lose what they can lose."""


class Clocked:
    """Gates over Redis whose clock is set by hand, and a loop that waits for them."""

    def __init__(self) -> None:
        self.time = 0.0
        self.shared = by_clock(lambda: EPOCH + self.time)
        self.shared._link.now = lambda: self.time  # type: ignore[method-assign, assignment]
        self._loop = asyncio.new_event_loop()
        self.shared.open()

    def set(self, time: float) -> None:
        """Set the clock, in seconds."""
        self.time = time

    def waited(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine comes to."""
        return self._loop.run_until_complete(coroutine)

    def close(self) -> None:
        """End it."""
        self.shared.close()
        self._loop.close()


@cache
def clocked() -> Clocked:
    """Return the one of this module: to open it takes long."""
    return Clocked()


@pytest.fixture(autouse=True, scope="module")
def end() -> Iterator[None]:
    """End it with the module."""
    yield
    if clocked.cache_info().currsize:
        clocked().close()


class SharedBreaking(Breaking):
    """A breaker in Redis."""

    @property
    def time(self) -> float:
        """The clock."""
        return clocked().time

    @time.setter
    def time(self, seconds: float) -> None:
        clocked().set(seconds)

    def made(self) -> SharedBreaker:
        return clocked().shared.breaker(uuid4().hex, failures=FAILURES, window_s=WINDOW_S, open_s=OPEN_S)

    def waited(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return clocked().waited(coroutine)


SharedBreaking.TestCase.settings = settings(max_examples=50, stateful_step_count=30)
TestSharedBreaking = SharedBreaking.TestCase

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("passes"), st.sampled_from([0.05, 0.25, 1.0, 7.0])),
        st.tuples(st.just("takes"), st.sampled_from([0.01, 0.61, 2.13, 1_000.7])),
        st.tuples(st.just("gives back"), st.integers(0, 3)),
    ),
    max_size=30,
)
PACES = st.tuples(st.sampled_from([1, 2, 3, 60]), st.sampled_from([1.0, 2.0, 60.0]), st.sampled_from([1, 2, 10]))


@settings(max_examples=100)
@given(STEPS, PACES)
def test_a_pace_in_redis_has_the_turns_of_one_in_memory(steps: list[Any], numbers: tuple[int, float, int]) -> None:
    """Each turn is in as many seconds, and the last is given back in both; one in mid-line is lost in Redis."""
    time = 0.0
    clocked().set(time)
    local = Pace(numbers[0], per_s=numbers[1], burst=numbers[2], clock=lambda: EPOCH + time)
    shared = clocked().shared.pace(uuid4().hex, numbers[0], per_s=numbers[1], burst=numbers[2])
    turns = list[tuple[_Turn, str]]()
    for what, value in steps:
        if what == "passes":
            time += value
            clocked().set(time)
        elif what == "takes":
            with denied() as here:
                turn = local._turn(value)
            with denied() as there:
                shared_waits, shared_full = clocked().waited(
                    clocked().shared._link.ask(lambda left=value: shared._turn(left))
                )  # type: ignore[misc]
            assert here == there
            if not here:
                assert shared_waits == pytest.approx(turn.waits, abs=1e-5)
                if turn.waits:
                    turns.append((turn, shared_full))
        elif turns:
            is_last = turns[-1 - value % len(turns)] is turns[-1]
            turn, shared_full = turns.pop(-1 - value % len(turns))
            if is_last:
                local._give_up(turn)
            clocked().waited(clocked().shared._link.ask(lambda full=shared_full: shared._give_back(full)))  # type: ignore[misc]


@contextmanager
def denied() -> Iterator[list[str]]:
    """Yield what fills with a word if a call is denied in the block."""
    said = list[str]()
    try:
        yield said
    except CallDenied:
        said.append("denied")
