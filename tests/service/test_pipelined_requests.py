"""Requests that are sent before the answers, and headers that follow a body, on a real socket."""

from __future__ import annotations

import asyncio
import re

import pytest
from fastapi import Request
from support.serving import app_of, client_of, desk, listening

from fsm_orch.service import Caller, limited_http
from fsm_orch.service.heads import MOST_AHEAD

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = b'{"context":{"text":"a"}}'
STATUS = re.compile(rb"HTTP/1\.[01] (\d+)")


async def statuses_of(url: str, sent: bytes) -> list[int]:
    """Send bytes at once; return the statuses of all answers, until the connection is closed."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        came = await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
    return [int(each) for each in STATUS.findall(came)]


async def by_header(request: Request) -> Caller:
    """Return who calls as a proxy has checked it."""
    return Caller(tenant=request.headers.get("x-tenant"))


@pytest.mark.parametrize(("ahead", "expected"), [(MOST_AHEAD, [200] * (MOST_AHEAD + 1)), (MOST_AHEAD + 1, [400])])
async def test_requests_ahead_of_their_answers_are_few(ahead: int, expected: list[int]) -> None:
    """So many are answered; with one more the connection ends, or all that a client sends would be kept."""
    async with listening(app_of(desk()), http=limited_http()) as url:
        assert expected == await statuses_of(url, GET * ahead + LAST)


@pytest.mark.parametrize("http", ["limited", "h11"])
async def test_what_follows_a_body_is_no_header(http: str) -> None:
    """Who calls is said by a header that a proxy sets or removes; a trailer, which it may pass on, says nothing."""
    head = b"POST /runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    sent = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Tenant: a\r\n\r\n" % (len(BODY), BODY)
    served = app_of(desk(), auth=by_header, inspector="own")
    async with (
        listening(served, http=limited_http() if http == "limited" else http) as url,
        client_of(url) as client,
    ):
        came = await statuses_of(url, sent)
        found = [
            len((await client.get("/inspector/api/runs", headers=each)).json()) for each in ({}, {"X-Tenant": "a"})
        ]

    assert [200] == came
    assert [1, 0] == found
