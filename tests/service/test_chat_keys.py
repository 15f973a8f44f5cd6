"""Idempotency-Key for clients of OpenAI: what is tried again is one run, of one tenant, in however many processes."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from fastapi import Request
from openai import AsyncOpenAI
from support.serving import ASYNC, DONE, HELD, Query, app_of, body, client_of, desk, listening

from fsm_orch import MemoryStore
from fsm_orch.service import Caller

CHATS: dict[str, Any] = {"text": Query.text, "answer": Query.answer}
KEYED: dict[str, Any] = {"model": "Desk", "extra_headers": {"Idempotency-Key": "k"}}


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


def hi(text: str = "hi") -> Any:
    """Return what a user says."""
    return [{"role": "user", "content": text}]


def sdk(url: str, *, token: str = "a", retries: int = 0) -> AsyncOpenAI:
    """Return OpenAI's client."""
    return AsyncOpenAI(api_key=token, base_url=f"{url}/v1", max_retries=retries)


async def by_token(request: Request) -> Caller:
    """Know callers by their token."""
    return Caller(tenant=request.headers["authorization"])


async def streamed(client: AsyncOpenAI, text: str) -> tuple[str, str]:
    """Return the id and the whole text of a streamed answer."""
    stream = await client.chat.completions.create(messages=hi(text), stream=True, **KEYED)
    chunks = [chunk async for chunk in stream]
    return chunks[0].id, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def whole(client: AsyncOpenAI, text: str) -> tuple[str, str]:
    """Return the id and the text of an answer."""
    done = await client.chat.completions.create(messages=hi(text), **KEYED)
    return done.id, done.choices[0].message.content or ""


async def test_a_request_that_comes_again_is_one_run() -> None:
    """In two processes over one store, streamed or not, at the same moment and later."""
    store = MemoryStore()
    async with (
        listening(app_of(desk(store=store.beside(lease_s=15)), **CHATS)) as one,
        listening(app_of(desk(store=store.beside(lease_s=15)), **CHATS)) as two,
        sdk(one) as here,
        sdk(two) as there,
    ):
        asking = [asyncio.ensure_future(way(at, "hold")) for at in (here, there) for way in (whole, streamed, whole)]
        while "hold begins" not in DONE:  # noqa: ASYNC110 - it is done in the world
            await asyncio.sleep(0.001)
        HELD["hold"].set()
        came = {*await asyncio.gather(*asking), await whole(there, "hold"), await streamed(here, "hold")}

    assert {"hold, kind"} == {text for _, text in came}
    assert (1, ["hold begins", "hold ends"]) == (len(came), DONE)


async def test_what_the_sdk_tries_again_is_done_once() -> None:
    """The answer of the first try is lost on its way, and the second has it."""
    app, tries = app_of(desk(), **CHATS), list[str]()

    async def losing(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or tries:
            await app(scope, receive, send)
            return
        tries.append(scope["path"])

        async def lost(message: Any) -> None:
            pass

        await app(scope, receive, lost)
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with listening(losing) as url, sdk(url, retries=2) as client:
        _, text = await whole(client, "hi")

    assert ("hi, kind", ["hi begins", "hi ends"]) == (text, DONE)


@pytest.mark.parametrize(
    "other", [{"messages": hi("other")}, {"messages": [*hi(), *hi()]}, {"messages": hi(), "metadata": {"tone": "rude"}}]
)
async def test_a_key_of_another_request_is_refused(other: Any) -> None:
    """As OpenAI's own exception."""
    async with listening(app_of(desk(), **CHATS)) as url, sdk(url) as client:
        await whole(client, "hi")
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            await client.chat.completions.create(**other, **KEYED)

    assert "key_reused" == refused.value.code
    assert ["hi begins", "hi ends"] == DONE


async def test_a_key_is_of_a_tenant() -> None:
    """Nobody is given the answer of another tenant for its key, be it by the other protocol."""
    async with (
        listening(app_of(desk(), auth=by_token, **CHATS)) as url,
        sdk(url) as ours,
        sdk(url, token="b") as theirs,
    ):
        first, _ = await whole(ours, "hi")
        second, _ = await whole(theirs, "hi")
        async with client_of(url) as client:
            headers = {"Authorization": "Bearer a", "Idempotency-Key": "k"}
            same = await client.post("/runs", json=body("hi"), headers=headers | ASYNC)
            other = await client.post("/runs", json=body("x"), headers=headers | ASYNC)

    assert first != second
    assert (f"chatcmpl-{same.json()['run_id']}", 422) == (first, other.status_code)


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_length(key: str) -> None:
    """Else it is refused, and nothing is begun."""
    async with listening(app_of(desk(), **CHATS)) as url, sdk(url) as client:
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="Desk", messages=hi(), extra_headers={"Idempotency-Key": key})

    assert [] == DONE
