"""Conversations over HTTP: a run goes on with what the last one has left, one at a time, in its turn."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
from support.asking import Refunds
from support.serving import ASYNC, DONE, HELD, SSE, body, desk, events_of, served, until

from fsm_orch import MemoryStore, Runner
from fsm_orch.service.beginning import MOST_WAITING

CHAT = {"thread_id": "chat"}
ENQUEUE = {"thread_id": "chat", "multitask": "enqueue"}


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


async def test_a_run_goes_on_with_what_the_last_one_has_left() -> None:
    """What is marked `Given` goes on, and so do the messages; each run names the one before it."""
    runner = desk()
    async with served(runner) as client:
        came = [(await client.post("/runs", json=body(text, **CHAT))).json() for text in ("one", "two", "three")]
        other = (await client.post("/runs", json=body("four", thread_id="other"))).json()
    last = await runner.result(came[2]["run_id"])

    assert ["one", "two", "three"] == came[2]["context"]["notes"]
    assert ["four"] == other["context"]["notes"]
    assert ["chat"] * 3 + ["other"] == [each["thread_id"] for each in [*came, other]]
    assert ["one", "two", "three"] == [
        json.loads(said.content)["text"] for said in last.messages if said.role == "user"
    ]


@pytest.mark.parametrize("default", ["reject", "enqueue"])
async def test_a_busy_conversation_refuses_or_waits(default: Any) -> None:
    """As the service says, or the request."""
    async with served(desk(), multitask=default) as client:
        first = asyncio.ensure_future(client.post("/runs", json=body("hold", **CHAT)))
        while DONE != ["hold begins"]:  # noqa: ASYNC110 - it is done in the world
            await asyncio.sleep(0.001)
        refused = await client.post("/runs", json=body("no", thread_id="chat", multitask="reject"))
        waiting = [asyncio.ensure_future(client.post("/runs", json=body("a", **ENQUEUE)))]
        if default == "enqueue":
            waiting.append(asyncio.ensure_future(client.post("/runs", json=body("a", **CHAT))))
        else:
            assert 409 == (await client.post("/runs", json=body("a", **CHAT))).status_code
        await asyncio.sleep(0.05)
        before = list(DONE)
        HELD["hold"].set()
        codes = [(await each).status_code for each in [first, *waiting]]
        notes = (await waiting[-1]).json()["context"]["notes"]

    assert (409, "thread_busy") == (refused.status_code, refused.json()["code"])
    assert ["hold begins"] == before
    assert [200] * len(codes) == codes
    assert ["hold", *["a"] * len(waiting)] == notes


@pytest.mark.parametrize("headers", [{}, SSE, ASYNC])
async def test_many_at_once_have_their_turns(headers: dict[str, str]) -> None:
    """Each sees all before it, and none is lost, in several processes over one store."""
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served(desk(store=store.beside(lease_s=15)))) for _ in range(2)]

        async def ask(n: int) -> str:
            async with clients[n % 2].stream(
                "POST", "/runs", json=body(f"{n}", **ENQUEUE), headers=headers
            ) as response:
                assert response.status_code in (200, 202), await response.aread()
                _ = [event async for event in events_of(response)] if headers is SSE else await response.aread()
                return response.headers["location"].rpartition("/")[2]

        ids = await asyncio.gather(*[ask(n) for n in range(6)])
        ended = [await until(clients[0], run_id, status="finished") for run_id in ids]

    notes = sorted((each["context"]["notes"] for each in ended), key=len)
    assert [1, 2, 3, 4, 5, 6] == [len(each) for each in notes]
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(notes))


async def test_in_several_processes_one_is_refused() -> None:
    """Two that would come next at the same moment: the store decides which does."""
    store = MemoryStore()
    HELD["hold"].clear()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served(desk(store=store.beside(lease_s=15)))) for _ in range(2)]
        asking = [asyncio.ensure_future(each.post("/runs", json=body("hold", **CHAT))) for each in clients]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        HELD["hold"].set()
        codes = sorted([(await each).status_code for each in asking])

    assert [409] == [each.result().status_code for each in done]
    assert [200, 409] == codes
    assert ["hold begins", "hold ends"] == DONE


async def test_a_conversation_that_waits_for_an_answer_is_answered_first() -> None:
    """Neither way of asking waits for a human, who may come in days; once answered, the next run begins."""
    async with served(Runner(Refunds, store=MemoryStore())) as client:
        claim = {"context": {"query": "x"}, "thread_id": "chat"}
        waiting = (await client.post("/runs", json=claim)).json()
        came = [await client.post("/runs", json={**claim, "multitask": way}) for way in ("reject", "enqueue")]
        await client.post(f"/runs/{waiting['run_id']}/resume", json={"answer": {"handoff": "no", "note": "ok"}})
        after = await client.post("/runs", json=claim)

    assert {(409, "thread_waits", waiting["run_id"])} == {
        (each.status_code, each.json()["code"], each.json()["run_id"]) for each in came
    }
    assert (200, "waiting") == (after.status_code, after.json()["status"])


async def test_not_too_many_wait_for_their_turn() -> None:
    """A conversation is no place to keep work in."""
    async with served(desk()) as client:
        asking = [
            asyncio.ensure_future(client.post("/runs", json=body("hold", **ENQUEUE))) for _ in range(MOST_WAITING + 3)
        ]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        HELD["hold"].set()
        codes = sorted([(await each).status_code for each in asking])

    assert {409} == {each.result().status_code for each in done}
    assert [200] * (MOST_WAITING + 1) + [409] * 2 == codes


async def test_a_key_and_a_conversation_go_together() -> None:
    """The same message under the same key is said once, also when another has come since."""
    async with served(desk()) as client:
        key = {"Idempotency-Key": "k"}
        first = (await client.post("/runs", json=body("one", **CHAT), headers=key)).json()
        second = (await client.post("/runs", json=body("two", **CHAT))).json()
        again = (await client.post("/runs", json=body("one", **CHAT), headers=key)).json()

    assert first == again
    assert ["one", "two"] == second["context"]["notes"]
