"""A gate: what stands before an agent while runs are driven. It belongs to a runner and not to the definition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

from ..define.options import whole
from ..define.wording import kind_of
from ..errors import CallDenied
from ..reported import report
from .base import Breaking, Came, Pacing, Places
from .breaker import IS_SHUT
from .line import Line, NoPlace


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
    Raises TypeError: if one of these is of another kind, such as a number for a pace.
    """

    def __init__(
        self,
        *,
        pace: Pacing | None = None,
        at_once: int | Places | None = None,
        queue: int = 0,
        breaker: Breaking | None = None,
    ) -> None:
        _check("pace", pace, "wait", "a pace: Pace(60, per_s=60)")
        _check("breaker", breaker, "enter", "a breaker: Breaker(failures=5)")
        if type(at_once) is not int:  # a bool is one, too
            _check("at_once", at_once, "take", "how many, or places: at_once=8")
        if isinstance(at_once, int):
            at_once = Bulkhead(at_once, queue=queue)
        elif at_once is None and queue:
            raise ValueError(f"queue={queue} waits for a place, so say how many there are: at_once=8")
        elif queue:
            raise ValueError(f"queue={queue} is for a number: say it where the places are made, Bulkhead(8, queue=16)")
        self.pace, self.places, self.breaker = pace, at_once, breaker

    @property
    def is_shut(self) -> bool:
        """Whether nobody may enter now. To look takes nothing; it may be otherwise a moment later."""
        return (self.breaker is not None and self.breaker.is_shut) or (self.places is not None and self.places.is_full)

    @property
    def waiting(self) -> int:
        """How many attempts wait for a place, in this process; 0 where that cannot be told."""
        return self.places.waiting if isinstance(self.places, Bulkhead) else 0

    @asynccontextmanager
    async def entered(self, seconds_left: float) -> AsyncIterator[Callable[[Came], Awaitable[None]]]:
        """Let an attempt in, once there is a place, which it holds while the block runs.

        Yield what is to be called once with what the attempt came to, be it after the block.

        Raises CallDenied: if nobody may enter now, or no place came free within this many seconds.
        """
        if self.breaker is not None and self.breaker.is_shut:  # before it waits in vain
            raise CallDenied(IS_SHUT)
        give_back = None if self.places is None else await self.places.take(seconds_left)
        try:
            # last, with nothing to wait for after it: a probe that stood in a line would keep all others out
            yield _silent if self.breaker is None else partial(_left, self.breaker, await self.breaker.enter())
        finally:
            if give_back is not None:
                await _kept_quiet("a place could not be given back", give_back)


def _check(name: str, given: object, method: str, expected: str) -> None:
    """Check that a part of a gate is none, or can do what it is there for.

    Raises TypeError: if it cannot.
    """
    if given is not None and (isinstance(given, type) or not hasattr(given, method)):
        raise TypeError(f"{name}= of a Gate takes {expected}, not {kind_of(given)}")


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

    Raises TypeError: if one of these is no whole number.
    Raises ValueError: if there is no place, or fewer than none wait.
    """

    def __init__(self, at_once: int, *, queue: int = 0) -> None:
        self._line = Line(whole("at_once=", at_once), whole("queue=", queue, least=0))

    @property
    def is_full(self) -> bool:
        """Whether nobody could even wait for a place now."""
        return self._line.is_full()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return self._line.waiting

    async def take(self, seconds_left: float) -> Callable[[], Awaitable[None]]:
        """Wait for a place, and return what gives it back.

        Raises CallDenied: if the line is full, or no place came free in time.
        """
        try:
            await self._line.take(seconds_left)
        except NoPlace as error:
            raise no_place(error.why, held=self._line.held, waiting=self._line.waiting) from None
        return self._give_back

    async def _give_back(self) -> None:
        self._line.give_back()


def no_place(why: Literal["full", "too late"], *, held: int, waiting: int) -> CallDenied:
    """Return what is raised where no place is to be had: the line is full, or none came free in time."""
    return CallDenied(
        f"full: {'' if why == 'full' else 'no place came free, '}{held} attempts are at work, and {waiting} wait"
    )
