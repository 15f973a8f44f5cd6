"""Receivers of webhooks that mean harm: whatever they answer, it holds nobody up, fills no memory and leads nowhere."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support.patience import PATIENCE_S

from fsm_orch.service.webhook_outlet import outlet

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]
BOMB = gzip.compress(b"\x00" * 50_000_000)
HEAD = b"HTTP/1.1 200 OK\r\n"


async def hangs(writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await asyncio.Event().wait()


async def drips(writer: asyncio.StreamWriter) -> None:
    """Say a header, a byte at a time, which has no end."""
    writer.write(HEAD + b"X: ")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def goes_on(writer: asyncio.StreamWriter) -> None:
    """Say that more is to come, for ever."""
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0)


async def shouts(writer: asyncio.StreamWriter) -> None:
    """Say one header of many megabytes."""
    writer.write(HEAD + b"X: ")
    for _ in range(200):
        writer.write(b"x" * 100_000)
        await writer.drain()


async def babbles(writer: asyncio.StreamWriter) -> None:
    """Say what is no HTTP."""
    writer.write(b"\x00\xff" * 10_000)
    await writer.drain()


async def splits(writer: asyncio.StreamWriter) -> None:
    """Say two answers at once, and headers that contradict each other."""
    writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nContent-Length: 7\r\n\r\n" + HEAD + b"\r\n")
    await writer.drain()


async def breaks_off(writer: asyncio.StreamWriter) -> None:
    """Say half an answer."""
    writer.write(b"HTTP/1.1 20")
    await writer.drain()


async def bombs(writer: asyncio.StreamWriter) -> None:
    """Say few bytes which are to become many."""
    writer.write(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)
    await writer.drain()


async def never_ends(writer: asyncio.StreamWriter) -> None:
    """Say an answer without an end, as fast as it is read."""
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        await writer.drain()


@asynccontextmanager
async def receiving(answering: Answering) -> AsyncIterator[str]:
    """Have a receiver listen on this machine; yield its URL. It ends when all connections to it are closed."""
    open_ones = set[asyncio.Event]()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed = asyncio.Event()
        open_ones.add(closed)
        await reader.readuntil(b"\r\n\r\n")
        doing, gone = asyncio.ensure_future(answering(writer)), asyncio.ensure_future(reader.read())
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        for each in (doing, gone):
            each.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)
        closed.set()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/s3cret"
    finally:
        server.close()
        for closed in open_ones:
            await closed.wait()


@pytest.mark.parametrize(
    ("answering", "status"),
    [
        *((each, None) for each in (hangs, drips, goes_on, shouts, babbles, splits, breaks_off)),
        *((each, 200) for each in (bombs, never_ends)),
    ],
)
async def test_a_receiver_is_heard_no_longer_than_it_may_take(answering: Answering, status: int | None) -> None:
    """It has its time and no more, of its answer the status is read, and what is told of it does not hold the URL."""
    tracemalloc.start()
    async with (
        asyncio.timeout(PATIENCE_S),
        receiving(answering) as url,
        outlet(url, timeout_s=0.3, connections=1, is_private_allowed=True, tls=None) as opened,
    ):
        answers = [await opened.post(b"{}", {}) for _ in range(2)]  # the second over the only connection
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [status] * 2 == [answer.status for answer in answers]
    assert not any("s3cret" in answer.why or "127" in answer.why for answer in answers)
    assert most < 20_000_000
