"""The outlet of webhooks: one client, which posts to one URL, follows no redirect, and keeps to public addresses.

A host is resolved here, what it resolves to is judged, and the connection is made to that very address: a name that
means something else a moment later (DNS rebinding) leads nowhere. TLS still asks for the certificate of the host.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

import httpx2

from ..models.http import retry_after_s

_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 behind a translator: the last four bytes are the address."""


class Answer(NamedTuple):
    """What came of a request."""

    status: int | None
    """None: no answer came."""
    why: str
    """In a word or two, for logs; it holds nothing of URL, body or secret."""
    retry_after_s: float | None = None
    """How long the receiver asks to wait."""


class Refused(Exception):
    """An address may not be connected to."""


class Outlet:
    """Posts to one URL; see `outlet`."""

    def __init__(self, url: str, client: httpx2.AsyncClient, *, timeout_s: float) -> None:
        self._url, self._client, self._timeout_s = url, client, timeout_s

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a body of JSON. Return what came of it; the body of the answer is not read."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(
                    "POST", self._url, content=body, headers={"content-type": "application/json", **headers}
                ) as answer,
            ):
                return Answer(answer.status_code, f"status {answer.status_code}", retry_after_s(answer.headers))
        except Refused as refused:
            return Answer(None, str(refused))
        except TimeoutError:
            return Answer(None, "no answer in time")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Answer(None, type(error).__name__)  # its text may hold the URL


@asynccontextmanager
async def outlet(
    url: str, *, timeout_s: float, connections: int, is_private_allowed: bool, tls: ssl.SSLContext | None
) -> AsyncGenerator[Outlet]:
    """Open an outlet.

    Args:
        timeout_s: how long a request may take in all.
        connections: how many are open at once.
        is_private_allowed: whether addresses may be connected to that are not public.
        tls: which certificates are trusted; None: those of the system.
    """
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=0)  # answers are not read
    checked = _Checked(
        httpx2.AsyncHTTPTransport(verify=True if tls is None else tls, trust_env=False, limits=limits),
        is_private_allowed=is_private_allowed,
    )
    headers = {"user-agent": "fsm_orch"}
    async with httpx2.AsyncClient(transport=checked, trust_env=False, timeout=timeout_s, headers=headers) as client:
        yield Outlet(url, client, timeout_s=timeout_s)


class _Checked(httpx2.AsyncBaseTransport):
    """A transport that resolves a host itself, and connects to what it has judged."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, is_private_allowed: bool) -> None:
        self._inner, self._is_private_allowed = inner, is_private_allowed
        # one at a time: a resolver that hangs keeps its thread, of which a process has few, for models' hosts too
        self._resolving = asyncio.Lock()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        async with self._resolving:
            addresses = await _resolved(host)
        if not self._is_private_allowed and not all(map(is_public, addresses)):
            raise Refused("its address is not public")
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.handle_async_request(_to(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_to(request, last))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _to(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return a request that goes to an address; its headers, and what TLS asks for, still name the host."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


async def _resolved(host: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet: not private, of this machine or link, or of many."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            ip = IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _UNICAST or ip.sixtofour is not None:
            return False
    return ip.is_global and not ip.is_multicast
