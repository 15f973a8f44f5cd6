"""A database that is stopped and started under a service: nothing is lost, callers are told, and it recovers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.patience import PATIENCE_S
from support.servers import PostgresServer, own_postgres
from support.serving import ASYNC, SSE, Event, app_of, client_of, events_of, listening, until
from support.serving_alone import Steps

from fsm_orch import Runner
from fsm_orch.store.sql import SqlStore

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that these tests alone stop."""
    server = own_postgres()
    yield server
    server.stop()


async def followed(client: httpx2.AsyncClient, run_id: str, told: list[Event]) -> None:
    """Follow a run to its end, and come back with the last number whenever that breaks off."""
    while not any(event.event == "result" for event in told):
        last = max((event.id for event in told if event.id is not None), default=0)
        with suppress(httpx2.TransportError):
            path = f"/runs/{run_id}/events"
            async with client.stream("GET", path, headers={"Last-Event-ID": str(last)}) as response:
                if response.status_code == 200:
                    async for event in events_of(response):
                        told.append(event)  # noqa: PERF401 - others look at it meanwhile
        await asyncio.sleep(0.05)


def numbers(told: list[Event]) -> list[int]:
    """Return the numbers of events, in the order in which they came."""
    return [event.id for event in told if event.id is not None]


def started(file: Path, **more: Any) -> dict[str, Any]:
    """Return the body of a request that begins a run, which goes on when there is a file."""
    return {"context": {"file": str(file)}, **more}


async def begun(client: httpx2.AsyncClient, file: Path, told: list[Event]) -> tuple[str, asyncio.Future[None]]:
    """Begin a run, and follow it; return its id, and who follows."""
    run_id = (await client.post("/runs", json=started(file), headers=ASYNC)).json()["run_id"]
    following = asyncio.ensure_future(followed(client, run_id, told))
    while len(numbers(told)) < 3:  # noqa: ASYNC110 - another task notes them
        await asyncio.sleep(0.01)
    return run_id, following


async def test_a_restart_is_waited_for(server: PostgresServer, tmp_path: Path) -> None:
    """Runs under way, begun, followed here and in another process meanwhile: all end well, and nobody is told."""
    file, told, elsewhere = tmp_path / "go", list[Event](), list[Event]()
    here, there = (Runner(Steps, store=SqlStore(server.url, lease_s=5.0)) for _ in range(2))
    async with (
        listening(app_of(here, works=5)) as url,
        client_of(url) as client,
        listening(app_of(there, works=5)) as other,
        client_of(other) as far,
    ):
        run_id, following = await begun(client, file, told)
        far_away = asyncio.ensure_future(followed(far, run_id, elsewhere))
        await asyncio.to_thread(server.stop)
        file.touch()
        asked = [asyncio.ensure_future(each.post("/runs", json=started(file))) for each in (client, far)]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        answers = await asyncio.gather(*asked)
        await asyncio.gather(following, far_away)
    for each in (here, there):
        each.store.close()  # type: ignore[union-attr]

    assert [(200, "done")] * 2 == [(each.status_code, each.json()["state"]) for each in answers]
    assert "done" == told[-1].data["state"]
    assert list(range(1, len(numbers(told)) + 1)) == numbers(told) == numbers(elsewhere)


async def test_whoever_asks_meanwhile_is_told_to_come_again(
    server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """503 with Retry-After, and nothing of the server or its statements; then it serves, and the run goes on."""
    caplog.set_level(logging.DEBUG)
    file, told = tmp_path / "go", list[Event]()
    runner = Runner(Steps, store=SqlStore(server.url, lease_s=1.0, patience_s=0.2))
    async with listening(app_of(runner, works=5)) as url, client_of(url) as client:
        run_id, following = await begun(client, file, told)
        await asyncio.to_thread(server.stop)
        path = f"/runs/{run_id}"
        away = [
            await client.post("/runs", json=started(file)),
            await client.post("/runs", json=started(file), headers=ASYNC),
            await client.post("/runs", json=started(file), headers=SSE),
            await client.post("/runs", json=started(file), headers={"Idempotency-Key": "k"}),
            await client.get(path),
            await client.get(f"{path}/events", headers={"Last-Event-ID": "2"}),
            await client.post(f"{path}/resume", json={"answer": {}}),
            await client.post(f"{path}/cancel"),
        ]
        alive = await client.get("/healthz")
        file.touch()  # the run cannot store what it does now
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        ended = await until_answered(client, run_id)
        again = await client.post("/runs", json=started(file), headers={"Idempotency-Key": "k"})
        await following
    runner.store.close()  # type: ignore[union-attr]

    told_of = {(each.status_code, each.headers["retry-after"], each.headers["content-type"]) for each in away}
    assert {(503, "1", "application/problem+json")} == told_of
    assert {"store_away"} == {each.json()["code"] for each in away}
    for each in away:
        assert not any(word in each.text for word in ("SELECT", "psycopg", str(server.port), "secret", "Traceback"))
    assert (200, 200, "done") == (alive.status_code, again.status_code, again.json()["state"])
    assert "done" == ended["state"] == told[-1].data["state"]
    assert list(range(1, len(numbers(told)) + 1)) == numbers(told)
    assert "Traceback" not in caplog.text
    assert not any(word in caplog.text for word in ("SELECT ", "secret"))


async def until_answered(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    """Ask for a run until the service answers again, and the run has ended; return it."""
    async with asyncio.timeout(PATIENCE_S):
        while (await client.get(f"/runs/{run_id}")).status_code == 503:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
        return await until(client, run_id, status="finished")
