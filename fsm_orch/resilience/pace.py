"""Pace: calls are spread over time, and one that would come too late is refused at once."""

from __future__ import annotations

import asyncio
from threading import Lock

from ..clock import Clock
from ..errors import CallDenied
from ..options import positive, whole
from .base import moment


class Pace:
    """So many calls in so many seconds, evenly, in the order in which they come.

    It is the generic cell rate algorithm of ATM Forum TM 4.0, a token bucket that keeps one number: the moment at which
    the bucket would be full again.

    Args:
        calls: how many; infinite: each may come at once.
        per_s: in how many seconds.
        burst: how many of them may come at once, after a pause that was long enough.
        clock: monotonic seconds. None: the event loop's.

    Raises TypeError: if one of these is no number, or `burst` no whole one.
    Raises ValueError: if a number is not positive, or has no end.
    """

    def __init__(self, calls: float, *, per_s: float = 1.0, burst: int = 1, clock: Clock | None = None) -> None:
        self.calls = positive("calls= of a Pace", calls, or_endless=True)
        self.per_s = positive("per_s= of a Pace", per_s)
        self.burst = whole("burst= of a Pace", burst)
        self._clock = clock or moment
        self._full = 0.0
        self._lock = Lock()

    @property
    def every_s(self) -> float:
        """Seconds between two calls, once the burst is used."""
        return self.per_s / self.calls

    async def wait(self, seconds_left: float) -> float:
        """Wait until the next call is due, and return for how many seconds.

        Raises CallDenied: at once, if that would be later than there is time for; then no turn is taken.
        """
        waits, full = self._turn(seconds_left)
        if waits > 0:
            try:
                await asyncio.sleep(waits)
            except BaseException:
                self._give_back(full)
                raise
        return waits

    def _turn(self, seconds_left: float) -> tuple[float, float]:
        """Take the next turn. Return in how many seconds it is, and when the bucket is full again after it."""
        with self._lock:
            now = self._clock()
            full = max(self._full, now)
            waits = max(0.0, full - (self.burst - 1) * self.every_s - now)
            # not `>`: a call that leaves in the moment in which its visit ends has no time for an answer
            if waits >= seconds_left:
                raise too_late(waits, seconds_left)
            self._full = full + self.every_s
            return waits, self._full

    def _give_back(self, full: float) -> None:
        """Free a turn that was not used, if nobody took one after it: who did keeps its own."""
        with self._lock:
            if self._full == full:
                self._full -= self.every_s


def too_late(waits: float, seconds_left: float) -> CallDenied:
    """Return what is raised where the next call is due later than there is time for."""
    return CallDenied(f"pace: the next call is due in {waits:.1f} s, and {seconds_left:.1f} s are left")
