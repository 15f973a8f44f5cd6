"""The active time of a run, which stands still while a store is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..clock import Clock


class ActiveTime:
    """The seconds that a run has been active, and the alarms that end what takes too long in it.

    Args:
        at: how long it has been active already.
        now: what the clock says.
    """

    def __init__(self, clock: Clock, *, at: float, now: float) -> None:
        self._clock = clock
        self._began = now - at
        self._holds = 0
        self._held_since = now
        self._loop_held_s = self._loop_held_since = 0.0
        self._alarms: list[Alarm] = []
        self._spare: list[Alarm] = []
        self._overdue: list[Alarm] = []
        """Alarms whose timers ran out while time was held."""

    def elapsed(self) -> float:
        """Return the seconds that the run has been active."""
        # a clock that was set back before the start would give a negative time, which the kernel refuses
        active = (self._held_since if self._holds else self._clock()) - self._began
        return active if active > 0.0 else 0.0

    def hold(self) -> None:
        """Let no time pass until `go_on` was called as often as this."""
        if not self._holds:
            self._held_since, self._loop_held_since = self._clock(), asyncio.get_running_loop().time()
        self._holds += 1

    def go_on(self) -> None:
        """Let time pass again."""
        if self._holds == 1:
            self._began += self._clock() - self._held_since
            self._loop_held_s = self.held_s()
        self._holds -= 1
        if not self._holds and self._overdue:
            overdue, self._overdue = self._overdue, []
            for alarm in overdue:
                alarm.go_on()

    @property
    def is_held(self) -> bool:
        """Whether no time passes."""
        return self._holds > 0

    def held_s(self) -> float:
        """Return the seconds of the event loop in which time was held."""
        if not self._holds:
            return self._loop_held_s
        return self._loop_held_s + asyncio.get_running_loop().time() - self._loop_held_since

    def set_alarm(self, seconds: float, ring: Callable[[], object]) -> Alarm:
        """Call `ring` once, after so many seconds of the event loop; those in which time was held are left out."""
        if self._spare:
            alarm = self._spare.pop()
        else:
            alarm = Alarm(self)
            self._alarms.append(alarm)
        alarm.set(seconds, ring)
        return alarm

    def stop_alarm(self, alarm: Alarm) -> None:
        """Do not let it ring any more; it is set again for what comes next."""
        alarm.ring = None
        self._spare.append(alarm)

    def wait(self, alarm: Alarm) -> None:
        """Keep an alarm whose timer ran out until time goes on."""
        self._overdue.append(alarm)

    def end(self) -> None:
        """Let go of the event loop; no alarm is set any more."""
        for alarm in self._alarms:
            alarm.end()
        self._alarms, self._spare, self._overdue = [], [], []


class Alarm:
    """A timer of the event loop that stands still with the time of its run, and is set again and again."""

    # By the loop's time and not by the run's clock, which may stand still in a test while an agent hangs. The loop's
    # own timer is left to run on when the alarm is held or stopped, and looks then whether it is too early: a new one
    # for each attempt and each request would cost more, and the loop would keep the old ones until they are due.

    def __init__(self, time: ActiveTime) -> None:
        self.ring: Callable[[], object] | None = None
        self._time = time
        self._loop = asyncio.get_running_loop()
        self._due = self._held_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # kept here: a timer of uvloop does not always know

    def set(self, seconds: float, ring: Callable[[], object]) -> None:
        """Ring in so many seconds, those left out in which time is held."""
        self.ring, self._due, self._held_s = ring, self._loop.time() + seconds, self._time.held_s()
        if self._timer_at > self._due:
            self.end()
        if self._timer is None:
            self.go_on()

    def go_on(self) -> None:
        """See to it that a timer runs, if one is needed."""
        if self._timer is None and self.ring is not None:
            self._timer_at = self._when()
            self._timer = self._loop.call_at(self._timer_at, self._ran_out)

    def end(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _when(self) -> float:
        return self._due + (self._time.held_s() - self._held_s)

    def _ran_out(self) -> None:
        self._timer = None
        if self.ring is None:
            return  # whoever sets it again makes a new timer
        if self._time.is_held:
            self._time.wait(self)
        elif self._timer_at < self._when():  # too early
            self.go_on()
        else:
            self.ring()
