"""The ears of who follows runs that are driven here: each is woken when there is more to be told of its run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from .delta import TextDelta
from .loop import running_loop

MANY = 64
"""How many pieces of text are kept for a follower that does not take them; what follows is added to the last one."""


class Heard(NamedTuple):
    """A piece of text, and its place among the records of its run."""

    after: int
    """How many records had been made before it."""
    delta: TextDelta


class Ear:
    """What one follower hears of a run. It keeps no records, which the run has, and few pieces of its text.

    Args:
        text: whether it hears the text of the answer while that is written.
    """

    def __init__(self, *, text: bool) -> None:
        self.hears_text = text
        self.texts = deque[Heard]()
        """What was not taken yet."""
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Note that there is something new; on any event loop."""
        if running_loop() is self._loop:
            self._woken.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    def hear(self, after: int, delta: TextDelta) -> None:
        """Take a piece of text, if this hears text."""
        if not self.hears_text:
            return
        if len(self.texts) >= MANY and self.texts[-1].after == after:
            delta = self.texts.pop().delta.joined(delta)
        self.texts.append(Heard(after, delta))
        self.wake()

    def rest(self) -> None:
        """Hear nothing new from now on, until something comes."""
        self._woken.clear()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until something comes; return whether it has come within the time. None: however long it takes."""
        try:
            async with asyncio.timeout(seconds):
                return await self._woken.wait()
        except TimeoutError:
            return False


class Ears:
    """The ears of all followers, by their runs. Followers come and go on any event loop, in any thread."""

    def __init__(self) -> None:
        self._ears: dict[str, set[Ear]] = {}
        self._changing = Lock()
        """Held while ears are added, taken out or copied; never while one is woken."""

    def of(self, run_id: str) -> Collection[Ear]:
        """Return the ears of who follows a run."""
        if run_id not in self._ears:  # nobody follows most runs, and each record of each run asks
            return ()
        with self._changing:
            return tuple(self._ears.get(run_id, ()))

    @contextmanager
    def listening(self, run_id: str, ear: Ear) -> Iterator[None]:
        """Have an ear hear of a run until the block is left; the run may begin meanwhile."""
        with self._changing:
            self._ears.setdefault(run_id, set()).add(ear)
        try:
            yield
        finally:
            with self._changing:
                ears = self._ears[run_id]
                ears.discard(ear)
                if not ears:  # nobody can have been given this set and not be in it yet
                    del self._ears[run_id]

    def wake(self, run_id: str) -> None:
        """Wake who follows a run."""
        for ear in self.of(run_id):
            ear.wake()

    def wake_all(self) -> None:
        """Wake everybody."""
        with self._changing:
            everybody = [ear for ears in self._ears.values() for ear in ears]
        for ear in everybody:
            ear.wake()
