"""What an application, a store or an agent raises: no secret is in an answer or a log, and the service goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import HTTPException, Request
from pydantic import BaseModel, field_validator
from support.agui_client import EVENT
from support.serving import ASYNC, SSE, Query, body, desk, served

from fsm_orch import Context, Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.service import Caller

SECRET = "hunter2"


class Claims(BaseModel):
    """What a token says."""

    user: int

    @field_validator("user", mode="before")
    @classmethod
    def refused(cls, value: str) -> int:
        """Refuse, in words that hold a value."""
        raise ValueError(f"{value} is nobody")


def raises(error: type[BaseException], *args: Any) -> Callable[[], None]:
    """Return what raises."""

    def raising() -> None:
        raise error(*args)

    return raising


KINDS: dict[str, Callable[[], object]] = {
    "misfit": lambda: Claims(user=SECRET),  # type: ignore[arg-type]
    "value": lambda: int(SECRET),
    "key": lambda: {}[SECRET],
    "group": raises(ExceptionGroup, SECRET, [ValueError(SECRET)]),
    "http": raises(HTTPException, 503, {"dsn": SECRET}),
    "made up": raises(HTTPException, 599, {"dsn": SECRET}),
    "exit": raises(SystemExit, SECRET),
}


class Asked(Context):
    """What is asked."""

    text: str
    answer: str | None = None


async def answered(visit: Visit[Asked, Any]) -> Any:
    if visit.context.text in KINDS:
        KINDS[visit.context.text]()
    if visit.context.text == "interrupt":
        raise KeyboardInterrupt(SECRET)
    return {Asked.answer: "yes"}


class Answers(Machine[Asked, str]):
    """Answer."""

    first = State(answered, reads=Asked.text, writes=Asked.answer, initial=True)
    done, human = Final(), Final(fallback=True)
    end = first.to(done)


class Failing(MemoryStore):
    """A store of which one call raises."""

    def __init__(self, call: str, kind: str) -> None:
        super().__init__()
        self._call, self._kind = call, kind

    def _comes_to(self, call: str) -> None:
        if call == self._call:
            KINDS[self._kind]()

    async def load(self, run_id: str) -> Any:
        self._comes_to("load")
        return await super().load(run_id)

    async def list(self, **wanted: Any) -> Any:
        self._comes_to("list")
        return await super().list(**wanted)

    async def append(self, *args: Any, **options: Any) -> Any:
        self._comes_to("append")
        return await super().append(*args, **options)


async def all_of(client: Any, text: str) -> list[tuple[int, str]]:
    """Return what the service says to requests of every kind."""
    chat = {"model": "Answers", "messages": [{"role": "user", "content": text}]}
    agui = {
        "threadId": "t", "runId": "r", "messages": [{"id": "1", "role": "user", "content": text}],
        "tools": [], "context": [], "state": None, "forwardedProps": None,
    }  # fmt: skip
    came = [
        *[await client.post("/runs", json=body(text), headers=each) for each in ({}, SSE, ASYNC)],
        await client.post("/runs", json=body(text), headers={"Idempotency-Key": "k"}),
        await client.post("/runs", json=body(text, thread_id="t")),
        *[await client.post("/v1/chat/completions", json={**chat, "stream": each}) for each in (False, True)],
        await client.post("/agui", json=agui),
        await client.get("/runs/x"),
        await client.get("/runs/x/events"),
        await client.post("/runs/x/resume", json={"answer": 1}),
        await client.post("/runs/x/cancel"),
    ]
    return [(each.status_code, each.text) for each in came]


CHATS: dict[str, Any] = {"text": Asked.text, "answer": Asked.answer}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("where", ["deps", "agent", "load", "list", "append", "auth", "shown"])
async def test_nothing_of_it_is_told(where: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is no fault of the request, and the service answers the next one."""
    caplog.set_level(logging.DEBUG, "fsm_orch")

    def called(place: str) -> Any:
        if place == where:
            KINDS[kind]()
        return "x"

    async def auth(request: Request) -> Caller:
        called("auth")
        return Caller()

    runner, text = Runner(Answers, store=Failing(where, kind)), kind if where == "agent" else "x"
    hooks: dict[str, Any] = {"deps": lambda _: called("deps"), "auth": auth, "shown": lambda _: called("shown")}
    async with served(runner, **hooks, **CHATS) as client:
        came = await all_of(client, text)
        alive = await client.get("/healthz")

    assert {SECRET in said for _, said in came} == {False}
    assert not {400, 422} & {status for status, _ in came}
    assert SECRET not in caplog.text
    assert 200 == alive.status_code


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, KeyboardInterrupt])
async def test_what_is_meant_for_a_program_does_not_end_the_service(error: type[BaseException]) -> None:
    """Whoever waits is told that it did not work, and the others are served."""

    def deps(_: object) -> Any:
        raise error(SECRET)

    async with served(Runner(Answers, store=MemoryStore()), deps=deps, **CHATS) as client:
        came = await client.post("/runs", json=body("x"))
        alive = await client.get("/healthz")

    assert (500, "internal", 200) == (came.status_code, came.json()["code"], alive.status_code)


async def test_an_interrupt_of_an_agent_does_not_end_the_service() -> None:
    """It ends its own run."""
    async with served(Runner(Answers, store=MemoryStore()), deps=lambda _: "x", **CHATS) as client:
        came = await client.post("/runs", json=body("interrupt"))
        other = await client.post("/runs", json=body("x"))

    assert [500, 200] == [came.status_code, other.status_code]


@pytest.mark.parametrize("path", ["/runs", "/v1/chat/completions", "/agui"])
async def test_what_an_application_says_of_a_refusal_is_text_or_nothing(path: str) -> None:
    """Under any status, by any protocol."""

    async def auth(request: Request) -> Caller:
        raise HTTPException(int(request.headers["status"]), {"dsn": SECRET})

    async with served(desk(), auth=auth, text=Query.text, answer=Query.answer) as client:
        said = {
            "/runs": body("x"),
            "/v1/chat/completions": {"model": "Desk", "messages": [{"role": "user", "content": "x"}]},
            "/agui": {"threadId": "t", "runId": "r", "messages": [], "tools": [], "context": []},
        }[path]
        came = [await client.post(path, json=said, headers={"status": str(each)}) for each in (403, 499, 599)]

    assert [403, 499, 599] == [each.status_code for each in came]
    for each in came:
        told = each.json().get("error", each.json())
        assert isinstance(told.get("message", told.get("detail")), str)
        assert SECRET not in each.text


async def test_a_stream_of_agui_says_no_more_of_a_failure() -> None:
    """Than a problem does."""
    runner = Runner(Answers, store=MemoryStore())
    hooks: dict[str, Any] = {"deps": lambda _: "x", "shown": lambda _: KINDS["http"]()}
    async with served(runner, **hooks, **CHATS) as client:
        came = (await all_of(client, "x"))[7][1]

    *_, last = [EVENT.validate_json(each.removeprefix("data: ")) for each in came.strip().split("\n\n")]
    assert ("RUN_ERROR", "Service Unavailable") == (last.type.value, last.message)
