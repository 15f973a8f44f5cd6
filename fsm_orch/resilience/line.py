"""A line for places: who comes first is served first, and who leaves hands its place to the first that still waits."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from threading import RLock
from typing import Literal


class NoPlace(Exception):
    """No place was to be had: the line is full, or it took too long."""

    def __init__(self, why: Literal["full", "too late"]) -> None:
        self.why = why
        super().__init__(why)


@dataclass(eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[None]
    is_served: bool = False


class Line:
    """So many places, and so many that may wait for one. Event loops of several threads may share it.

    Args:
        places: how many may be held at once.
        longest: how many may wait.
    """

    def __init__(self, places: int, longest: int) -> None:
        self.places, self.longest = places, longest
        self.held = 0
        self._waiting = deque[_Waiter]()
        # may be entered again: a coroutine that is collected as garbage in here leaves the line in here
        self._lock = RLock()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether nobody could even wait now."""
        return self.held >= self.places and len(self._waiting) >= self.longest

    async def take(self, seconds: float | None = None) -> None:
        """Wait for a place, for so many seconds at most; None: as long as it takes.

        Raises NoPlace: if the line is full, or no place came free in time.
        """
        waiter = self._join()
        if waiter is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken
        except TimeoutError:
            if self._has_left(waiter):
                raise NoPlace("too late") from None
            # else the place came in the very moment in which the wait ended
        except BaseException:
            if not self._has_left(waiter):
                self.give_back()
            raise

    def _has_left(self, waiter: _Waiter) -> bool:
        """Leave the line, and return True; or else the place has come already."""
        with self._lock:
            if waiter in self._waiting:  # one whose loop is closed has been passed over
                self._waiting.remove(waiter)
            return not waiter.is_served

    def _join(self) -> _Waiter | None:
        """Take a place, and return None; or else wait in the line."""
        with self._lock:
            # nobody barges: a place that is free while somebody waits has been handed over already
            if self.held < self.places:
                self.held += 1
                return None
            if len(self._waiting) >= self.longest:
                raise NoPlace("full")
            loop = asyncio.get_running_loop()
            waiter = _Waiter(loop, loop.create_future())
            self._waiting.append(waiter)
            return waiter

    def give_back(self) -> None:
        """Hand a place to the first that still waits; if nobody does, it is free."""
        with self._lock:
            while self._waiting:
                waiter = self._waiting.popleft()
                try:
                    waiter.loop.call_soon_threadsafe(_wake, waiter.woken)
                except RuntimeError:  # its loop is closed, and nobody waits there any more
                    continue
                waiter.is_served = True
                return
            self.held -= 1


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
