"""Streams that are cut in the middle, as clients of OpenAI and AG-UI read them: an error, and no half of an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from ag_ui.core import RunAgentInput, UserMessage
from openai import AsyncOpenAI
from support.agui_client import EVENT, Client
from support.serving import DONE, HELD, Query, app_of, client_of, desk, listening

from fsm_orch import MemoryStore
from fsm_orch.errors import StoreError

CHATS: dict[str, Any] = {"text": Query.text, "answer": Query.answer, "drain_s": 0.01}
HOLD: Any = [{"role": "user", "content": "hold"}]


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    HELD.clear()
    DONE.clear()


async def cut(how: str, runner: Any, store: Any) -> None:
    """Cut a run that is held: its store fails, or its process is to end."""

    async def broken(*given: Any, **options: Any) -> Any:
        raise StoreError("postgres://user:hunter2@host")

    while "hold begins" not in DONE:  # noqa: ASYNC110 - it is done in the world
        await asyncio.sleep(0.001)
    if how == "draining":
        await runner.drain(grace_s=0)
    else:
        store.append = store.list = broken
        HELD["hold"].set()


@pytest.mark.parametrize("how", ["store_away", "draining"])
async def test_the_client_of_openai_raises(how: str) -> None:
    """By its own class, with the code of what happened and nothing of this process."""
    store = MemoryStore().beside(lease_s=15)
    runner, heard = desk(store=store), list[str]()

    async def hear(stream: Any) -> None:
        async for chunk in stream:
            heard.append(chunk.choices[0].delta.content or "")

    async with (
        listening(app_of(runner, **CHATS)) as url,
        AsyncOpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(model="Desk", messages=HOLD, stream=True)
        cutting = asyncio.ensure_future(cut(how, runner, store))
        with pytest.raises(openai.APIError) as raised:
            await hear(stream)
        await cutting

    assert (how, "") == (raised.value.code, "".join(heard))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("how", ["store_away", "draining"])
async def test_a_client_of_agui_is_told(how: str) -> None:
    """By the last event, of the protocol's own types and in its order; no message stays open."""
    store = MemoryStore().beside(lease_s=15)
    runner, seen = desk(store=store), Client()
    asked = RunAgentInput(thread_id="t", run_id="r", messages=[UserMessage(id="u", content="hold")])
    sent = asked.model_dump(mode="json", by_alias=True)
    async with (
        listening(app_of(runner, **CHATS)) as url,
        client_of(url) as client,
        client.stream("POST", "/agui", json=sent) as response,
    ):
        cutting = asyncio.ensure_future(cut(how, runner, store))
        async for line in response.aiter_lines():
            if line and not line.startswith(":"):
                seen.take(EVENT.validate_json(line.removeprefix("data: ")))
        await cutting

    assert ("RUN_ERROR", how, "") == (seen.end.type, seen.end.code, seen.text)
    assert "hunter2" not in seen.end.message
