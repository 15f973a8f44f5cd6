"""A keeper: a task that opens a session, holds it open, and closes it.

Some sessions are closed by the task that opened them or not at all, and break if that task is cancelled. So whoever
uses one neither opens nor closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

S = TypeVar("S")


class Lost(Exception):
    """A session is over, or was never opened; says why in words of our own. Sessions raise it."""


class Keeper(Generic[S]):
    """Keeps one session open for all who use it on an event loop.

    Args:
        opens: makes the context in which a session is open.
    """

    def __init__(self, opens: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        self.users = 0
        """How many rely on it now."""
        self._opens = opens
        self._kept: _Kept[S] | None = None
        self._closing = set[asyncio.Task[None]]()

    async def session(self) -> S:
        """Return the session: the one that is open, or a new one if there is none, or it was lost.

        Raises what it raised when it was opened.
        """
        if self._kept is None or self._kept.task.done():
            self._kept = _Kept(self._opens)
        kept = self._kept
        await asyncio.wait({kept.opened})  # not the future itself, which would be cancelled with who waits for it
        return kept.opened.result()

    def lose(self, session: S) -> None:
        """Let go of a session: the next user is given a new one."""
        kept = self._kept
        if kept is not None and kept.holds(session):
            self._kept = None
            self._end(kept)

    async def close(self) -> None:
        """Close the session, and wait until it is closed."""
        if self._kept is not None:
            self._end(self._kept)
            self._kept = None
        if self._closing:
            await asyncio.wait(set(self._closing))

    def _end(self, kept: _Kept[S]) -> None:
        self._closing.add(kept.task)
        kept.task.add_done_callback(self._closing.discard)
        kept.end()


class _Kept(Generic[S]):
    """One session, with the task that keeps it."""

    def __init__(self, opens: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        self.opened: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        self.opened.add_done_callback(lambda opened: opened.exception())  # perhaps nobody waits for it any more
        self._is_over = asyncio.Event()
        self.task = asyncio.create_task(self._keep(opens))
        self.task.add_done_callback(self._ended)

    def holds(self, session: S) -> bool:
        return self.opened.done() and self.opened.exception() is None and self.opened.result() is session

    def end(self) -> None:
        self._is_over.set()
        if not self.opened.done():
            self.task.cancel()

    async def _keep(self, opens: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        try:
            async with opens() as session:
                self.opened.set_result(session)
                await self._is_over.wait()
        except Exception as error:
            if not self.opened.done():
                self.opened.set_exception(error)
            # else it was lost, as the next user will see: this task is done

    def _ended(self, _: asyncio.Task[None]) -> None:
        # by a callback: a task that is cancelled before its first turn runs no `finally`
        if not self.opened.done():
            self.opened.set_exception(Lost("it was closed before it was open"))
