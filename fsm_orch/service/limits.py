"""Limits of requests: how long a body may be, and how deeply nested.

FastAPI has a limit of its own, and says a body that is declared too long in plain text; ours is said as all else is.
"""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request
from starlette.types import Message, Receive

from .problems import Problem


class JsonRequest(Request):
    """A request whose body is JSON."""

    async def json(self) -> Any:
        """Return the body. What is nested deeper than 254 times is refused, as is what is no Unicode."""
        read = orjson.loads(await self.body())
        try:
            orjson.dumps(read)  # it reads more deeply than it writes, and than what comes later in the way of a body
        except TypeError:
            raise Problem("invalid_json") from None
        return read


def limited(request: Request, most: int) -> Receive:
    """Return what gives the body of a request, and no more of it than so many bytes."""
    # no method of a request that has it: the two would hold each other, and wait for the garbage collector
    got = 0

    async def receive() -> Message:
        nonlocal got
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(most)
        message = await request.receive()
        got += len(message.get("body", b""))
        if got > most:
            raise _too_large(most)
        return message

    return receive


def _too_large(most: int) -> Problem:
    # what is still to come is not read: the connection is closed instead
    return Problem("too_large", f"At most {most} bytes are taken.", headers={"Connection": "close"})
