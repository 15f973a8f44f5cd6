"""What an `auth=` can come to besides a caller: nobody is let in by mistake, and nothing of it is told."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi import HTTPException, Request
from support.serving import Query, app_of, body, client_of, desk, listening

from fsm_orch import StartError
from fsm_orch.service import Caller

CHATS: dict[str, Any] = {"text": Query.text, "answer": Query.answer}
SENT: dict[str, dict[str, Any]] = {
    "/runs": body("x"),
    "/v1/chat/completions": {"model": "Desk", "messages": [{"role": "user", "content": "x"}]},
    "/agui": {
        "threadId": "t",
        "runId": "r",
        "messages": [{"id": "1", "role": "user", "content": "x"}],
        "tools": [],
        "context": [],
    },
}


class Lookalike:
    """Has what a caller has."""

    tenant, who = None, None


async def tried(auth: Any) -> list[Any]:
    """Return the answers to requests of every protocol; nothing was begun by any of them."""
    runner = desk()
    async with listening(app_of(runner, auth=auth, **CHATS)) as url, client_of(url) as client:
        came = [await client.post(path, json=sent) for path, sent in SENT.items()]
        came += [await client.get(path) for path in ("/v1/models", "/v1/models/Desk", "/runs/x", "/runs/x/events")]
        came += [await client.post(f"/runs/x/{what}", json={"answer": 1}) for what in ("resume", "cancel")]
    assert [] == list(await runner.store.list())  # type: ignore[union-attr]
    return came


@pytest.mark.parametrize("odd", [None, True, "acme", {"tenant": "acme"}, Caller, Lookalike(), Lookalike, object()])
async def test_what_is_no_caller_is_let_in_nowhere(odd: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Be it like one, as the class itself is, whose tenant is nobody; the log says what is wrong."""

    async def auth(request: Request) -> Any:
        return odd

    came = await tried(auth)

    assert {500} == {each.status_code for each in came}
    assert "auth= returns a Caller, not " in caplog.text


@pytest.mark.parametrize("name", ["", 3, b"a", "a\x00b", "a\r\nX-Mine: y", "\u2028", "\ud800", "x" * 256, ["a"]])
@pytest.mark.parametrize("option", ["tenant", "who"])
async def test_a_name_is_a_line(option: str, name: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A claim of a token may be anything; an empty one is no tenant, which all would share who have none."""
    with pytest.raises(StartError, match=f"{option}= of a Caller is a line of 1 to 255 characters, or None, not "):
        Caller(**{option: name})

    async def auth(request: Request) -> Caller:
        return Caller(**{option: name})

    came = await tried(auth)

    assert {500} == {each.status_code for each in came}
    assert f"{option}= of a Caller is a line" in caplog.text
    assert "X-Mine" not in caplog.text


@pytest.mark.parametrize("name", ["acme", "Ünï cödé", "a:b/c?d", "%", "🕘" * 255, "x" * 255])
async def test_a_tenant_may_be_called_anything_else(name: str) -> None:
    """Its runs and conversations are its own, and are found."""

    async def auth(request: Request) -> Caller:
        return Caller(tenant=name, who=name)

    async with listening(app_of(desk(), auth=auth)) as url, client_of(url) as client:
        run = (await client.post("/runs", json=body("x", thread_id="t" * 255))).json()
        seen = await client.get(f"/runs/{run['run_id']}")

    assert (200, run) == (seen.status_code, seen.json())


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (HTTPException(99, "x"), 500, "It did not work"),
        (HTTPException(204, "x"), 500, "It did not work"),
        (HTTPException(1_000, "x"), 500, "It did not work"),
        (HTTPException(304, "x"), 500, "It did not work"),
        (HTTPException(403, "no \ud800"), 403, "no ?"),
        (HTTPException(403, {"key": object()}), 403, "Forbidden"),
        (HTTPException(403, "no", {"X-A": "a\r\nX-Mine: b", "X-B": "b"}), 403, "no"),
        (HTTPException(403, "no", {"X-A\r\nX-Mine": "a", "X-B": "b"}), 403, "no"),
        (HTTPException(403, "no", {"X-A": "\u2028", "X-B": "b"}), 403, "no"),
        (HTTPException(307, "there", {"Location": "/login"}), 307, "there"),
    ],
)
async def test_a_refusal_is_one_that_can_be_sent(
    error: HTTPException, status: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By every protocol, whatever an application puts into it: no header ends a line, or breaks the answer."""

    async def auth(request: Request) -> Caller:
        raise error

    for came in await tried(auth):
        assert status == came.status_code
        assert told in came.text or "What went wrong is in the log" in came.text
        assert "x-mine" not in came.headers
        assert ("b" if "X-B" in (error.headers or {}) else None) == came.headers.get("x-b")
    assert logging.CRITICAL > max((each.levelno for each in caplog.records), default=0)
    assert "Traceback" not in caplog.text
