"""A thread aside, with an event loop of its own: what runs there ends with no other loop, and waits for none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import RLock, Thread
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[], Coroutine[Any, Any, T]]


class Ended(Exception):
    """The thread does not run in this process, or not any more."""


class Aside:
    """A thread that runs an event loop. It keeps no process alive, and a process that was forked has it not.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self._is_ending = False
        # may be entered again: a coroutine that is collected as garbage in here posts in here
        self._lock = RLock()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, work: Work[Any]) -> Future[Any]:
        """Have something done there, and return what it will come to.

        Raises Ended: if the thread does not run here.
        """
        if not self._thread.is_alive():  # before the lock: somebody may have held it when this process was forked
            raise Ended
        # what is posted after the loop was told to stop would never be done, and who asked would wait for ever
        with self._lock:
            if self._is_ending:
                raise Ended
            return asyncio.run_coroutine_threadsafe(work(), self.loop)

    async def ask(self, work: Work[T], *, undo: Callable[[T], Work[Any]] | None = None) -> T:
        """Have something done there, and return what it comes to. It is done, even if who asks is cancelled.

        Args:
            undo: takes back what it came to, if who asked is not there any more to have it.

        Raises Ended: if the thread does not run here, or ends before it is done.
        """
        here = asyncio.get_running_loop()
        done: asyncio.Future[None] = here.create_future()
        asked = self.post(work)

        def wake(_: Future[T]) -> None:
            with suppress(RuntimeError):  # that loop is closed, and nobody waits there any more
                here.call_soon_threadsafe(_finish, done)

        def take_back(asked: Future[T]) -> None:
            if undo is not None and not asked.cancelled() and asked.exception() is None:
                with suppress(Ended):
                    self.post(undo(asked.result()))

        asked.add_done_callback(wake)
        try:
            await done
        except BaseException:
            asked.add_done_callback(take_back)
            raise
        if asked.cancelled():
            raise Ended
        result: T = asked.result()
        return result

    def end(self) -> None:
        """Cancel what runs there, and end the thread."""
        with self._lock:
            self._is_ending = True
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(_cancel_others())
        finally:
            self.loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
