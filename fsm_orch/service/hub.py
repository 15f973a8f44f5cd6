"""The runs that requests have set going here: each in a task of its own, which outlives the connection that began it.

Whoever is connected attends to a run. When the last one is gone, and stays away for a while, it is cancelled, which
lands it; unless it was said to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

from ..define.options import positive
from ..errors import AnswerError, Drained, LeaseHeld, Overloaded, RunTaken, StartError
from ..reported import report
from ..run.aside import aside
from ..run.following import Followed
from ..run.raised import Raised, tried
from ..run.result import RunResult
from ..run.runner import Runner
from ..run.worker import told
from .problems import Problem

_EXPECTED = (AnswerError, Drained, LeaseHeld, Overloaded, Problem, RunTaken, asyncio.CancelledError)
"""What is told to whoever asked, or comes of whoever has left, and no failure of ours."""


class Live:
    """A run that was set going here.

    Args:
        driving: drives it; begun before anything else is awaited here.
        asked: what it was asked with, to compare a request with that names it again.
    """

    def __init__(self, run_id: str, driving: Callable[[], Awaitable[RunResult[Any]]], *, asked: object = None) -> None:
        self.run_id, self.asked = run_id, asked
        self.ends_alone = False
        """Whether it is cancelled when nobody attends to it any more."""
        self.accepted = asyncio.Event()
        """Set once it is stored, if that is not for this process to do: it is in the queue, or was begun elsewhere."""
        self.attending = 0
        self.leaving: asyncio.TimerHandle | None = None
        """Cancels it after a while."""
        self.task = asyncio.ensure_future(tried(driving))
        self._following = AsyncExitStack()
        self._events: AsyncIterator[Followed] | None = None

    async def follow(self, runner: Runner[Any, Any], *, after: int) -> None:
        """Follow the run from now on, before it begins: no text of it is missed by who takes this."""
        following = runner.follow(self.run_id, after=after, text=True, is_awaited=True)
        self._events = await self._following.enter_async_context(following)

    def take(self) -> tuple[AsyncExitStack, AsyncIterator[Followed] | None]:
        """Return how it was followed, and what has come; and what ends that. Only the first who asks gets it."""
        events, self._events = self._events, None
        return self._following.pop_all(), events

    async def result(self) -> RunResult[Any]:
        """Wait for what the run comes to; giving up does not stop it.

        Raises what the run raised; Problem: if that is no Exception, but meant for a whole program, as an exit is.
        """
        came = await asyncio.shield(self.task)
        if not isinstance(came, Raised):
            return came
        raise came.error if isinstance(came.error, Exception) else Problem("internal")


class Hub:
    """All of them.

    Args:
        grace_s: how long a run goes on that nobody attends to.
    """

    def __init__(self, runner: Runner[Any, Any], *, grace_s: float) -> None:
        self._runner = runner
        self._grace_s = positive("grace_s= of a router", grace_s, or_zero=True)
        self._lives: dict[str, Live] = {}
        """The first of each run that is under way; an answer to it sets it going too."""
        self._all: set[Live] = set()

    def get(self, run_id: str) -> Live | None:
        """Return a run that is under way."""
        return self._lives.get(run_id)

    def begin(self, live: Live) -> Live:
        """Keep a run until it ends; return it."""
        self._lives.setdefault(live.run_id, live)
        self._all.add(live)
        live.task.add_done_callback(lambda _: self._ended(live))
        return live

    def _ended(self, live: Live) -> None:
        self._all.discard(live)
        if self._lives.get(live.run_id) is live:
            del self._lives[live.run_id]
        if live.leaving is not None:
            live.leaving.cancel()
        came = live.task.result()
        if isinstance(came, Raised) and not isinstance(came.error, _EXPECTED):
            report("run %s could not go on: %s", live.run_id, told(came.error))

    async def begun(self, live: Live, *, after: int = 0) -> None:
        """Wait until more than so many records of a run are stored, or it has ended.

        Raises what the run raised, if it did before that.
        """
        begun = {
            asyncio.ensure_future(self._runner.begun(live.run_id, after=after)),
            asyncio.ensure_future(live.accepted.wait()),
        }
        try:
            await asyncio.wait({*begun, live.task}, return_when=asyncio.FIRST_COMPLETED)
            if not any(each.done() for each in begun):
                await live.result()
        except BaseException:  # nobody will take it
            await live.take()[0].aclose()
            raise
        finally:
            for each in begun:
                each.cancel()

    @contextmanager
    def attending(self, run_id: str) -> Iterator[None]:
        """Attend to a run until the block is left; to one that was not set going here it makes no difference."""
        live = self._lives.get(run_id)
        if live is None:
            yield
            return
        live.attending += 1
        if live.leaving is not None:
            live.leaving.cancel()
            live.leaving = None
        try:
            yield
        finally:
            live.attending -= 1
            if live.ends_alone and not live.attending and not live.task.done():
                live.leaving = asyncio.get_running_loop().call_later(self._grace_s, self._cancel, live)

    def _cancel(self, live: Live) -> None:
        aside(partial(self._cancelled, live), f"run {live.run_id}, which nobody attends to, could not be cancelled")

    async def _cancelled(self, live: Live) -> None:
        try:
            await self._runner.cancel(live.run_id)
        except StartError:  # it is in no store, since it stands in line: it leaves that
            live.task.cancel()

    async def gone(self) -> None:
        """Wait until nothing is under way."""
        while self._all:
            await asyncio.wait([live.task for live in self._all])
