"""Nudges of PostgreSQL: what any process stores is told, once it is stored; a server that restarts is found again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from conformance.stores.appending import at
from support.databases import url_of
from support.servers import asking, own_postgres
from support.serving import HELD, Desk, Query

from fsm_orch import Runner
from fsm_orch.errors import LeaseLost, StoreError
from fsm_orch.run.following import Numbered
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore


async def test_what_is_stored_is_told(tmp_path: Path) -> None:
    """Whoever stores it: a run that begins, or goes on; not one that was refused, or was stored before."""
    url = url_of("postgresql", tmp_path, "nudged")
    store, other = SqlStore(url), SqlStore(url)
    await store.append("r1", 0, at(1), Head("work"), epoch=1)
    nudges = store.nudges()
    assert nudges is not None
    async with aclosing(nudges):
        assert None is await anext(nudges)
        await other.append("r2", 0, at(1), Head("work"), epoch=1)
        await store.append("r1", 1, at(2), Head("work"), epoch=1)
        await store.append("r1", 1, at(2), Head("work"), epoch=1)
        with pytest.raises(LeaseLost):
            await other.append("r1", 2, at(3), Head("work"), epoch=1)
        await other.append("r" * 9000, 0, at(1), Head("work"), epoch=1)  # longer than a word may be
        await other.append("r3", 0, at(1), Head("work"), epoch=1)
        told = [await anext(nudges) for _ in range(3)]
    store.close()
    other.close()

    assert ["r2", "r1", "r3"] == told


async def test_a_file_tells_nothing(tmp_path: Path) -> None:
    """SQLite has no word for it."""
    store = SqlStore(url_of("sqlite", tmp_path, ""))
    assert None is store.nudges()
    store.close()


async def test_who_cannot_listen_is_told_so_without_a_password() -> None:
    """And without what the server says."""
    store = SqlStore("postgresql://me:hunter2@127.0.0.1:1/x")
    nudges = store.nudges()
    assert nudges is not None
    with pytest.raises(StoreError) as caught:
        await anext(nudges)
    store.close()

    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_connection_that_is_ended_is_told(tmp_path: Path) -> None:
    """Such as by an operator, or a server that stops."""
    url = url_of("postgresql", tmp_path, "nudged_cut")
    store = SqlStore(url)
    nudges = store.nudges()
    assert nudges is not None
    async with aclosing(nudges):
        await anext(nudges)
        with asking(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
        with pytest.raises(StoreError):
            await anext(nudges)
    store.close()


@pytest.mark.slow
async def test_followers_go_on_when_a_server_restarts() -> None:
    """Two processes follow a run that a third drives; its server crashes, and none of them misses a record."""
    HELD.clear()
    server = own_postgres()
    stores = [SqlStore(server.url) for _ in range(2)]
    here, there = (Runner(Desk, store=store) for store in stores)
    running = asyncio.ensure_future(here.run(Query(text="hold"), run_id="r", deps="deps"))
    numbers = list[int]()

    async def follow() -> None:
        async with there.follow("r", is_awaited=True) as events:
            async for event in events:
                if isinstance(event, Numbered):
                    numbers.append(event.number)

    following = asyncio.ensure_future(follow())
    nudged = there._driver.driven.nudged._by_loop
    async with asyncio.timeout(60):
        for _ in range(2):
            while not any(each.is_on for each in nudged.values()):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
        HELD["hold"].set()
        result = await running
        await following
    for store in stores:
        store.close()
    server.stop()

    assert list(range(1, len(result.records) + 1)) == numbers
