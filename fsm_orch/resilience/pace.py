"""Pace: calls are spread over time, and one that would come too late is refused at once."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from threading import Lock

from ..clock import Clock
from ..define.options import positive, whole
from ..errors import CallDenied
from .base import moment


@dataclass(eq=False)
class _Turn:
    waits: float
    """Seconds until it is due."""
    before: float
    """When the bucket was full before it was taken."""
    after: float
    """When it is full after it."""
    is_free: bool = False
    """Whether whoever waited for it has given up."""


class Pace:
    """So many calls in so many seconds, evenly, in the order in which they come.

    Who gives up frees its turn, once nobody waits behind it any more; who does keeps its own.

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
        self._line = deque[_Turn]()
        """The turns that somebody waits for, or gave up while others wait behind."""
        self._lock = Lock()

    @property
    def every_s(self) -> float:
        """Seconds between two calls, once the burst is used."""
        return self.per_s / self.calls

    async def wait(self, seconds_left: float) -> float:
        """Wait until the next call is due, and return for how many seconds.

        Raises CallDenied: at once, if that would be later than there is time for; then no turn is taken.
        """
        turn = self._turn(seconds_left)
        if turn.waits > 0:
            try:
                await asyncio.sleep(turn.waits)
            except BaseException:
                self._give_up(turn)
                raise
            self._use(turn)
        return turn.waits

    def _turn(self, seconds_left: float) -> _Turn:
        """Take the next turn."""
        with self._lock:
            now = self._clock()
            full = max(self._full, now)
            waits = max(0.0, full - (self.burst - 1) * self.every_s - now)
            # not `>`: a call that leaves in the moment in which its visit ends has no time for an answer
            if waits >= seconds_left:
                raise too_late(waits, seconds_left)
            turn = _Turn(waits, full, full + self.every_s)
            self._full = turn.after
            if waits > 0:
                self._line.append(turn)
            return turn

    def _use(self, turn: _Turn) -> None:
        """Forget a turn that was used, and those before it: nobody can have them any more."""
        with self._lock:
            if turn in self._line:  # else one behind it was a little faster
                while self._line.popleft() is not turn:
                    pass

    def _give_up(self, turn: _Turn) -> None:
        """Free the turns at the end of the line that nobody waits for: who stands behind one keeps its own."""
        with self._lock:
            turn.is_free = True
            while self._line and self._line[-1].is_free:
                last = self._line.pop()
                if last.after == self._full:  # else a call has left since, for which nobody had to wait
                    self._full = last.before


def too_late(waits: float, seconds_left: float) -> CallDenied:
    """Return what is raised where the next call is due later than there is time for."""
    return CallDenied(f"pace: the next call is due in {waits:.1f} s, and {seconds_left:.1f} s are left")
