"""Hundreds of clients that follow a run which another process drives: few objects each, and none once they left."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.databases import url_of
from support.serving import ASYNC, HELD, app_of, body, client_of, desk, listening

from fsm_orch.run.ears import Ear
from fsm_orch.store.sql import SqlStore

COUNT = 400


@pytest.mark.slow
async def test_followers_elsewhere_share_one_connection(tmp_path: Path) -> None:
    """It listens while they are there; each is told of the end, and no task, ear or connection of theirs is left."""
    HELD.clear()
    url = url_of("postgresql", tmp_path, "followers")
    here, there = (desk(store=SqlStore(url)) for _ in range(2))

    async def listeners() -> int:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^LISTEN'"
            return int((await (await connection.execute(asked)).fetchone() or (0,))[0])

    async with listening(app_of(here)) as near, client_of(near) as client, listening(app_of(there)) as far:
        host, port = far.removeprefix("http://").split(":")

        async def follow() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            await reader.readuntil(b"visit_started")
            return reader, writer

        path = (await client.post("/runs", json=body("hold"), headers=ASYNC)).headers["location"] + "/events"
        before = len(asyncio.all_tasks())
        following = list[Any]()
        while len(following) < COUNT:
            following += await asyncio.gather(*(follow() for _ in range(50)))
        async with asyncio.timeout(60):
            while await listeners() != 1:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
            tasks, ears = len(asyncio.all_tasks()) - before, kept()
            for _, writer in following[::2]:
                writer.transport.abort()
            while kept() > COUNT // 2:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
            HELD["hold"].set()
            told = [await reader.read() for reader, _ in following[1::2]]
            for _, writer in following:
                writer.close()
            while kept() or await listeners() or len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
    for each in (here, there):
        each.store.close()  # type: ignore[union-attr]

    assert COUNT == ears
    assert tasks <= 4 * COUNT
    assert all(b"event: result" in each for each in told)


def kept() -> int:
    """Return how many followers there are."""
    gc.collect()
    return sum(isinstance(each, Ear) for each in gc.get_objects())
