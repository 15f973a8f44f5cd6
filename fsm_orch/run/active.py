"""The active time of a run, which stands still while a store is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..clock import Clock


class ActiveTime:
    """The seconds that a run has been active, and the alarm that ends an attempt.

    Args:
        at: how long it has been active already.
        now: what the clock says.
    """

    def __init__(self, clock: Clock, *, at: float, now: float) -> None:
        self._clock = clock
        self._began = now - at
        self._holds = 0
        self._held_since = now
        self._alarm: _Alarm | None = None

    def elapsed(self) -> float:
        """Return the seconds that the run has been active."""
        # a clock that was set back before the start would give a negative time, which the kernel refuses
        active = (self._held_since if self._holds else self._clock()) - self._began
        return active if active > 0.0 else 0.0

    def hold(self) -> None:
        """Let no time pass until `go_on` was called as often as this."""
        if not self._holds:
            self._held_since = self._clock()
            if self._alarm is not None:
                self._alarm.hold()
        self._holds += 1

    def go_on(self) -> None:
        """Let time pass again."""
        self._holds -= 1
        if not self._holds:
            self._began += self._clock() - self._held_since
            if self._alarm is not None:
                self._alarm.go_on()

    def set_alarm(self, seconds: float, ring: Callable[[], object]) -> None:
        """Call `ring` once, after so many seconds of the event loop; those in which time was held are left out."""
        self._alarm = _Alarm(seconds, ring)
        if self._holds:
            self._alarm.hold()

    def stop_alarm(self) -> None:
        """Do not ring any more."""
        if self._alarm is not None:
            self._alarm.stop()
            self._alarm = None


class _Alarm:
    """A timer of the event loop that can be held."""

    # By the loop's time and not by the run's clock, which may stand still in a test while an agent hangs. While it is
    # held the timer runs on: a new one for each request would cost more.

    def __init__(self, seconds: float, ring: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._is_held = False
        self._held_since = 0.0
        self._due = self._loop.time() + seconds
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(self._due, self._ran_out)

    def hold(self) -> None:
        self._is_held, self._held_since = True, self._loop.time()

    def go_on(self) -> None:
        self._is_held = False
        self._due += self._loop.time() - self._held_since
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._ran_out)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ran_out(self) -> None:
        is_early = self._timer is not None and self._timer.when() < self._due
        self._timer = None
        if is_early and not self._is_held:
            self._timer = self._loop.call_at(self._due, self._ran_out)
        elif not self._is_held:
            self._ring()
