"""A service over a real socket, in this process: a machine whose work can be held up, and a client of its streams."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from support.patience import PATIENCE_S

from fsm_orch import Context, Final, Given, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.service import router


class Query(Context):
    """What is asked."""

    text: str
    tone: Given[str] = "kind"
    notes: Given[tuple[str, ...]] = ()
    by: str | None = None
    answer: str | None = None


HELD = defaultdict[str, asyncio.Event](asyncio.Event)
"""By the text of a query that begins with `hold`: what its second state waits for."""

DONE = list[str]()
"""What was done in the world, in order."""


async def begin(visit: Visit[Query, Any]) -> Any:
    DONE.append(f"{visit.context.text} begins")
    if visit.context.text == "break":
        raise ValueError("password=hunter2")
    return {Query.by: str(visit.deps)}


async def finish(visit: Visit[Query, Any]) -> Any:
    text = visit.context.text
    if text.startswith("hold"):
        await HELD[text].wait()
    DONE.append(f"{text} ends")
    return {Query.answer: f"{text}, {visit.context.tone}", Query.notes: (*visit.context.notes, text)}


class Desk(Machine[Query, str | None]):
    """Answer in two steps."""

    first = State(begin, reads=Query.text, writes=Query.by, initial=True)
    second = State(
        finish, reads=(Query.text, Query.tone, Query.notes), writes=(Query.answer, Query.notes), timeout_s=60
    )
    done = Final()
    human = Final(fallback=True, sets={Query.answer: "Somebody will get back to you."})
    on = first.to(second)
    end = second.to(done)


def deps(_: object) -> str:
    """Make the dependencies of a run."""
    return "deps"


def desk(**options: Any) -> Runner[Query, str | None]:
    """Return a runner with a store."""
    return Runner(Desk, **{"store": MemoryStore(), **options})


def app_of(runner: Runner[Any, Any], **options: Any) -> FastAPI:
    """Return an application with the routes of a runner."""
    app = FastAPI()
    options = {"deps": deps, **options} if runner.definition.deps else options
    app.include_router(router(runner, **{"works": 0, **options}))
    return app


@asynccontextmanager
async def listening(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an application on a free port until the block is left; yield its URL."""
    # a connection that is closed after five seconds without a request is closed on a slow client in the middle of one
    patient: dict[str, Any] = {"timeout_keep_alive": PATIENCE_S, "timeout_graceful_shutdown": 2, **options}
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", **patient))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.001)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def served(runner: Runner[Any, Any], **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve a runner until the block is left; yield a client of it."""
    async with listening(app_of(runner, **options)) as url, client_of(url) as client:
        yield client


def client_of(url: str, **options: Any) -> httpx2.AsyncClient:
    """Return a client of a service."""
    return httpx2.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False, **options)


@dataclass(frozen=True)
class Event:
    """A server-sent event, as a client reads it."""

    event: str
    id: int | None
    data: Any


async def events_of(response: httpx2.Response) -> AsyncIterator[Event]:
    """Yield the events of a stream; comments are those of the name ``."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields and "retry" not in fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Event(fields.get("event", ""), int(fields["id"]) if "id" in fields else None, data)
        fields = {}


SSE = {"Accept": "text/event-stream"}
ASYNC = {"Prefer": "respond-async"}


def body(text: str, **more: Any) -> dict[str, Any]:
    """Return the body of a request that begins a run."""
    return {"context": {"text": text}, **more}


async def ready(client: httpx2.AsyncClient) -> None:
    """Wait until a service is ready."""
    while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it says so in its own time
        await asyncio.sleep(0.005)


async def until(client: httpx2.AsyncClient, run_id: str, **wanted: Any) -> dict[str, Any]:
    """Ask for a run until it stands as is wanted; return it."""
    while True:
        seen = (await client.get(f"/runs/{run_id}")).json()
        if all(seen.get(name) == value for name, value in wanted.items()):
            return dict(seen)
        await asyncio.sleep(0.005)
