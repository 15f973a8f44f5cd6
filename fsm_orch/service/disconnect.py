"""A client that goes away while it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

T = TypeVar("T")


class Gone(Exception):
    """A client went away before it was answered."""


async def unless_gone(request: Request, doing: Awaitable[T]) -> T:
    """Return what came of something.

    Raises Gone: if the client went away before that. What is awaited is cancelled then.
    """
    done, gone = asyncio.ensure_future(doing), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({done, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            raise Gone
        return done.result()
    finally:
        gone.cancel()
        done.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
