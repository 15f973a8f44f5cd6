"""A thread aside, with an event loop of its own: what runs there ends with no other loop, and waits for none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[], Coroutine[Any, Any, T]]


class Aside:
    """A thread that runs an event loop. It keeps no process alive, and a process that was forked has it not.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it runs in this process."""
        return self._thread.is_alive()

    def post(self, work: Work[Any]) -> Future[Any]:
        """Have something done there, and return what it will come to."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop)

    async def ask(self, work: Work[T], *, undo: Callable[[T], Work[Any]] | None = None) -> T:
        """Have something done there, and return what it comes to. It is done, even if who asks is cancelled.

        Args:
            undo: takes back what it came to, if who asked is not there any more to have it.
        """
        here = asyncio.get_running_loop()
        done: asyncio.Future[None] = here.create_future()
        asked = self.post(work)

        def wake(_: Future[T]) -> None:
            with suppress(RuntimeError):  # that loop is closed, and nobody waits there any more
                here.call_soon_threadsafe(_finish, done)

        def take_back(asked: Future[T]) -> None:
            if undo is not None and not asked.cancelled() and asked.exception() is None:
                self.post(undo(asked.result()))

        asked.add_done_callback(wake)
        try:
            await done
        except BaseException:
            asked.add_done_callback(take_back)
            raise
        result: T = asked.result()
        return result

    def end(self) -> None:
        """Cancel what runs there, and end the thread."""
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
