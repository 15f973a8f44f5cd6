"""A client of httpx that sends through one of ours: what arrives, what comes back, and what holds it to one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest

pytest.importorskip("httpx", reason="the older client is for SDKs that bring httpx")

from fsm_orch.errors import CallFailed
from fsm_orch.models.bridges.older import older
from fsm_orch.models.http import client, once, status_failure

URL = "http://here.test/v1/chat?x=1"
BODY = {"said": "ü"}


def refused(answer: httpx2.Response) -> CallFailed:
    return status_failure(answer.status_code).error()


async def test_a_request_arrives_as_it_was_made() -> None:
    """Its method, address, headers and body are the same, and the body of its reply is decoded once."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=BODY, headers={"X-Mine": "a"}, extensions={})

    async with older(client(httpx2.MockTransport(answer))) as http:
        reply = await http.post(URL, json=BODY, headers=[("X-Own", "1"), ("Authorization", "Bearer k")])

    (request,) = seen
    assert ("POST", URL, "1", "Bearer k") == (
        request.method,
        str(request.url),
        request.headers["x-own"],
        request.headers["authorization"],
    )
    assert 1 == len(request.headers.get_list("host")) == len(request.headers.get_list("content-length"))
    assert (BODY, BODY, "a") == (json.loads(request.content), reply.json(), reply.headers["x-mine"])


async def test_what_was_packed_is_unpacked_once() -> None:
    """A reply that travels packed comes back as it is, and says no longer that it is packed."""
    import gzip

    packed = httpx2.Response(200, content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"})
    async with older(client(httpx2.MockTransport(lambda request: packed))) as http:
        reply = await http.post(URL)

    assert (b"{}", False) == (reply.content, "content-encoding" in reply.headers)


@pytest.mark.parametrize("status", [200, 307, 429, 500])
async def test_a_second_request_of_a_call_is_held_back(status: int) -> None:
    """An SDK that sends again and again is heard once, follows no redirect, and is told nothing that it could catch."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(status, json=BODY, headers={"location": "http://elsewhere.test/"})

    async with older(client(httpx2.MockTransport(answer))) as http:

        async def stubborn() -> None:
            for _ in range(3):
                try:
                    await http.post(URL, follow_redirects=True)
                except Exception:
                    continue

        if status == 200:
            assert BODY == json.loads(await once(5.0, stubborn, refused))
        else:
            with pytest.raises(CallFailed):
                await once(5.0, stubborn, refused)

    assert ["here.test"] == [request.url.host for request in seen]


async def test_a_body_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that never ends is over when the call may last no longer, and its stream is closed."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    closed = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b" " * 64
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=parts()))
    async with older(client(transport)) as http:
        with pytest.raises(CallFailed) as caught:
            await once(0.05, lambda: http.post(URL), refused)

    assert ("timeout", False, True) == (caught.value.reason, caught.value.unsent, closed.is_set())
