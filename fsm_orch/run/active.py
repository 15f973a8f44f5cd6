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
        if self._alarm is None:
            self._alarm = _Alarm()
        self._alarm.set(seconds, ring)
        if self._holds:
            self._alarm.hold()

    def stop_alarm(self) -> None:
        """Do not ring any more; the alarm can be set again."""
        if self._alarm is not None:
            self._alarm.ring = None

    def end(self) -> None:
        """Let go of the event loop; no alarm is set any more."""
        if self._alarm is not None:
            self._alarm.end()
            self._alarm = None


class _Alarm:
    """A timer of the event loop that can be held, and set again and again."""

    # By the loop's time and not by the run's clock, which may stand still in a test while an agent hangs. The loop's
    # own timer is left to run on when the alarm is held or stopped, and looks then whether it is too early: a new one
    # for each attempt and each request would cost more, and the loop would keep the old ones until they are due.

    def __init__(self) -> None:
        self.ring: Callable[[], object] | None = None
        self._loop = asyncio.get_running_loop()
        self._is_held = False
        self._held_since = self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # kept here: a timer of uvloop does not always know

    def set(self, seconds: float, ring: Callable[[], object]) -> None:
        self.ring, self._due = ring, self._loop.time() + seconds
        if self._timer_at > self._due:
            self.end()
        if self._timer is None:
            self._start()

    def hold(self) -> None:
        self._is_held, self._held_since = True, self._loop.time()

    def go_on(self) -> None:
        self._is_held = False
        self._due += self._loop.time() - self._held_since
        if self._timer is None:
            self._start()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._ran_out)

    def _ran_out(self) -> None:
        self._timer = None
        if self._is_held or self.ring is None:
            return  # whoever lets time go on, or sets it again, makes a new timer
        if self._timer_at < self._due:
            self._start()
        else:
            self.ring()
