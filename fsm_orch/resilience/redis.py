"""A Redis server that may be away: each call is short, and once one has failed no other is made but to knock again.

All calls go over one connection, in their order, and those that come while one is under way go together. None is sent
twice: whether it was done is not known when its answer does not come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..define.wording import to_install
from ..errors import StartError

try:
    from redis.asyncio import Redis
    from redis.asyncio.connection import parse_url
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError
except ModuleNotFoundError as error:
    raise StartError(f"Gates that processes share need a package: {to_install('redis')}") from error

_REFUSALS = (AuthenticationError, AuthorizationError, NoPermissionError)
"""What a server says to somebody who may not come in, or may not run scripts; waiting does not help."""
_TOGETHER = 100
"""How many calls go together at most: more would take the time that one answer has."""


class Away(Exception):
    """The server does not answer now."""


@dataclass(eq=False)
class _Call:
    script: str
    keys: Sequence[str]
    arguments: Sequence[str | int | float]
    answer: asyncio.Future[Any]
    until: float
    """When it is answered, or the server is away."""


class Server:
    """A server, as one event loop sees it.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_s: how long an answer may take.
        on_lost: called with the kind of what went wrong, each time that a call fails, before anybody is told.

    Raises ValueError: if it is no such URL; says nothing of it, since it may hold a password.
    """

    def __init__(self, url: str, *, timeout_s: float, on_lost: Callable[[str], None]) -> None:
        self.place = _place(url)
        self.is_there = False
        """Whether the last call was answered."""
        self.refusal: str | None = None
        """The kind of what it said when it let nobody in, if that was its last word."""
        self._url, self._timeout_s, self._on_lost = url, timeout_s, on_lost
        self._client = self._made()
        self._calls = deque[_Call]()
        self._came = asyncio.Event()

    async def call(
        self, script: str, keys: Sequence[str], *arguments: str | int | float, is_knock: bool = False
    ) -> Any:
        """Run a script, and return what it answers.

        Args:
            is_knock: also ask a server that is away.

        Raises Away: at once if it is away, or when it does not answer in time; that is twice `timeout_s` at most, since
            it may wait for a call before it.
        """
        if not (self.is_there or is_knock):
            raise Away
        loop = asyncio.get_running_loop()
        call = _Call(script, keys, arguments, loop.create_future(), loop.time() + 2 * self._timeout_s)
        self._calls.append(call)
        self._came.set()
        return await call.answer

    async def work(self) -> None:
        """Send calls until it is cancelled."""
        while True:
            await self._came.wait()
            together = [self._calls.popleft() for _ in range(min(len(self._calls), _TOGETHER))]
            if not self._calls:
                self._came.clear()
            if together:
                await self._send(together)

    async def close(self) -> None:
        """Close the connection, and answer nobody any more."""
        self.is_there = False
        self._drop(self._calls)
        await self._hang_up()

    async def _hang_up(self) -> None:
        with suppress(Exception):  # of any kind: nobody reads what such a connection has to say
            await self._client.aclose()

    def _made(self) -> Redis:
        # its own retries would send a call twice
        return Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            max_connections=1,
        )

    async def _send(self, calls: Sequence[_Call]) -> None:
        # of all that it takes: to connect, to log in, to be answered; and a long line before a slow server is too slow
        until = min(asyncio.get_running_loop().time() + self._timeout_s, calls[0].until)
        try:
            async with asyncio.timeout_at(until):
                pipeline = self._client.pipeline(transaction=False)
                for call in calls:
                    pipeline.eval(call.script, len(call.keys), *call.keys, *call.arguments)
                answers = await pipeline.execute()
        except asyncio.CancelledError:
            self._drop(calls)
            raise
        except Exception as error:  # of any kind: whatever is wrong with a server, no run may fail for it
            self._lose(error, calls)
            await self._hang_up()
            self._client = self._made()
            return
        self.is_there, self.refusal = True, None
        for call, answer in zip(calls, answers, strict=True):
            if not call.answer.done():
                call.answer.set_result(answer)

    def _lose(self, error: Exception, calls: Sequence[_Call]) -> None:
        self.is_there = False
        self.refusal = type(error).__name__ if isinstance(error, _REFUSALS) else None
        self._on_lost(type(error).__name__)
        self._drop(calls)
        self._drop(self._calls)
        self._calls.clear()

    def _drop(self, calls: Iterable[_Call]) -> None:
        for call in calls:
            if not call.answer.done():
                call.answer.set_exception(Away())


def _place(url: str) -> str:
    """Return the host and port, or the socket, that a URL names."""
    problem = "no URL of Redis: give redis://host:6379/0, rediss://user:password@host:6379/0 or unix:///path"
    try:
        read = parse_url(url)
    except (ValueError, AttributeError, TypeError):  # which may quote it
        raise ValueError(problem) from None
    path = url.partition("://")[2].partition("/")[2]
    if "@" in path.partition("?")[0] and not url.startswith("unix:"):  # a part of a password: `/` ends it
        raise ValueError(f"{problem}; in a password write / as %2F")
    return str(read.get("path") or f"{read.get('host', 'localhost')}:{read.get('port', 6379)}")
