"""What the adapters of providers over HTTP share: a client for each event loop, and what a failed request means.

A call sends one request, whatever SDK makes it and however that is set; no environment variable changes it. Two tables,
by status code and by exception, say what a failure means and whether the request provably cost nothing. Nothing here
knows a provider: each adapter adds what the error codes and bodies of its own mean.

    class Mine:                                                  # an own model, over an SDK that takes a client
        def __init__(self) -> None:
            self._sdk = PerLoop(lambda http: SomeSDK(http_client=http))

        async def complete(self, request: Request) -> Response:
            sdk = await self._sdk.get()
            body = await once(60.0, lambda: sdk.create(...), lambda answer: status_failure(answer.status_code).error())
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from threading import Lock
from typing import Generic, TypeVar

import httpx2
from msgspec import Struct
from msgspec.structs import replace

from ..errors import CallFailed
from .once import Hearer, OneRequest, Stopped, one_exchange

C = TypeVar("C")
T = TypeVar("T")

Client = httpx2.AsyncClient
Transport = httpx2.AsyncBaseTransport
Answer = httpx2.Response

CONNECT_TIMEOUT_S = 10.0
"""Seconds that a connection may take to open, or to become free. A request that fails here was provably not sent."""

LOOK_UP_TIMEOUT_S = 10.0
"""Seconds that it may take to look a model up by its name, for which nothing is inferred."""

RETRY_AFTER_MAX_S = 86_400.0
"""Seconds; a longer wait that a provider asks for counts as this one."""

_POOLS = 16
"""Pools of connections in a client. A pool looks through all of its connections twice a request: with a single pool,
1,000 requests at once took three times the CPU each."""

_LIMITS = httpx2.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=4.0)
"""Of one pool. Common servers drop idle connections after 5 s. Ours go first, because a request on a connection that
the server has dropped is not provably unsent."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


class Failure(Struct, frozen=True):
    """What one kind of failure means, in the words of `CallFailed`."""

    reason: str
    unsent: bool
    transient: bool

    def error(self, detail: str = "", *, retry_after_s: float | None = None) -> CallFailed:
        """Return the exception to raise.

        Raise it outside of `except`: otherwise Python chains the foreign exception to it, and that holds the prompt and
        the key.
        """
        return CallFailed(
            self.reason, detail, unsent=self.unsent, transient=self.transient, retry_after_s=retry_after_s
        )


STATUSES: Mapping[int, Failure] = {
    400: Failure("bad_request", unsent=True, transient=False),
    401: Failure("authentication", unsent=True, transient=False),
    402: Failure("quota", unsent=True, transient=False),
    403: Failure("permission", unsent=True, transient=False),
    404: Failure("not_found", unsent=True, transient=False),
    408: Failure("timeout", unsent=True, transient=True),
    409: Failure("conflict", unsent=True, transient=True),
    413: Failure("too_large", unsent=True, transient=False),
    422: Failure("bad_request", unsent=True, transient=False),
    425: Failure("too_early", unsent=True, transient=True),
    429: Failure("rate_limited", unsent=True, transient=True),
    503: Failure("overloaded", unsent=False, transient=True),
    529: Failure("overloaded", unsent=False, transient=True),
}
"""Status code -> meaning. A 4xx is not billed, so it is `unsent`; a 5xx may be."""

_CLASSES: Mapping[int, Failure] = {
    3: Failure("redirect", unsent=False, transient=False),
    4: Failure("bad_request", unsent=True, transient=False),
    5: Failure("server_error", unsent=False, transient=True),
}
"""First digit of a status code -> meaning of every code that is not in `STATUSES`."""

UNREADABLE = Failure("unreadable", unsent=False, transient=False)
"""A reply that breaks the protocol. It was billed, so the same request is not sent again."""

TIMEOUT = Failure("timeout", unsent=False, transient=True)
QUOTA = STATUSES[402]
OVERFLOW = Failure("context_overflow", unsent=True, transient=False)
SDK_ERROR = Failure("sdk_error", unsent=True, transient=False)
"""An SDK raised before anything was sent."""

# `unsent` only where no connection was made. After that the request may have been read, and billed, before it was lost.
_UNCONNECTED = Failure("connection", unsent=True, transient=True)
DISCONNECTED = Failure("disconnected", unsent=False, transient=True)
_MALFORMED = Failure("bad_request", unsent=True, transient=False)

TRANSPORT: Mapping[type[Exception], Failure] = {
    httpx2.ConnectError: _UNCONNECTED,
    httpx2.ConnectTimeout: _UNCONNECTED,
    httpx2.PoolTimeout: _UNCONNECTED,
    httpx2.ProxyError: _UNCONNECTED,
    httpx2.UnsupportedProtocol: _MALFORMED,
    httpx2.InvalidURL: _MALFORMED,
    httpx2.TimeoutException: TIMEOUT,
    httpx2.NetworkError: DISCONNECTED,
    httpx2.ProtocolError: DISCONNECTED,
    httpx2.TransportError: DISCONNECTED,
    httpx2.DecodingError: UNREADABLE,
    httpx2.TooManyRedirects: _CLASSES[3],
    httpx2.CookieConflict: UNREADABLE,
    httpx2.StreamError: DISCONNECTED,
    httpx2.HTTPError: DISCONNECTED,
}
"""Exception of httpx2 -> meaning; a subclass that is not listed means what its nearest base does."""


def status_failure(status: int) -> Failure:
    """Return what a status code means; a 1xx or 2xx counts as a reply that could not be read."""
    return STATUSES.get(status) or _CLASSES.get(status // 100, UNREADABLE)


def told_failure(error: object, words: Mapping[str, Failure]) -> Failure | None:
    """Return what an error means that is told in the body of a 200: its code's meaning, if it has one.

    It is charged: a request that was taken may be billed, and only a status that says otherwise proves that it was not.

    Args:
        error: the member of the body that may be one.
        words: what the codes and types of a provider mean, beside status codes.

    Returns:
        None if it is no error.
    """
    if not error or not isinstance(error, Mapping | str):
        return None
    said = [error.get(key) for key in ("code", "type", "status")] if isinstance(error, Mapping) else []
    for word in said:
        number = int(word) if isinstance(word, str) and word.isdecimal() and len(word) == 3 else word
        meaning = status_failure(number) if type(number) is int and 400 <= number < 600 else None  # not True
        meaning = meaning or (words.get(word) if isinstance(word, str) else None)
        if meaning is not None:
            return replace(meaning, unsent=False)
    inner = error.get("error") if isinstance(error, Mapping) else None
    return told_failure(inner, words) or _CLASSES[5]


def transport_failure(error: BaseException | None) -> Failure:
    """Return what an exception of httpx2 means; any other only says that the request may have been sent."""
    known = (TRANSPORT[base] for base in type(error).__mro__ if base in TRANSPORT)
    return next(known, DISCONNECTED)


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds a provider asks to wait, from `retry-after-ms` or `retry-after` (seconds, or a date).

    Args:
        headers: with lower-case names, or a mapping that ignores case.
        now: what a date is counted from; None: the time of this machine.

    Returns:
        From 0 to `RETRY_AFTER_MAX_S`; None if no header says so in a way that can be read.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if _SECONDS.fullmatch(value):  # not `float()`, which also reads "nan", "inf" and "-5"
            return min(float(value) * scale, RETRY_AFTER_MAX_S)
    return _until(headers.get("retry-after", ""), now or datetime.now(UTC))


def _until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        wait_s = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)


async def within(timeout_s: float, call: Awaitable[T]) -> T:
    """Wait for a whole call, headers and body. If it times out or is cancelled, its connection is closed.

    The SDKs' own `timeout=` is for each read: a server that sends a byte now and then would never reach it.

    Args:
        timeout_s: seconds that the call may take in all.

    Raises CallFailed: `timeout`, if it takes longer.
    """
    clock = asyncio.timeout(timeout_s)
    try:
        async with clock:
            return await call
    except TimeoutError:
        if not clock.expired():  # raised by the call itself, not by our clock
            raise
    raise TIMEOUT.error(f"no reply within {timeout_s:g} s")


async def once(
    timeout_s: float,
    call: Callable[[], Awaitable[object]],
    refused: Callable[[Answer], CallFailed],
    hearer: Hearer | None = None,
) -> bytes:
    """Make one call through an SDK, and return the body of the reply: whatever the SDK does, it is one request.

    Args:
        timeout_s: seconds that the call may take in all.
        call: makes it, by a client of `client`. What it returns or raises is of no account once a reply has come.
        refused: says what an answer means that is no success.
        hearer: hears the body of a success while it comes, such as the events of a stream.

    Raises CallFailed: if nothing was sent, it got lost, was refused, or took too long.
    """
    misuse: Exception | None = None
    with one_exchange(hearer) as exchange:
        try:
            await within(timeout_s, call())
        except CallFailed:
            raise
        except (Stopped, BaseExceptionGroup):  # a group: an SDK with tasks of its own puts it into one
            if not exchange.is_sent:
                raise
        except Exception as error:
            misuse = error
    # out here, or the exception of an SDK or transport, which holds the prompt and the key, is chained to it
    if exchange.answer is not None:
        if exchange.is_success:
            return exchange.answer.content
        raise refused(exchange.answer)
    if exchange.is_sent:
        raise transport_failure(exchange.error).error(type(exchange.error).__name__)
    raise SDK_ERROR.error(str(misuse) if isinstance(misuse, DeprecationWarning) else type(misuse).__name__)


@cache
def _tls() -> ssl.SSLContext:
    """Load the trusted certificates once: nothing else that builds a client takes as long."""
    return httpx2.create_ssl_context(trust_env=False)


class _Pools(httpx2.AsyncBaseTransport):
    """A transport of several pools. Each request goes through the first that waits for the fewest replies."""

    def __init__(self) -> None:
        self._pools = [httpx2.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=_LIMITS) for _ in range(_POOLS)]
        self._waiting = [0] * _POOLS

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        number = self._waiting.index(min(self._waiting))
        self._waiting[number] += 1
        try:
            return await self._pools[number].handle_async_request(request)
        finally:
            self._waiting[number] -= 1

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


def client(transport: Transport | None = None) -> Client:
    """Build a client that sends one request a call of `once`, and reads nothing from the environment.

    It waits for a reply without a time limit: bound the whole call by `within`.

    Args:
        transport: what to send through instead of the network, such as an `httpx2.MockTransport`. It must not send
            again by itself.
    """
    return httpx2.AsyncClient(
        transport=OneRequest(transport or _Pools()),
        follow_redirects=False,  # each hop is a request that may be billed: a 307 to itself sent one POST 21 times
        trust_env=False,  # no proxy of the environment, and no certificates
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S, pool=CONNECT_TIMEOUT_S),
    )


def checked_key(api_key: str) -> str:
    """Return a key that can be sent in a header.

    Raises ValueError: if it cannot be sent; the message does not show it.
    """
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key must be printable ASCII without spaces; if the server wants none, pass 'none'")
    return api_key


def checked_url(base_url: str) -> str:
    """Return a URL that can be called.

    Raises ValueError: if it is not HTTP or HTTPS, or has a user, a query or a fragment.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must be like 'https://api.openai.com/v1', without a user, query or fragment")
    return base_url


class PerLoop(Generic[C]):
    """One instance per event loop of something built around an HTTP client, such as an SDK.

    Connections belong to the loop that opened them. An open async generator holds each client, because a loop that ends
    in order, as `asyncio.run` ends it, closes its generators, and so our connections.

    Args:
        build: makes an instance from a client; it must not read the environment.
        transport: as in `client`; all loops share it.
    """

    def __init__(self, build: Callable[[Client], C], *, transport: Transport | None = None) -> None:
        self._build = build
        self._transport = transport
        self._held: dict[asyncio.AbstractEventLoop, tuple[C, AsyncGenerator[C]]] = {}
        self._lock = Lock()  # loops of several threads share the dictionary

    async def get(self) -> C:
        """Return the instance of the running loop; the first call builds it."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None:
            holder = self._hold(loop)
            held = (await anext(holder), holder)  # does not suspend, so no other task of this loop builds a second
            with self._lock:
                # A loop that was closed without ending its generators left its client here.
                for ended in [other for other in self._held if other.is_closed()]:
                    del self._held[ended]
                self._held[loop] = held
        return held[0]

    async def _hold(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[C]:
        http = client(self._transport)
        try:
            yield self._build(http)
        finally:
            with self._lock:
                self._held.pop(loop, None)
            await http.aclose()
