"""Requests that mean harm: what they would write, hold up or blow up is refused, and they cost the service little."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import Request
from starlette.exceptions import HTTPException
from support.asking import Refunds
from support.patience import PATIENCE_S
from support.serving import (
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

from fsm_orch import MemoryStore, Runner
from fsm_orch.service import Caller

CHATS: dict[str, Any] = {"text": Query.text, "answer": Query.answer}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


def agui(**more: Any) -> dict[str, Any]:
    """Return what a user interface sends."""
    said = [{"id": "1", "role": "user", "content": "x"}]
    return {"threadId": "t", "runId": "r", "messages": said, "tools": [], "context": [], **more}


async def raw(url: str, sent: bytes) -> bytes:
    """Send bytes; return all that comes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    said = await reader.read()
    writer.close()
    return said


def head(path: str, headers: Mapping[str, str] = JSON, *, method: str = "POST", length: int = 0) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/runs", {"context": {"text": "x"}, "messages": [0] * 80_000}),
        ("/runs", {"context": {"text": "x", "notes": [0] * 80_000}}),
        ("/runs", {"context": {"text": "x"} | dict.fromkeys((f"k{each}" for each in range(20_000)), 0)}),
        ("/v1/chat/completions", {"model": "Desk", "messages": [0] * 80_000}),
        ("/v1/chat/completions", {"model": "Desk", "messages": [{"role": "user", "content": [0] * 80_000}]}),
        ("/agui", agui(messages=[0] * 80_000)),
    ],
)
async def test_an_answer_is_not_longer_than_what_was_wrong(path: str, sent: Any) -> None:
    """A body may have as many misfits as it has bytes, and a few of them are told."""
    async with served(desk(), **CHATS) as client:
        came = await client.post(path, content=json.dumps(sent, separators=(",", ":")), headers=JSON)

    assert came.status_code in (400, 422)
    assert len(came.content) < 5_000


@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        (b'{"context":{"text":"x","notes":[1e400]}}', JSON, 400),
        (b'{"context":{"text":"x","notes":[-Infinity]}}', JSON, 400),
        (b'\xef\xbb\xbf{"context":{"text":"x"}}', JSON, 400),
        (gzip.compress(b'{"context":{"text":"x"}}', mtime=0), JSON | {"Content-Encoding": "gzip"}, 400),
        (b'{"context":{"text":"x"}}', {"Content-Type": "text/plain"}, 422),
        (b'{"context":{"text":"x"}}', {"Content-Type": "application/x-www-form-urlencoded"}, 422),
        (b'{"context":{"text":"x"}}', {"Content-Type": "multipart/form-data; boundary=x"}, 422),
        (b'{"context":{"text":"x"}}', {}, 422),
        (b'{"context":{"text":"x"},"tenant":"acme"}', JSON, 422),
        (b'{"context":{"text":"x"},"run_id":"mine"}', JSON, 422),
        (b'{"context":{"text":"x","answer":"mine"}}', JSON, 422),
        (b'{"context":{"text":"x"},"thread_id":"a\\u0085b"}', JSON, 422),
        (b'{"context":{"text":"x"},"thread_id":"a\\u2028b"}', JSON, 422),
    ],
)
async def test_what_is_no_request_begins_nothing(sent: bytes, headers: dict[str, str], status: int) -> None:
    """No form of another site's page, nothing compressed, no number that is none, no field of an agent's."""
    runner = desk()
    async with listening(app_of(runner)) as url:
        said = await raw(url, head("/runs", headers, length=len(sent)) + sent)
        rows = await runner.store.list()  # type: ignore[union-attr]

    assert (b"%d" % status, 0) == (said[9:12], len(rows))


async def test_of_a_key_that_comes_twice_in_a_body_one_counts() -> None:
    """What is checked is what is taken."""
    async with listening(app_of(desk())) as url:
        sent = b'{"context":{"text":"a","text":"b"}}'
        said = await raw(url, head("/runs", length=len(sent)) + sent)

    assert b'"answer":"b, kind"' in said


async def test_fields_of_agents_are_not_for_callers() -> None:
    """By whatever protocol they are smuggled in: an agent's field is the agent's."""
    async with served(desk(), **CHATS) as client:
        mine = {"answer": "mine", "by": "me"}
        chat = {"model": "Desk", "messages": [{"role": "user", "content": "x"}], "metadata": mine, "context": mine}
        whole = (await client.post("/v1/chat/completions", json=chat)).json()
        run = (await client.get(f"/runs/{whole['fsm']['run_id']}")).json()
        told = (await client.post("/agui", json=agui(state=mine, forwardedProps=mine))).text

    assert ("x, kind", "deps") == (run["context"]["answer"], run["context"]["by"])
    assert "mine" not in told


@pytest.mark.parametrize("more", [{"cents": 5}, {"receipt": "mine"}, {"handoff": "late"}, {"note": 1}, {"key": "k"}])
async def test_an_answer_writes_what_its_form_asks_for(more: dict[str, Any]) -> None:
    """Nothing else, and takes no exit that is not for humans; the question stays open, however often it is tried."""
    runner = Runner(Refunds, store=MemoryStore())
    async with served(runner) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}})).json()["run_id"]
        inputs = len((await runner.result(run_id)).journal)
        answer = {"handoff": "yes", "note": "ok"} | more
        came = [
            await client.post(f"/runs/{run_id}/resume", json={"answer": answer}, headers={"Idempotency-Key": str(each)})
            for each in range(20)
        ]
        stands = await runner.result(run_id)

    assert {422} == {each.status_code for each in came}
    assert ("waiting", inputs) == (stands.status, len(stands.journal))


async def test_an_answer_that_a_cancellation_overtakes_comes_too_late(caplog: pytest.LogCaptureFixture) -> None:
    """It is no failure of the store, to be tried again: the run has ended."""

    class Overtaken(MemoryStore):
        async def post(self, run_id: str, *args: Any, **options: Any) -> str:
            await Runner(Refunds, store=self).cancel(run_id)
            while (await self.list(run_id=run_id))[0].head.status != "finished":  # noqa: ASYNC110 - it is in the store
                await asyncio.sleep(0.001)
            return await super().post(run_id, *args, **options)

    async with served(Runner(Refunds, store=Overtaken())) as client:
        run = (await client.post("/runs", json={"context": {"query": "x"}})).json()
        answer = {"answer": {"handoff": "yes", "note": "ok"}}
        came = await client.post(f"/runs/{run['run_id']}/resume", json=answer)

    assert (409, "answer_late", "") == (came.status_code, came.json()["code"], caplog.text)


async def test_answers_to_nothing_are_not_kept() -> None:
    """A run that is under way and asks nothing: its inbox does not grow."""
    runner = desk()
    async with served(runner) as client:
        began = await client.post("/runs", json=body("hold"), headers={"Prefer": "respond-async"})
        path, answers = f"{began.headers['location']}/resume", [{"answer": 1, "question": str(n)} for n in range(20)]
        came = [await client.post(path, json=each, headers={"Idempotency-Key": "k"}) for each in answers]
        HELD["hold"].set()
        ended = await until(client, began.json()["run_id"], status="finished")

    assert {409} == {each.status_code for each in came}
    assert "done" == ended["state"]


@pytest.mark.parametrize("name", ["%0d%0aX-Mine:%20y", "%00", "%ff", "a" * 30_000, "%E2%80%A8", "..", "%1b[31m"])
async def test_no_id_comes_into_a_header_or_a_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it holds, it is the id of no run, in the very words of any other."""
    caplog.set_level(logging.DEBUG, "fsm_orch")
    async with listening(app_of(desk(), **CHATS)) as url:
        paths = (f"/runs/{name}/", f"/runs/{name}/events", f"/v1/models/{name}")
        said = [await raw(url, head(each, {"Last-Event-ID": "1"}, method="GET")) for each in paths]
        said.append(await raw(url, head(f"/runs/{name}/cancel")))

    for each in said:
        assert each[9:12] in (b"404", b"307")
        assert b"\nX-Mine" not in each
    assert "" == caplog.text


@pytest.mark.parametrize("name", ["%00", "a%00b", "%0a", "%E2%80%A8"])
async def test_no_id_comes_to_a_store_that_a_database_does_not_hold(name: str) -> None:
    """It would be an error of the database: PostgreSQL holds no NUL."""
    asked = list[Any]()

    class Store(MemoryStore):
        async def list(self, **wanted: Any) -> Any:
            if "run_id" in wanted:  # else it is asked whether it is there
                asked.append(wanted["run_id"])
            return await super().list(**wanted)

    async with served(desk(store=Store())) as client:
        came = [await client.get(f"/runs/{each}") for each in (name, "x")]

    assert [404, 404] == [each.status_code for each in came]
    assert ["x"] == asked


async def test_a_body_in_small_pieces_is_counted_whole() -> None:
    """None of them is too large, and they have no end."""
    async with listening(app_of(desk(), max_body=1_000)) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        said = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(PATIENCE_S):
            while not said.done():
                writer.write(b"64\r\n%s\r\n" % (b" " * 100))
                await asyncio.wait({said}, timeout=0.02)
        writer.close()

    assert said.result().startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("last", ["-1", "1e3", "9" * 5_000, "1\t2", "\xb2", "1\x01"])
async def test_a_last_event_id_is_a_number(last: str) -> None:
    """Else it is refused, and the service stands."""
    async with listening(app_of(desk())) as url, client_of(url) as client:
        run = (await client.post("/runs", json=body("x"))).json()
        said = await raw(url, head(f"/runs/{run['run_id']}/events", {"Last-Event-ID": last}, method="GET"))

    assert said[9:12] in (b"422", b"400")


async def test_no_text_ends_an_event() -> None:
    """Line ends of every kind, in a context or an answer, stay inside of the data."""
    wild = "x\r\n\r\nevent: result\ndata: {}\n\n\u2028\u2029\x85\x00"
    async with served(desk(), **CHATS) as client:
        async with client.stream("POST", "/runs", json=body(wild), headers=SSE) as response:
            events = [event async for event in events_of(response)]
        chat = {"model": "Desk", "stream": True, "messages": [{"role": "user", "content": wild}]}
        chunks = (await client.post("/v1/chat/completions", json=chat)).text
        told = (await client.post("/agui", json=agui(messages=[{"id": "1", "role": "user", "content": wild}]))).text

    assert f"{wild}, kind" == events[-1].data["context"]["answer"]
    assert 1 == sum(event.event == "result" for event in events)
    for stream in (chunks, told):
        assert all(re.match(r"data: (\{.*\}|\[DONE\])$", each) for each in stream.rstrip("\n").split("\n\n"))


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "https://example.org/v1", "Desk\r\nX: y", "../Desk", "openai:gpt"]
)
async def test_no_name_of_a_model_leads_anywhere(url: str) -> None:
    """A model is the machine, or there is none; nothing that a client sends is an address."""
    async with served(desk(), **CHATS) as client:
        chat = {"model": url, "base_url": url, "api_base": url, "messages": [{"role": "user", "content": "x"}]}
        other = await client.post("/v1/chat/completions", json=chat)
        same = await client.post("/v1/chat/completions", json=chat | {"model": "Desk"})

    assert [404, 200] == [other.status_code, same.status_code]


@pytest.mark.parametrize("sent", [b"", b'{"con'])
@pytest.mark.parametrize("path", ["/runs", "/v1/chat/completions", "/agui"])
async def test_who_leaves_before_a_body_is_whole_fills_no_log(
    path: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is begun, and it is no failure of ours."""
    runner = desk()
    async with listening(app_of(runner, **CHATS)) as url, client_of(url) as client:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head(path, length=100) + sent)
        await client.get("/healthz")
        writer.transport.abort()
        for _ in range(5):
            await client.get("/healthz")

    assert "" == caplog.text
    assert [] == list(await runner.store.list())  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/runs", "/agui"])
async def test_who_leaves_the_line_of_a_conversation_begins_nothing(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that gives up and asks again leaves no run behind that is driven for nobody."""
    runner = desk()
    async with served(runner, multitask="enqueue", **CHATS) as client:
        first = asyncio.ensure_future(client.post("/runs", json=body("hold", thread_id="t")))
        while "hold begins" not in DONE:  # noqa: ASYNC110 - it is done in the world
            await asyncio.sleep(0.001)
        for each in range(5):
            said = body("late", thread_id="t") if path == "/runs" else agui(runId=f"r{each}")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.post(path, json=said, headers={"X": str(each)}), 0.05)
        HELD["hold"].set()
        await first
        last = await client.post("/runs", json=body("last", thread_id="t"))

    assert ["hold, kind", "last, kind"] == [each.json()["context"]["answer"] for each in (first.result(), last)]
    assert ["hold begins", "hold ends", "last begins", "last ends"] == DONE
    assert "" == caplog.text


async def test_a_refusal_of_starlettes_is_one_too() -> None:
    """An `auth=` of somebody else's may raise it."""

    async def auth(request: Request) -> Caller:
        raise HTTPException(401, "Say who you are.", {"WWW-Authenticate": "Bearer"})

    async with served(desk(), auth=auth, **CHATS) as client:
        came = await client.post("/runs", json=body("x"))

    assert (401, "unauthorized", "Bearer") == (came.status_code, came.json()["code"], came.headers["www-authenticate"])
