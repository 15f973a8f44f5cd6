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
        self.why: Literal["full", "too late"] = why
        super().__init__(why)


@dataclass(eq=False)
class _Waiter:
    weight: int
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[None]
    is_served: bool = False


class Line:
    """So many places, and so many that may wait. Event loops of several threads may share it.

    Who is heavy takes several places. Nobody overtakes it meanwhile, or it would never be served.

    Args:
        places: how many may be held at once.
        longest: how many may wait.
    """

    def __init__(self, places: int, longest: int) -> None:
        self.places, self.longest = places, longest
        self.held = 0
        """Places that are taken."""
        self.ahead = 0
        """Places that those want who wait."""
        self._waiting = deque[_Waiter]()
        # may be entered again: a coroutine that is collected as garbage in here leaves the line in here
        self._lock = RLock()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def is_full(self, weight: int = 1) -> bool:
        """Return whether a newcomer could not even wait now."""
        return len(self._waiting) >= self.longest and not self.has_place(weight)

    def has_place(self, weight: int = 1) -> bool:
        """Return whether a newcomer would not have to wait now."""
        return not self._waiting and self._fits(weight)

    async def take(self, seconds: float | None = None, weight: int = 1) -> None:
        """Wait for places, for so many seconds at most; None: as long as it takes.

        Args:
            weight: how many; who is heavier than all of them waits until it is alone.

        Raises NoPlace: if the line is full, or no place came free in time.
        """
        waiter = self._join(weight)
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
                self.give_back(weight)
            raise

    def _join(self, weight: int) -> _Waiter | None:
        """Take places, and return None; or else wait in the line."""
        with self._lock:
            if self.has_place(weight):
                self.held += weight
                return None
            if len(self._waiting) >= self.longest:
                raise NoPlace("full")
            loop = asyncio.get_running_loop()
            waiter = _Waiter(weight, loop, loop.create_future())
            self._waiting.append(waiter)
            self.ahead += weight
            return waiter

    def _fits(self, weight: int) -> bool:
        return self.held + weight <= self.places or self.held == 0

    def _has_left(self, waiter: _Waiter) -> bool:
        """Leave the line, and return True; or else the place has come already."""
        with self._lock:
            if waiter in self._waiting:  # one whose loop is closed has been passed over
                self._waiting.remove(waiter)
                self.ahead -= waiter.weight
                self._serve()  # it may have stood in the way of those behind it
            return not waiter.is_served

    def give_back(self, weight: int = 1) -> None:
        """Hand places to the first that still wait; if nobody does, they are free."""
        with self._lock:
            self.held -= weight
            self._serve()

    def _serve(self) -> None:
        while self._waiting and self._fits(self._waiting[0].weight):
            waiter = self._waiting.popleft()
            self.ahead -= waiter.weight
            try:
                waiter.loop.call_soon_threadsafe(_wake, waiter.woken)
            except RuntimeError:  # its loop is closed, and nobody waits there any more
                continue
            waiter.is_served = True
            self.held += waiter.weight


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
