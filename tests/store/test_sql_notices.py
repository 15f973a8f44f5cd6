"""Notices in a database: what two processes do at the same moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
from conformance.stores.appending import at
from support.databases import url_of

from fsm_orch.kernel.inputs import Started
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore


async def test_a_run_that_waits_while_somebody_subscribes_is_noted(tmp_path: Path) -> None:
    """Another process stores that a run waits, and commits it only after somebody has begun to subscribe."""
    url = url_of("postgresql", tmp_path, "noted")
    store = SqlStore(url)
    await store.append("r1", 0, [Started(run_id="r1", context={}, digest="d")], Head("work"), epoch=1)
    async with await psycopg.AsyncConnection.connect(url) as other:
        await other.execute("UPDATE fsm_runs SET position = 2, status = 'waiting'")
        subscribing = asyncio.create_task(store.notices.subscribe("hook", ["d"]))
        await asyncio.wait([subscribing], timeout=0.5)  # it waits, or it is wrong
        await other.commit()
        await subscribing
    taken = await store.notices.take("hook", ["d"], now_s=0.0, hold_s=1.0, limit=9)
    store.close()

    assert ["r1"] == [notice.run_id for notice in taken]


async def test_a_store_that_is_forgotten_closes_though_it_noted(tmp_path: Path) -> None:
    """What was last done with notices holds no store: its thread ends with it, as it does without them."""
    store = SqlStore(url_of("sqlite", tmp_path, "noted"))
    await store.notices.subscribe("hook", ["d"])
    await store.append("r1", 0, at(1), Head("work"), epoch=1)
    await store.notices.take("hook", ["d"], now_s=0.0, hold_s=1.0, limit=9)
    ended = store._end
    del store

    assert not ended.alive


async def test_a_run_that_waits_while_somebody_leaves_is_not_noted(tmp_path: Path) -> None:
    """Another process has noted a run, and commits that only after the subscriber has begun to leave."""
    url = url_of("postgresql", tmp_path, "noted_left")
    store = SqlStore(url)
    await store.notices.subscribe("hook", ["d"])
    await store.append("r1", 0, [Started(run_id="r1", context={}, digest="d")], Head("work"), epoch=1)
    async with await psycopg.AsyncConnection.connect(url) as other:
        await other.execute("UPDATE fsm_runs SET position = 2, status = 'waiting'")
        leaving = asyncio.create_task(store.notices.unsubscribe("hook"))
        await asyncio.wait([leaving], timeout=0.5)  # it waits, or it is wrong
        await other.commit()
        await leaving
        noted = await (await other.execute("SELECT name, run_id FROM fsm_notices")).fetchall()
    store.close()

    assert [] == noted
