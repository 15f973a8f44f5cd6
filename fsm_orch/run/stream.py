"""A run that is read while it is under way: its records, and the text of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic

from ..kernel.records import Record
from .delta import TextDelta
from .outlast import outlast
from .raised import Raised, tried
from .result import C, RunResult


class RunStream(Generic[C]):
    """The records of a run under way, and between them the text of its answer while it is written.

    Each is yielded once, however often the stream is iterated.

    Args:
        queue: gets each record, as an observer does, and each piece of text.
        run: runs it to its end.
    """

    def __init__(
        self, queue: asyncio.Queue[Record | TextDelta | None], run: Callable[[], Awaitable[RunResult[C]]]
    ) -> None:
        self._queue = queue
        self._task = asyncio.create_task(tried(run))
        self._task.add_done_callback(lambda _: queue.put_nowait(None))
        self._is_told = False
        self._is_given_up = False

    async def __aiter__(self) -> AsyncIterator[Record | TextDelta]:
        """Yield the records and pieces of text that were not yielded yet, until the run ends.

        Raises what the run raised, such as a store's error.
        """
        while (event := await self._queue.get()) is not None:
            yield event
        self._queue.put_nowait(None)  # for whoever iterates again
        self._raise_failure()  # without this a failed run would look like a short one

    async def result(self) -> RunResult[C]:
        """Wait for the end of the run and return its result. Giving up waiting does not cancel the run.

        Raises RuntimeError: if the stream was left before that, which has cancelled the run.
        Raises what the run raised, such as a store's error.
        """
        if self._is_given_up:
            raise RuntimeError(
                "the block of the stream was left before its run had ended, which has cancelled and landed it: "
                "await stream.result() inside of it"
            )
        # shielded: `asyncio.timeout` around this would otherwise cancel the run itself, and land it
        ended = await asyncio.shield(self._task)
        if isinstance(ended, Raised):
            self._is_told = True
            raise ended.error
        return ended

    async def leave(self) -> None:
        """Cancel the run if it is under way, and wait until it has landed and its end is stored.

        Raises what the run raised, unless its reader was told.
        """
        self._is_given_up = not self._task.done()
        self._task.cancel()
        cancelled = await outlast(self._task)
        if not self._is_told:
            self._raise_failure()
        if cancelled is not None:
            raise cancelled

    def _raise_failure(self) -> None:
        """Raise what the run raised, but for a cancellation, which was the reader's."""
        ended = None if self._task.cancelled() else self._task.result()
        if isinstance(ended, Raised) and not isinstance(ended.error, asyncio.CancelledError):
            self._is_told = True
            raise ended.error
