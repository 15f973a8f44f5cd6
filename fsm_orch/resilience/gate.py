"""A gate: what stands before an agent while runs are driven. It belongs to a runner and not to the definition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from ..errors import CallDenied
from ..observe.telling import report
from .base import Breaking, Came, Pacing, Places
from .line import Line, NoPlace

_PARTS = {
    "pace": ("wait", "Pace(60, per_s=60)"),
    "at_once": ("take", "a whole number"),
    "breaker": ("enter", "Breaker(failures=3)"),
}
"""The method by which each part of a gate is known, and what to give."""


class Gate:
    """What stands before an agent: a pace for its calls, so many attempts at once, a breaker. All are optional.

    One gate may be given for several states, and to several runners: they share it. So do gates that are given one
    `Pace` or `Breaker`.

    Args:
        pace: of each call of its model, retries too; of an agent without a model, of each attempt.
        at_once: how many attempts may be at work at once.
        queue: how many may wait for that, within the time of their visits; the agent is shut when the queue is full.
        breaker: shuts the agent after failures.

    Raises ValueError: if a number is not positive, or there is a queue for nothing.
    Raises TypeError: if a part is no pace, places or breaker.
    """

    def __init__(
        self,
        *,
        pace: Pacing | None = None,
        at_once: int | Places | None = None,
        queue: int = 0,
        breaker: Breaking | None = None,
    ) -> None:
        if isinstance(at_once, int):
            at_once = Bulkhead(at_once, queue=queue)
        elif queue:
            raise ValueError(f"queue={queue} waits for a place, so say how many there are: at_once=8")
        for name, given in (("pace", pace), ("at_once", at_once), ("breaker", breaker)):
            method, instead = _PARTS[name]
            if given is not None and not callable(getattr(given, method, None)):
                raise TypeError(f"{name}={type(given).__name__} has no method {method!r}: give {instead}")
        self.pace, self.places, self.breaker = pace, at_once, breaker

    @property
    def is_shut(self) -> bool:
        """Whether nobody may enter now. To look takes nothing; it may be otherwise a moment later."""
        return (self.breaker is not None and self.breaker.is_shut) or (self.places is not None and self.places.is_full)

    @asynccontextmanager
    async def entered(self, seconds_left: float) -> AsyncIterator[Callable[[Came], Awaitable[None]]]:
        """Let an attempt in, once there is a place, which it holds while the block runs.

        Yield what is to be called once with what the attempt came to, be it after the block.

        Raises CallDenied: if nobody may enter now, or no place came free within this many seconds.
        """
        if self.breaker is not None and self.breaker.is_shut:  # before it waits in vain
            raise CallDenied("shut: its agent has failed too often, and is tried again later")
        give_back = None if self.places is None else await self.places.take(seconds_left)
        try:
            # last, with nothing to wait for after it: a probe that stood in a line would keep all others out
            yield _silent if self.breaker is None else partial(_left, self.breaker, await self.breaker.enter())
        finally:
            if give_back is not None:
                await _kept_quiet("a place could not be given back", give_back)


async def _silent(came: Came) -> None:
    """Do nothing: there is no breaker."""


async def _left(breaker: Breaking, number: int, came: Came) -> None:
    await _kept_quiet("a breaker could not be told what came of an attempt", partial(breaker.leave, number, came))


async def _kept_quiet(what: str, act: Callable[[], Awaitable[None]]) -> None:
    """Do what ends an attempt. A place or breaker of a user's own may raise: that must not cost what was replied."""
    try:
        await act()
    except Exception as error:
        report("%s: %s", what, type(error).__name__)


class Bulkhead:
    """So many places, and a line before them, in the memory of this process.

    Args:
        at_once: how many may be held at once.
        queue: how many may wait.

    Raises ValueError: if there is no place, or fewer than none wait.
    """

    def __init__(self, at_once: int, *, queue: int = 0) -> None:
        if at_once < 1 or queue < 0:
            raise ValueError(f"at_once={at_once}, queue={queue}: give one place at least, and a queue of 0 or more")
        self._line = Line(at_once, queue)

    @property
    def is_full(self) -> bool:
        """Whether nobody could even wait for a place now."""
        return self._line.is_full()

    async def take(self, seconds_left: float) -> Callable[[], Awaitable[None]]:
        """Wait for a place, and return what gives it back.

        Raises CallDenied: if the line is full, or no place came free in time.
        """
        try:
            await self._line.take(seconds_left)
        except NoPlace as error:
            held = f"{self._line.held} attempts are at work, and {self._line.waiting} wait"
            raise CallDenied(f"full: {held}" if error.why == "full" else f"full: no place came free, {held}") from None
        return self._give_back

    async def _give_back(self) -> None:
        self._line.give_back()
