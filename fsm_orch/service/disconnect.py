"""A client that goes away while it waits."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request


class Gone(Exception):
    """A client went away before it was answered."""


async def unless_gone(request: Request, doing: asyncio.Future[Any]) -> None:
    """Wait until something is done, whatever comes of it.

    Raises Gone: if the client goes away before that. What it waited for goes on.
    """
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Gone
    finally:
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
