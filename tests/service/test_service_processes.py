"""Services in processes of their own, over one database: any of them serves any run, and a dead one loses nothing."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.databases import KINDS, url_of
from support.serving import ASYNC, SSE, Event, client_of, events_of, until
from support.serving_alone import alone

from fsm_orch.service.ids import run_of_key

pytestmark = pytest.mark.slow


async def followed(client: httpx2.AsyncClient, run_id: str, after: int, told: list[Event]) -> None:
    """Follow a run after an event, and note what comes, until the stream ends or breaks off."""
    headers = {"Last-Event-ID": str(after)}
    with suppress(httpx2.RemoteProtocolError, httpx2.ReadError):
        async with client.stream("GET", f"/runs/{run_id}/events", headers=headers) as response:
            async for event in events_of(response):
                told.append(event)  # noqa: PERF401 - others look at it meanwhile


def numbers(told: list[Event]) -> list[int]:
    """Return the numbers of events, in the order in which they came."""
    return [event.id for event in told if event.id is not None]


async def some(told: list[Event], count: int) -> None:
    """Wait until so many numbered events have come."""
    while len(numbers(told)) < count:  # noqa: ASYNC110 - another task notes them
        await asyncio.sleep(0.005)


@KINDS
async def test_a_run_is_followed_in_the_other_process(kind: str, tmp_path: Path) -> None:
    """All its events come there too, while it goes on; left after any of them, the rest comes from either."""
    url, file = url_of(kind, tmp_path, "service_follow"), tmp_path / "go"
    with alone(url, tmp_path, "a", "b") as services:
        async with client_of(await services[0].url()) as here, client_of(await services[1].url()) as there:
            begun = await here.post("/runs", json={"context": {"file": str(file)}}, headers=ASYNC)
            run_id = begun.json()["run_id"]
            told = list[Event]()
            following = asyncio.ensure_future(followed(there, run_id, 0, told))
            await some(told, 3)
            file.touch()
            await following
            rests = dict[int, list[int]]()
            for after in range(1, len(numbers(told)), 2):
                rest = list[Event]()
                await followed(here if after % 4 == 1 else there, run_id, after, rest)
                rests[after] = numbers(rest)
            seen = [(await each.get(f"/runs/{run_id}")).json() for each in (here, there)]

    whole = list(range(1, len(numbers(told)) + 1))
    assert whole == numbers(told)
    assert {after: whole[after:] for after in rests} == rests
    assert seen[0] == seen[1] == told[-1].data
    assert "done" == seen[0]["state"]


@KINDS
async def test_a_process_is_killed_in_the_middle_of_a_stream(kind: str, tmp_path: Path) -> None:
    """Its run is taken over by the other, and who comes back there with the last number misses nothing."""
    url, file = url_of(kind, tmp_path, "service_kill"), tmp_path / "go"
    with alone(url, tmp_path, "a", "b") as services:
        async with client_of(await services[0].url()) as here, client_of(await services[1].url()) as there:
            told = list[Event]()
            sent: dict[str, Any] = {"context": {"file": str(file)}, "on_disconnect": "continue"}
            with suppress(httpx2.RemoteProtocolError, httpx2.ReadError):
                async with here.stream("POST", "/runs", json=sent, headers=SSE) as response:
                    run_id = response.headers["location"].rpartition("/")[2]
                    async for event in events_of(response):
                        told.append(event)
                        if len(numbers(told)) == 3:
                            services[0].process.kill()
            rest = list[Event]()
            following = asyncio.ensure_future(followed(there, run_id, numbers(told)[-1], rest))
            file.touch()
            await following
            ended = (await there.get(f"/runs/{run_id}")).json()

    assert list(range(1, len(numbers(told + rest)) + 1)) == numbers(told + rest)
    assert ("done", ended) == (ended["state"], rest[-1].data)


async def test_a_run_is_cancelled_from_the_other_process(tmp_path: Path) -> None:
    """It lands at the next beat of whoever drives it."""
    url, file = url_of("sqlite", tmp_path, ""), tmp_path / "never"
    with alone(url, tmp_path, "a", "b") as services:
        async with client_of(await services[0].url()) as here, client_of(await services[1].url()) as there:
            begun = await here.post("/runs", json={"context": {"file": str(file)}}, headers=ASYNC)
            run_id = begun.json()["run_id"]
            told = list[Event]()
            following = asyncio.ensure_future(followed(here, run_id, 0, told))
            await some(told, 2)
            cancelled = await there.post(f"/runs/{run_id}/cancel")
            await following

    assert 202 == cancelled.status_code
    assert ("human", "cancelled") == (told[-1].data["state"], told[-1].data["landing"]["reason"])


@pytest.mark.parametrize("what", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_process_whose_runs_are_followed(what: signal.Signals, tmp_path: Path) -> None:
    """Without a limit of its server, and without a traceback; the run goes on in the other process."""
    url, file = url_of("sqlite", tmp_path, ""), tmp_path / "go"
    with alone(url, tmp_path, "a", "b") as services:
        async with client_of(await services[0].url()) as here, client_of(await services[1].url()) as there:
            begun = await here.post("/runs", json={"context": {"file": str(file)}}, headers=ASYNC)
            run_id = begun.json()["run_id"]
            told, elsewhere = list[Event](), list[Event]()
            following = [asyncio.ensure_future(followed(here, run_id, 0, told))]
            sent, key = {"context": {"file": str(file)}}, {"Idempotency-Key": "k"}
            waiting = asyncio.ensure_future(here.post("/runs", json=sent, headers=key))
            await some(told, 3)
            await until(there, run_of_key("Steps", None, "k"), status="running")
            code = await services[0].ended(what)
            await asyncio.gather(*following)
            answered = await waiting
            file.touch()
            await followed(there, run_id, numbers(told)[-1], elsewhere)
            ended = await until(there, run_id, status="finished")
            other = await until(there, answered.headers["location"].rpartition("/")[2], status="finished")

    assert "" == services[0].said
    assert 0 in (code, code + what)
    assert (503, "draining") == (answered.status_code, answered.json()["code"])
    assert list(range(1, len(numbers(told + elsewhere)) + 1)) == numbers(told + elsewhere)
    assert ["done", "done"] == [ended["state"], other["state"]]
