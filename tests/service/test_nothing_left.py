"""Nothing grows with the requests that were answered: of runs, turns and followers that are over nothing is kept."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest
from support.patience import PATIENCE_S
from support.serving import HELD, SSE, Query, app_of, body, client_of, desk, listening, served

from fsm_orch.run.ears import Ear
from fsm_orch.service.hub import Live
from fsm_orch.service.limits import JsonRequest
from fsm_orch.service.turns import _Turn

CHATS: dict[str, Any] = {"text": Query.text, "answer": Query.answer}


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing held."""
    HELD.clear()


def left() -> list[str]:
    """Return what is kept of runs, turns and followers."""
    gc.collect()
    return sorted(type(each).__name__ for each in gc.get_objects() if isinstance(each, Live | Ear | _Turn))


async def until_nothing_is_left() -> None:
    """Wait until nothing is kept."""
    while left():  # noqa: ASYNC110 - the collector tells nobody
        await asyncio.sleep(0.02)


async def test_of_answered_requests_nothing_is_left() -> None:
    """Each with a thread and a key of its own, said twice, streamed or refused."""
    async with served(desk(), **CHATS) as client:
        for each in range(60):
            key, said = {"Idempotency-Key": f"k{each}"}, body("x", thread_id=f"t{each}")
            for headers in ({}, key, key | SSE, {"Prefer": "respond-async"}):
                await client.post("/runs", json=said, headers=headers)
            await client.post("/runs", json=said | {"context": {"text": "y"}}, headers=key)
            await client.post("/runs", json=body("break", thread_id=f"t{each}"), headers=SSE)
        async with asyncio.timeout(PATIENCE_S):
            await until_nothing_is_left()


async def test_of_answered_requests_nothing_waits_for_the_collector() -> None:
    """They do not hold themselves: what does is freed by collections, of which many requests cause many."""
    async with served(desk(), **CHATS) as client:
        gc.disable()
        try:
            for _ in range(5):
                await client.post("/runs", json=body("x"))
            async with asyncio.timeout(PATIENCE_S):
                while any(isinstance(each, JsonRequest | Live) for each in gc.get_objects()):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.02)
        finally:
            gc.enable()


async def test_of_clients_that_left_nothing_is_left() -> None:
    """Wherever they have: before a body, in it, in the line of a conversation, or in a stream."""
    async with listening(app_of(desk(), grace_s=0.01, **CHATS)) as url, client_of(url) as client:
        host, port = url.removeprefix("http://").split(":")

        async def leaves(number: int) -> None:
            sent = json.dumps(body(f"hold{number}", thread_id=f"t{number % 5}", multitask="enqueue")).encode()
            head = (
                f"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
            )
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(head.encode() + (b"Accept: text/event-stream\r\n\r\n" if number % 2 else b"\r\n"))
            writer.write(sent[: (0, number, len(sent), len(sent))[number % 4]])
            await asyncio.sleep(0.01 * (number % 5))
            writer.transport.abort()

        await asyncio.gather(*map(leaves, range(60)))
        async with asyncio.timeout(PATIENCE_S):
            await until_nothing_is_left()
        alive = await client.post("/runs", json=body("x", thread_id="t1"))

    assert 200 == alive.status_code


async def test_of_followers_that_left_nothing_is_left() -> None:
    """Though the run that they followed goes on."""
    async with served(desk()) as client:
        began = await client.post("/runs", json=body("hold"), headers={"Prefer": "respond-async"})
        path, host, port = f"{began.headers['location']}/events", client.base_url.host, client.base_url.port
        writers = list[asyncio.StreamWriter]()
        for _ in range(100):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await reader.readuntil(b"visit_started")
            writers.append(writer)
        assert 100 == left().count("Ear")
        for writer in writers:
            writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            while left().count("Ear"):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
        HELD["hold"].set()
