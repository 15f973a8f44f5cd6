"""Retry: a transient failure is retried as a further call of its visit, if a call and time are left.

The adapter says which failures are transient: too many requests, a server's error, a lost connection. The wait is
exponential with jitter (tenacity's), or what the provider asked for in `Retry-After` if that is longer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random

from ..define.options import positive
from ..errors import CallFailed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How transient failures are retried.

    Each try reserves its own call, so an agent's `calls` bounds the tries; no other number does.

    Args:
        initial_s: seconds before the second try, doubled for each further one.
        max_s: seconds between two tries at most, unless the provider asks for more.
        jitter_s: seconds added at most, at random, so that many runs do not come back at once; 0: none.

    Raises TypeError: if one of these is no number.
    Raises ValueError: if one is less than 0, or has no end.
    """

    initial_s: float = 0.5
    max_s: float = 8.0
    jitter_s: float = 0.5

    def __post_init__(self) -> None:
        positive("initial_s= of a Retry", self.initial_s, or_zero=True)
        positive("max_s= of a Retry", self.max_s, or_zero=True)
        positive("jitter_s= of a Retry", self.jitter_s, or_zero=True)

    async def after(
        self,
        failure: CallFailed,
        ask: Callable[[], Awaitable[T]],
        *,
        calls_left: Callable[[], int],
        seconds_left: Callable[[], float],
    ) -> T:
        """Call `ask` again until it succeeds, fails for good, or no call or no time is left for another try.

        Args:
            failure: how the first try failed. It is made by the caller: most succeed, and need not pay the 30 us that
                tenacity costs.
            ask: makes one try.
            calls_left: returns how many more calls the visit may make.
            seconds_left: returns the seconds that are left to the visit.

        Raises CallFailed: the last failure.
        """
        failed = [failure]

        async def again() -> T:
            # the failure counts as tenacity's first try: its waits start from there, and nothing is asked twice
            if failed:
                raise failed.pop()
            return await ask()

        def is_worth_another(error: BaseException) -> bool:
            return isinstance(error, CallFailed) and error.transient and calls_left() > 0

        def has_no_time(state: RetryCallState) -> bool:
            # fails now instead of after the wait: the visit would end before the next try
            return state.upcoming_sleep >= seconds_left()

        retrying = AsyncRetrying(
            retry=retry_if_exception(is_worth_another), wait=self._wait, stop=has_no_time, reraise=True
        )
        async for attempt in retrying:
            with attempt:
                return await again()
        raise AssertionError("tenacity ends by a return or by raising the last failure")

    def _wait(self, state: RetryCallState) -> float:
        # not `wait_exponential_jitter`: tenacity 9.2 renamed an argument of it
        doubled = wait_exponential(multiplier=self.initial_s, max=self.max_s)(state)
        jitter = wait_random(0, self.jitter_s)(state) if self.jitter_s else 0.0
        backoff = min(doubled + jitter, self.max_s)
        error = state.outcome.exception() if state.outcome else None
        asked_for = error.retry_after_s if isinstance(error, CallFailed) else None
        # `max_s` does not bound this: a provider that is asked too soon refuses again, and that costs a call
        return max(backoff, asked_for or 0.0)
