"""Requests of a gigabyte: refused at their first bytes, and the memory of a service does not grow with them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from support.databases import url_of
from support.serving import app_of, body, client_of, desk, listening
from support.serving_alone import Alone, alone

from fsm_orch.service import limited_http

GIGABYTE = 1 << 30
PIECE = b" " * (1 << 18)
FEW = 24 << 20
"""More bytes than the buffers of two sockets hold, and much less than what is sent."""


def most_kb(service: Alone) -> int:
    """Return the most memory that a process has had, in kB."""
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def sent_until_refused(url: str, head: bytes, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """Send a head and pieces until something comes back, or nothing more is taken; return what came, and the bytes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        count = 0
        try:
            client.sendall(head)
            for piece in pieces:
                client.setblocking(False)
                with suppress(BlockingIOError):
                    client.recv(1, socket.MSG_PEEK)
                    break
                client.settimeout(30)
                client.sendall(piece)
                count += len(piece)
            client.settimeout(30)
            return client.recv(65_536), count
        except ConnectionError:  # what was said is lost with what was not read: the connection is reset
            return b"", count


@pytest.mark.slow
async def test_a_body_of_a_gigabyte(tmp_path: Path) -> None:
    """Declared or in chunks, on routes that take a body or none: it is not read to its end, and nothing is kept."""
    with alone(url_of("sqlite", tmp_path, ""), tmp_path, "large") as (service,):
        url = await service.url()
        async with client_of(url) as client:
            run = (await client.post("/runs", json={"context": {"file": str(tmp_path)}})).json()
            before = most_kb(service)
            asked = list[Any]()
            for path in ("", f"/{run['run_id']}/resume", f"/{run['run_id']}/cancel"):
                head = f"POST /runs{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                for framing, piece in (
                    (f"Content-Length: {GIGABYTE}", PIECE),
                    ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(PIECE), PIECE)),
                ):
                    pieces = repeat(piece, GIGABYTE // len(PIECE))
                    whole = f"{head}{framing}\r\n\r\n".encode()
                    asked.append(asyncio.to_thread(sent_until_refused, url, whole, pieces))
            came = await asyncio.gather(*asked)
            grown = most_kb(service) - before
            alive = await client.get("/healthz")

    for said, count in came:
        assert not said or said[9:12] in (b"413", b"409")
        assert count < FEW
    assert grown < 32 << 10
    assert 200 == alive.status_code


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"a: " + b"x" * 100_000 + b"\r\n", b"a: b\r\n" * 10_000], ids=["long", "many"])
@pytest.mark.parametrize("after", [b"", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"], ids=["head", "end"])
@pytest.mark.parametrize("http", ["h11", limited_http()], ids=["h11", "httptools"])
async def test_headers_without_an_end(http: Any, after: bytes, piece: bytes) -> None:
    """One that is long, or many, before a body or after it: they are read up to a limit, and the service goes on."""
    async with listening(app_of(desk()), http=http) as url:
        head, pieces = b"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n", repeat(piece, 2_000)
        said, count = await asyncio.to_thread(sent_until_refused, url, head + after, pieces)
        async with client_of(url) as client:
            alive = await client.post("/runs", json=body("x" * 200_000))

    assert not said or said.startswith(b"HTTP/1.1 400 ")
    assert count < FEW
    assert "done" == alive.json()["state"]


async def test_what_is_refused_by_its_head_is_told_so() -> None:
    """A client that reads gets an answer, and one whose head is as long as it may be is served."""
    async with listening(app_of(desk()), http=limited_http()) as url, client_of(url) as client:
        came = await client.get("/healthz", headers={"X": "x" * 60_000})
        said, _ = await asyncio.to_thread(sent_until_refused, url, b"GET / HTTP/1.1\r\na: ", [b"x" * 70_000])

    assert 200 == came.status_code
    assert said.startswith(b"HTTP/1.1 400 ")
