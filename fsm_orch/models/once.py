"""One call is one request: a transport that lets the first request of a call through, and no second.

An SDK decides how a request is sent, and not how often. Whatever its retries, redirects and logins are set to, a second
request of the same call is held back; and what is no success ends the call with something that no SDK catches. What
came back is kept as it was on the wire, since an SDK may read it in another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2


@dataclass(slots=True)
class Exchange:
    """The one request of a call, as its transport saw it."""

    is_sent: bool = False
    answer: httpx2.Response | None = None
    """What came back, its body read whole; None: nothing, or not all of it."""
    error: Exception | None = None
    """How it got lost; None: it did not."""

    @property
    def is_success(self) -> bool:
        """Whether a 2xx came back."""
        return self.answer is not None and 200 <= self.answer.status_code < 300


class Stopped(BaseException):
    """A call is over. No `Exception`: SDKs catch those, and send again."""


_CALL: ContextVar[Exchange | None] = ContextVar("call", default=None)


@contextmanager
def one_exchange() -> Iterator[Exchange]:
    """Let one request through until the end of this block, in the tasks that it begins too."""
    exchange = Exchange()
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
            await answer.aread()  # closes the connection, also if it is cut short
            exchange.answer = answer
        except Exception as error:
            exchange.error = error
        if exchange.answer is not None and exchange.is_success:
            return exchange.answer
        raise Stopped  # out here, or what holds the prompt and the key is chained to it

    async def aclose(self) -> None:
        await self._inner.aclose()
