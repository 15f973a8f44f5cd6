"""Waiting that no cancellation cuts off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from .raised import Raised, tried

T = TypeVar("T")


async def outlast(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until a future is done, however often this task is cancelled meanwhile.

    Return the last of these cancellations, which the caller raises when it is ready; None if there was none.
    """
    cancelled = None
    # A loop: a cancel scope of anyio cancels again at each `await` until it is left, and anybody may cancel twice.
    # The last one is kept: without this function too it would have taken the place of those before it.
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


async def outlasted(doing: Callable[[], Awaitable[T]]) -> tuple[T | Raised, asyncio.CancelledError | None]:
    """Return what came of something that no cancellation cuts off, and the last cancellation that came meanwhile.

    An event loop that is being closed does cut it off: then it counts as cancelled itself.
    """
    task = asyncio.ensure_future(tried(doing))
    cancelled = await outlast(task)
    return Raised(asyncio.CancelledError()) if task.cancelled() else task.result(), cancelled
