"""Admission: what stands before runs. So many at once, a line of those that wait, and an honest word to all others."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from ..clock import Clock
from ..errors import Overloaded
from .base import moment
from .line import Line, NoPlace

_Reason = Literal["queue_full", "too_long", "waited_too_long"]

_WEIGHS = 0.1
"""How much the last run counts in the seconds that one takes."""

_FURTHEST_S = 60.0
"""For how long at most others who were refused make one wait: they may have gone for good."""


class Admission:
    """So many runs at once; the others wait in line, first come, first served, and leave it after a while.

    How long a newcomer would wait is told from the runs that ended lately; until one has, it is taken that they take
    `expected_s`. One admission may stand before several runners, and be that of a `Door` too.

    >>> Admission(64).weight_of(10_000), Admission(5_000_000, by="tokens").weight_of(10_000)
    (1, 10000)

    Args:
        most: how many may run at once, or how many tokens they may still cost together.
        by: what counts: `runs`, or the `tokens` that each may still cost.
        queue: how many may wait.
        wait_s: for how long; who would wait longer is refused at once.
        expected_s: seconds that a run takes.
        clock: monotonic seconds. None: the event loop's.

    Raises ValueError: if a number is not positive, or it counts by something else.
    """

    def __init__(
        self,
        most: int,
        *,
        by: Literal["runs", "tokens"] = "runs",
        queue: int = 256,
        wait_s: float = 5.0,
        expected_s: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        if by not in ("runs", "tokens"):
            raise ValueError(f"Admission counts by='runs' or by='tokens', not by={by!r}")
        if not (most >= 1 and queue >= 0 and wait_s >= 0 and 0 < expected_s < math.inf):
            raise ValueError(
                f"Admission({most}, queue={queue}, wait_s={wait_s}, expected_s={expected_s}): give positive numbers"
            )
        self.most, self.by, self.wait_s = most, by, wait_s
        self._line = Line(most, queue)
        self._takes_s = expected_s
        self._told = -math.inf
        """For when the last one that was refused was told to come back."""
        self._clock = clock or moment

    @property
    def running(self) -> int:
        """How many run, or how much they weigh."""
        return self._line.held

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._line.waiting

    def weight_of(self, tokens: int) -> int:
        """Return what a run weighs.

        Args:
            tokens: that it may still cost.
        """
        return max(1, tokens) if self.by == "tokens" else 1

    def refusal(self, weight: int = 1) -> Overloaded | None:
        """Return why a newcomer is refused at once; None if it is not, and then nothing is taken.

        Those who are refused are told moments one after the other, as places become free: together they would come
        back in vain.
        """
        if self._line.is_full(weight):
            return self._refused("queue_full", weight)
        return (
            None
            if self._line.has_place(weight) or self._likely_s(weight) <= self.wait_s
            else self._refused("too_long", weight)
        )

    @asynccontextmanager
    async def place(self, weight: int = 1) -> AsyncIterator[float]:
        """Wait for a place, and hold it while the block runs. Yield how many seconds that took.

        Args:
            weight: of the run, such as the tokens that it may still cost, where `most` is in tokens.

        Raises Overloaded: if it is not admitted.
        """
        if refused := self.refusal(weight):
            raise refused
        came = self._clock()
        try:
            await self._line.take(self.wait_s, weight)
        except NoPlace as error:
            raise self._refused("queue_full" if error.why == "full" else "waited_too_long", weight) from None
        began, is_whole = self._clock(), False
        try:
            yield began - came
            is_whole = True
        finally:
            took_s = self._clock() - began
            if is_whole or took_s > self._takes_s:  # one that is cut short, as by its client, would have taken longer
                self._takes_s += _WEIGHS * (took_s - self._takes_s)
            self._line.give_back(weight)

    def _likely_s(self, weight: int) -> float:
        """Return after how many seconds a newcomer is likely to run: when those before it, and it, have had a place."""
        return (self._line.ahead + weight) * self._takes_s / self._line.places

    def _refused(self, reason: _Reason, weight: int) -> Overloaded:
        now, takes_s = self._clock(), weight * self._takes_s / self._line.places
        self._told = max(now + self._likely_s(weight), min(self._told + takes_s, now + _FURTHEST_S))
        return Overloaded(reason, max(1, math.ceil(round(self._told - now, 3))))
