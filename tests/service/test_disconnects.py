"""Clients that go away: a run is cancelled once all have gone and stay away, or goes on, as they said."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from support.patience import PATIENCE_S
from support.serving import ASYNC, DONE, HELD, SSE, app_of, body, client_of, desk, events_of, listening, served, until

from fsm_orch.resilience import Admission

KEY = {"Idempotency-Key": "k"}
GRACE_S = 601.0
"""Unlike any other time, and longer than a test takes."""


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


async def begun(runner: Any) -> str:
    """Wait until the run of a runner is held; return its id."""
    while not (rows := await runner.store.list()) or "hold begins" not in DONE:  # noqa: ASYNC110 - it is in the store
        await asyncio.sleep(0.001)
    return str(rows[0].run_id)


async def left(client: Any, runner: Any, headers: dict[str, str], **more: Any) -> str:
    """Ask for a run, and go away in the middle of it; return its id."""
    if headers is SSE:
        async with client.stream("POST", "/runs", json=body("hold", **more), headers=SSE) as response:
            await anext(events_of(response))
            return await begun(runner)
    asking = asyncio.ensure_future(client.post("/runs", json=body("hold", **more), headers=headers))
    run_id = await begun(runner)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    return run_id


@pytest.mark.parametrize("headers", [{}, SSE])
async def test_a_run_whose_client_is_gone_is_cancelled(headers: dict[str, str]) -> None:
    """It is landed, and its end is stored."""
    runner = desk()
    async with served(runner, grace_s=0.01) as client:
        run_id = await left(client, runner, headers)
        ended = await until(client, run_id, status="finished")

    assert ("human", "cancelled") == (ended["state"], ended["landing"]["reason"])
    assert ["hold begins"] == DONE


@pytest.mark.parametrize("headers", [{}, SSE])
@pytest.mark.parametrize("by", ["request", "service"])
async def test_a_run_may_go_on_without_its_client(headers: dict[str, str], by: str) -> None:
    """If its request says so, or the service does."""
    runner = desk()
    more = {"on_disconnect": "continue"} if by == "request" else {}
    options: dict[str, Any] = {} if more else {"on_disconnect": "continue"}
    async with served(runner, grace_s=0.01, **options) as client:
        run_id = await left(client, runner, headers, **more)
        await asyncio.sleep(0.05)
        HELD["hold"].set()
        ended = await until(client, run_id, status="finished")

    assert "done" == ended["state"]


async def test_a_request_may_say_that_a_run_is_cancelled() -> None:
    """Where the service says that runs go on."""
    runner = desk()
    async with served(runner, grace_s=0.01, on_disconnect="continue") as client:
        run_id = await left(client, runner, SSE, on_disconnect="cancel")
        ended = await until(client, run_id, status="finished")

    assert "cancelled" == ended["landing"]["reason"]


async def test_who_comes_back_in_time_keeps_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the number of the last event: it gets the rest, and the run ends as if it had never been away."""
    loop, graces = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    later = loop.call_later

    def noted(delay: float, *rest: Any, **options: Any) -> asyncio.TimerHandle:
        timer = later(delay, *rest, **options)
        if delay == GRACE_S:
            graces.append(timer)
        return timer

    monkeypatch.setattr(loop, "call_later", noted)
    runner = desk()
    async with served(runner, grace_s=GRACE_S) as client:
        run_id = await left(client, runner, SSE)
        async with asyncio.timeout(PATIENCE_S):
            while not graces:  # noqa: ASYNC110 - it is away once the service has seen that
                await asyncio.sleep(0.001)
        async with client.stream("GET", f"/runs/{run_id}/events", headers={"Last-Event-ID": "1"}) as response:
            events = events_of(response)
            first = await anext(events)
            is_over = [timer.cancelled() for timer in graces]
            HELD["hold"].set()
            rest = [event async for event in events]

    assert [True] == is_over
    assert 2 == first.id
    assert "done" == rest[-1].data["state"]


async def test_as_long_as_one_client_is_there_the_run_goes_on() -> None:
    """Two have asked for it under one key, and one of them is gone."""
    runner = desk()
    async with served(runner, grace_s=0.01) as client:
        stays = asyncio.ensure_future(client.post("/runs", json=body("hold"), headers=KEY))
        run_id = await begun(runner)
        async with client.stream("POST", "/runs", json=body("hold"), headers=KEY | SSE) as response:
            await anext(events_of(response))
        await asyncio.sleep(0.05)
        HELD["hold"].set()
        ended = (await stays).json()

    assert (run_id, "done") == (ended["run_id"], ended["state"])


async def test_who_follows_by_the_way_does_not_end_a_run_that_was_accepted() -> None:
    """It was said to go on; who looks and leaves changes nothing."""
    async with served(desk(), grace_s=0.01) as client:
        run_id = (await client.post("/runs", json=body("hold"), headers=ASYNC)).json()["run_id"]
        async with client.stream("GET", f"/runs/{run_id}/events") as response:
            await anext(events_of(response))
        await asyncio.sleep(0.05)
        HELD["hold"].set()
        ended = await until(client, run_id, status="finished")

    assert "done" == ended["state"]


async def test_a_client_that_reads_nothing_holds_nothing_up() -> None:
    """Its run ends, and others are served meanwhile."""
    runner = desk()
    async with listening(app_of(runner)) as url, client_of(url) as client:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        sent = b'{"context": {"text": "x"}}'
        head = "POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
        writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(sent) + sent)
        while not (rows := await runner.store.list(status="finished")):  # type: ignore[union-attr] # noqa: ASYNC110
            await asyncio.sleep(0.001)
        other = await client.post("/runs", json=body("y"))
        byte = await reader.read(1)
        writer.transport.abort()

    assert (b"H", 200, 1) == (byte, other.status_code, len(rows))


@pytest.mark.parametrize("head", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
async def test_a_body_without_an_end_is_not_read_to_the_end(head: str) -> None:
    """Whether it is declared too long, or comes in chunks and says nothing of its length; and the connection ends."""
    async with listening(app_of(desk(), max_body=1_000)) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        chunk = b"x" * 600 if head.startswith("Content") else b"258\r\n%s\r\n" % (b"x" * 600)
        writer.write(f"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode())
        writer.write(chunk * 2)
        said = await reader.read()
        writer.close()
        async with client_of(url) as client:
            alive = await client.post("/runs", json=body("x"))

    assert said.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in said
    assert 200 == alive.status_code


async def test_who_leaves_the_line_frees_its_place(capfd: pytest.CaptureFixture[str]) -> None:
    """A run that waits for a place is not begun, and those behind it move up; nobody is told of an error."""
    admission = Admission(1, wait_s=60)
    async with served(desk(admission=admission), grace_s=0.01) as client:
        asking = list[asyncio.Future[Any]]()
        for count, text in enumerate(("hold", "x", "y"), 1):
            asking.append(asyncio.ensure_future(client.post("/runs", json=body(text))))
            while admission.running + admission.waiting < count:  # noqa: ASYNC110 - they come over sockets
                await asyncio.sleep(0.001)
        first, leaving, last = asking
        leaving.cancel()
        async with asyncio.timeout(PATIENCE_S):
            while admission.waiting == 2:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.001)
        HELD["hold"].set()
        answers = [(await each).json()["context"]["answer"] for each in (first, last)]
        kept = await client.get("/healthz")

    assert ["hold, kind", "y, kind"] == answers
    assert not [each for each in DONE if each.startswith("x")]
    assert (200, "") == (kept.status_code, capfd.readouterr().err)
