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
from redis import Redis
from support.breaking import FAILURES, OPEN_S, WINDOW_S, Breaking
from support.servers import redis

from fsm_orch.errors import CallDenied
from fsm_orch.resilience import Pace
from fsm_orch.resilience.shared import SharedBreaker, SharedGates
from fsm_orch.resilience.shared.link import NOW

T = TypeVar("T")
_TIME = NOW.partition("\nlocal function")[0]
EPOCH = 1_800_000_000.0
"""Seconds since 1970 when it begins: so long that numbers lose what they can lose."""


class Clocked:
    """Gates over Redis whose scripts read the time from a key, and a loop that waits for them."""

    def __init__(self) -> None:
        self._redis = Redis.from_url(redis().url)
        self._key = key = uuid4().hex
        self.set(0.0)
        # no beats: one that looks while the clock is set would see what was not
        self.shared = SharedGates(redis().url, namespace=uuid4().hex, lease_s=1e7, beat_s=1e6, timeout_s=60.0)
        link, told = self.shared._link, self.shared._link._server.call

        async def call(script: str, *values: Any, **options: Any) -> Any:
            return await told(
                script.replace(_TIME, f"local now = tonumber(redis.call('GET', '{key}'))"), *values, **options
            )

        link._server.call = call  # type: ignore[method-assign]
        link.now = lambda: self.time  # type: ignore[method-assign, assignment]
        self._loop = asyncio.new_event_loop()
        self.shared.open()

    def set(self, time: float) -> None:
        """Set the clock, in seconds."""
        self.time = time
        self._redis.set(self._key, round((EPOCH + time) * 1e6))

    def waited(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine comes to."""
        return self._loop.run_until_complete(coroutine)

    def close(self) -> None:
        """End it."""
        self.shared.close()
        self._loop.close()
        self._redis.close()


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
    """Each turn is in as many seconds, each denial is one in both, and so is each turn that is given back."""
    time = 0.0
    clocked().set(time)
    local = Pace(numbers[0], per_s=numbers[1], burst=numbers[2], clock=lambda: EPOCH + time)
    shared = clocked().shared.pace(uuid4().hex, numbers[0], per_s=numbers[1], burst=numbers[2])
    turns = list[tuple[float, str]]()
    for what, value in steps:
        if what == "passes":
            time += value
            clocked().set(time)
        elif what == "takes":
            with denied() as here:
                waits, full = local._turn(value)
            with denied() as there:
                shared_waits, shared_full = clocked().waited(
                    clocked().shared._link.ask(lambda left=value: shared._turn(left))
                )  # type: ignore[misc]
            assert here == there
            if not here:
                assert shared_waits == pytest.approx(waits, abs=1e-5)
                turns.append((full, shared_full))
        elif turns:
            full, shared_full = turns.pop(-1 - value % len(turns))
            local._give_back(full)
            clocked().waited(clocked().shared._link.ask(lambda full=shared_full: shared._give_back(full)))  # type: ignore[misc]


@contextmanager
def denied() -> Iterator[list[str]]:
    """Yield what fills with a word if a call is denied in the block."""
    said = list[str]()
    try:
        yield said
    except CallDenied:
        said.append("denied")
