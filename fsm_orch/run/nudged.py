"""Nudges of a store: who follows runs that are driven elsewhere is woken when something is stored of them.

One connection serves all followers of a runner on one event loop. It is there while there are any; if it is lost it is
opened again, and meanwhile they look at the store as often as they do without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from weakref import WeakKeyDictionary

from ..store.nudges import Nudging
from .ears import Ears

AGAIN_S = 1.0
"""The pause before a connection that was lost is opened again."""


class Listening:
    """What is heard on one event loop."""

    def __init__(self) -> None:
        self.is_on = False
        """Whether what is stored from now on is told."""
        self._followers = 0
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def held(self, store: Nudging, ears: Ears) -> Iterator[None]:
        """Listen until nobody holds it any more."""
        self._followers += 1
        self._task = self._task or asyncio.create_task(self._listen(store, ears), name="fsm_orch nudges")
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers and self._task is not None:
                self._task.cancel()
                self._task, self.is_on = None, False

    async def _listen(self, store: Nudging, ears: Ears) -> None:
        while True:
            with suppress(Exception):  # a store that is away is the business of who looks at it
                if (nudges := store.nudges()) is None:
                    return
                async with aclosing(nudges):
                    async for run_id in nudges:
                        if run_id is None:
                            self.is_on = True
                            ears.wake_all()
                        else:
                            ears.wake(run_id)
            if self.is_on:
                self.is_on = False
                ears.wake_all()  # from now on they look more often
            await asyncio.sleep(AGAIN_S)


class Nudged:
    """What is heard of a store, on whatever event loops.

    Args:
        ears: of who follows runs.
    """

    def __init__(self, store: object, ears: Ears) -> None:
        self._store, self._ears = store, ears
        self._by_loop = WeakKeyDictionary[asyncio.AbstractEventLoop, Listening]()

    @contextmanager
    def listening(self) -> Iterator[Listening]:
        """Be woken by what is stored until the block is left, if the store tells it."""
        listening = self._by_loop.setdefault(asyncio.get_running_loop(), Listening())
        if not isinstance(self._store, Nudging):
            yield listening
            return
        with listening.held(self._store, self._ears):
            yield listening
