"""Turns: one request at a time for each conversation in this process, the first first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .problems import Problem


@dataclass
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    there: int = 0
    """How many have it, or wait for it."""


class Turns:
    """The turns of all conversations.

    Args:
        most: how many may wait for one of them.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._turns: dict[str, _Turn] = {}

    async def take(self, thread: str, *, waits: bool) -> Callable[[], None]:
        """Take a turn; return what gives it back.

        Args:
            waits: whether to wait for it.

        Raises Problem: if somebody else has it, and it is not waited for, or too many do.
        """
        turn = self._turns.setdefault(thread, _Turn())
        if turn.there > (self._most if waits else 0):
            raise Problem("thread_busy")
        turn.there += 1
        try:
            await turn.lock.acquire()
        except BaseException:
            self._leave(thread, turn)
            raise
        return lambda: self._give_back(thread, turn)

    def _give_back(self, thread: str, turn: _Turn) -> None:
        turn.lock.release()
        self._leave(thread, turn)

    def _leave(self, thread: str, turn: _Turn) -> None:
        turn.there -= 1
        if not turn.there:
            del self._turns[thread]
