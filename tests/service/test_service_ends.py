"""A service whose process is to end: nothing is lost, its followers are let go, and runs go on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.serving import (
    ASYNC,
    DONE,
    HELD,
    SSE,
    Query,
    app_of,
    body,
    client_of,
    desk,
    events_of,
    listening,
    served,
    until,
)

from fsm_orch import MemoryStore


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


async def held() -> None:
    """Wait until a run is held."""
    while "hold begins" not in DONE:  # noqa: ASYNC110 - it is done in the world
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("works", [0, 5])
async def test_a_run_goes_on_in_another_process(works: int) -> None:
    """Who waits is told to come again, a stream ends where it is, and what follows comes from elsewhere."""
    store = MemoryStore()
    runner = desk(store=store.beside(lease_s=15))
    async with served(desk(store=store.beside(lease_s=15)), works=works) as elsewhere:
        async with served(runner, drain_s=0.01) as client:
            waiting = asyncio.ensure_future(client.post("/runs", json=body("hold"), headers={"Idempotency-Key": "k"}))
            await held()
            (row,) = await store.list()
            async with client.stream("GET", f"/runs/{row.run_id}/events") as response:
                events = events_of(response)
                first = await anext(events)
                draining = asyncio.ensure_future(runner.drain(grace_s=0))
                rest = [event async for event in events]
            told, ready, alive = await waiting, await client.get("/readyz"), await client.get("/healthz")
            refused = await client.post("/runs", json=body("x"))
            await draining
        HELD["hold"].set()
        if not works:  # somebody asks again
            again = await elsewhere.post("/runs", json=body("hold"), headers={"Idempotency-Key": "k"} | ASYNC)
            assert 202 == again.status_code
            await desk(store=store.beside(lease_s=15)).resume(row.run_id, deps="deps")
        ended = await until(elsewhere, row.run_id, status="finished")
        last = str([first, *rest][-1].id)
        async with elsewhere.stream("GET", f"/runs/{row.run_id}/events", headers={"Last-Event-ID": last}) as response:
            later = [event async for event in events_of(response)]

    assert {(503, "draining", "1")} == {
        (e.status_code, e.json()["code"], e.headers["retry-after"]) for e in (told, ready, refused)
    }
    assert (200, {"status": "draining"}) == (alive.status_code, alive.json())
    numbers = [event.id for event in [first, *rest, *later] if event.id is not None]
    assert list(range(1, len(numbers) + 1)) == numbers
    assert "human" == ended["state"]  # its second state may not be done twice, and nobody knows whether it was
    assert "result" == later[-1].event


async def test_without_a_store_that_outlives_it_a_run_is_landed() -> None:
    """It has an end, and whoever waits is given that."""
    runner = desk()
    async with served(runner, drain_s=0.01) as client:
        waiting = asyncio.ensure_future(client.post("/runs", json=body("hold")))
        await held()
        await runner.drain(grace_s=0)
        told = (await waiting).json()

    assert ("human", "cancelled") == (told["state"], told["landing"]["reason"])


async def test_a_run_that_was_to_begin_is_refused() -> None:
    """Its process is told to end after it was asked for, and before its first step, of which there is none."""
    runner = desk()

    @asynccontextmanager
    async def closing(_: object) -> AsyncIterator[str]:
        await runner.drain(grace_s=0)
        yield "deps"

    async with served(runner, deps=closing) as client:
        told = await client.post("/runs", json=body("x"))

    assert (503, "draining", "1") == (told.status_code, told.json()["code"], told.headers["retry-after"])
    assert [] == DONE


@pytest.mark.parametrize("headers", [{}, SSE])
async def test_a_service_ends_although_somebody_follows(headers: dict[str, str]) -> None:
    """It is told by its signal, not by its server, which waits for whoever is connected; and the server ends well."""
    runner = desk(store=MemoryStore().beside(lease_s=15))
    app = app_of(runner, drain_s=0.01)
    async with listening(app) as url, client_of(url) as client:
        waiting = asyncio.ensure_future(client.post("/runs", json=body("hold"), headers=headers))
        await held()
        await runner.drain(grace_s=0)
        told = await waiting

    assert (200 if headers else 503) == told.status_code


async def test_the_life_of_the_router_is_part_of_the_application() -> None:
    """What was queued before is driven, and once the application ends nothing is begun any more."""
    store = MemoryStore()
    runner = desk(store=store.beside(lease_s=15))
    queued = await desk(store=store.beside(lease_s=15)).enqueue(Query(text="x"), run_id="q")
    async with served(runner, works=5) as client:
        ended = await until(client, queued, status="finished")

    assert "x, kind" == ended["context"]["answer"]
    assert runner.is_draining
