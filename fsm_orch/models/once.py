"""One call is one request: a transport that lets the first request of a call through, and no second.

An SDK decides how a request is sent, and not how often. Whatever its retries, redirects and logins are set to, a second
request of the same call is held back; and what is no success ends the call with something that no SDK catches. What
came back is kept as it was on the wire, since an SDK may read it in another way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import httpx2

_AS_SENT = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that say how a body travelled, and nothing of it once it is read."""


class Hearer(Protocol):
    """Hears a body while it comes."""

    @property
    def is_whole(self) -> bool:
        """Whether it has said that nothing more is to come."""
        ...

    @property
    def patience_s(self) -> float | None:
        """Seconds that the next part may take; None: as long as the call may."""
        ...

    def hear(self, part: bytes) -> None:
        """Take a part of it."""
        ...


@dataclass(slots=True)
class Exchange:
    """The one request of a call, as its transport saw it."""

    hearer: Hearer | None = None
    """Hears the body of a success while it comes; None: nobody does."""
    is_sent: bool = False
    answer: httpx2.Response | None = None
    """What came back, its body read whole; None: nothing, or not all of it."""
    error: Exception | None = None
    """How it got lost; None: it did not."""

    @property
    def is_success(self) -> bool:
        """Whether a 2xx came back."""
        return self.answer is not None and _is_success(self.answer)


def _is_success(answer: httpx2.Response) -> bool:
    return 200 <= answer.status_code < 300


class Stopped(BaseException):
    """A call is over. No `Exception`: SDKs catch those, and send again."""


_CALL: ContextVar[Exchange | None] = ContextVar("call", default=None)


@contextmanager
def one_exchange(hearer: Hearer | None = None) -> Iterator[Exchange]:
    """Let one request through until the end of this block, in the tasks that it begins too."""
    exchange = Exchange(hearer)
    token = _CALL.set(exchange)
    try:
        yield exchange
    finally:
        _CALL.reset(token)


class OneRequest(httpx2.AsyncBaseTransport):
    """A transport that lets one request of a call through; outside of a call it changes nothing.

    Args:
        inner: what to send through. It must not send again by itself: nobody above it could see that.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _CALL.get()
        if exchange is None:
            return await self._inner.handle_async_request(request)
        if exchange.is_sent:
            raise Stopped
        exchange.is_sent = True
        try:
            answer = await self._inner.handle_async_request(request)
            if exchange.hearer is None or not _is_success(answer):
                await answer.aread()  # closes the connection, also if it is cut short
            else:
                answer = await _heard(answer, exchange.hearer)
            exchange.answer = answer
        except Exception as error:
            exchange.error = error
        if exchange.answer is not None and exchange.is_success:
            return exchange.answer
        raise Stopped  # out here, or what holds the prompt and the key is chained to it

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _heard(answer: httpx2.Response, hearer: Hearer) -> httpx2.Response:
    """Read the body of an answer, its hearer being told each part as it comes, and return the answer with all of it.

    The connection is closed however this ends. It is waited for its end, so that it may be used again, but not for long
    once the body has said that it is whole.

    Raises httpx2.ReadTimeout: if a part takes longer than the hearer has patience.
    """
    loop, parts = asyncio.get_running_loop(), list[bytes]()
    try:
        async with asyncio.timeout(None) as silence, aclosing(answer.aiter_bytes()) as body:
            async for part in body:
                parts.append(part)
                hearer.hear(part)
                left = hearer.patience_s
                silence.reschedule(None if left is None else loop.time() + left)
    except (TimeoutError, httpx2.TransportError) as error:
        if not hearer.is_whole:
            raise httpx2.ReadTimeout("silence") if isinstance(error, TimeoutError) else error from None
    headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _AS_SENT]
    return httpx2.Response(answer.status_code, headers=headers, content=b"".join(parts))
