"""Idempotency-Key: what is said again under one key is one run, in one process or in several; of each tenant alone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.serving import ASYNC, DONE, HELD, SSE, body, desk, events_of, served, until

from fsm_orch import MemoryStore
from fsm_orch.service.ids import run_after, run_of_key, thread_of, told_thread

KEY = {"Idempotency-Key": "k"}


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    DONE.clear()
    HELD.clear()


async def asked(client: httpx2.AsyncClient, how: dict[str, str], text: str = "hold") -> str:
    """Begin a run; return its id once its answer has come whole."""
    async with client.stream("POST", "/runs", json=body(text), headers=KEY | how) as response:
        if how is SSE:
            events = [event async for event in events_of(response)]
            assert [*range(1, len(events))] == [event.id for event in events[:-1]]
            assert "finished" == events[-1].data["status"]
        assert response.status_code in (200, 202), await response.aread()
        return response.headers["location"].rpartition("/")[2]


async def test_a_key_that_comes_again_is_the_same_run() -> None:
    """While it is under way, by whatever way it is asked for, and when it has ended."""
    async with served(desk()) as client:
        waiting = [asyncio.ensure_future(asked(client, how)) for how in ({}, SSE, {}, SSE)]
        run_id = await asked(client, ASYNC)
        HELD["hold"].set()
        ids = {run_id, *await asyncio.gather(*waiting)}
        later = {await asked(client, how) for how in ({}, SSE, ASYNC)}

    assert ({run_id}, {run_id}) == (ids, later)
    assert ["hold begins", "hold ends"] == DONE


@pytest.mark.parametrize("how", [{}, SSE, ASYNC])
async def test_two_processes_begin_one_run(how: dict[str, str]) -> None:
    """Asked at the same moment over one store, one of them begins it, and the other follows."""
    store = MemoryStore()
    HELD["hold"].set()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served(desk(store=store.beside(lease_s=15)))) for _ in range(3)]
        ids = await asyncio.gather(*[asked(client, how) for client in clients for _ in range(2)])
        await until(clients[0], ids[0], status="finished")

    assert 1 == len(set(ids))
    assert ["hold begins", "hold ends"] == DONE
    assert 1 == len(await store.list())


async def test_another_process_joins_what_is_under_way() -> None:
    """Under the key of a run that is driven elsewhere: it is accepted, and streamed, before that has ended."""
    store = MemoryStore()
    async with (
        served(desk(store=store.beside(lease_s=15))) as here,
        served(desk(store=store.beside(lease_s=15))) as there,
    ):
        run_id = await asked(here, ASYNC)
        assert run_id == await asked(there, ASYNC)
        async with there.stream("POST", "/runs", json=body("hold"), headers=KEY | SSE) as response:
            events = events_of(response)
            first = await anext(events)
            HELD["hold"].set()
            rest = [event async for event in events]

    assert ("run_started", "done") == (first.event, rest[-1].data["state"])
    assert ["hold begins", "hold ends"] == DONE


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_key_of_another_request_is_refused(is_over: bool) -> None:
    """Whether the first is under way or has ended: nobody is given what they did not ask for."""
    async with served(desk()) as client:
        first = asyncio.ensure_future(client.post("/runs", json=body("hold"), headers=KEY))
        run_id = await asked(client, ASYNC)
        if is_over:
            HELD["hold"].set()
            await first
        others: list[dict[str, Any]] = [
            body("other"),
            body("hold", thread_id="t"),
            body("hold", messages=[{"role": "user", "content": "x"}]),
            {"context": {"text": "hold", "tone": "rude"}},
        ]
        came = [await client.post("/runs", json=other, headers=KEY) for other in others]
        HELD["hold"].set()
        await until(client, run_id, status="finished")
        await first

    assert {(422, "key_reused")} == {(each.status_code, each.json()["code"]) for each in came}
    assert ["hold begins", "hold ends"] == DONE


async def test_a_request_that_failed_may_come_again() -> None:
    """A key whose run was never begun names no run."""
    async with served(desk()) as client:
        unfit = await client.post("/runs", json={"context": {}}, headers=KEY)
        fit = await client.post("/runs", json=body("x"), headers=KEY)

    assert [422, 200] == [unfit.status_code, fit.status_code]


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_length(key: str) -> None:
    """An empty one, or one that is too long, is refused."""
    async with served(desk()) as client:
        answered = await client.post("/runs", json=body("x"), headers={"Idempotency-Key": key})

    assert 422 == answered.status_code


names = st.none() | st.text(max_size=3)


@given(st.lists(st.tuples(st.text(max_size=3), names, st.text(max_size=3)), min_size=2, unique=True))
def test_ids_are_told_apart(asked: list[tuple[str, str | None, str]]) -> None:
    """No two machines, tenants and keys, or threads and runs before, make one id."""
    ids = [run_of_key(*each) for each in asked] + [run_after(machine, key, before) for machine, before, key in asked]

    assert len(set(ids)) == len(ids)


callers = st.tuples(st.none() | st.text("a:%", max_size=3), st.text("a:%", max_size=5))


@given(callers, callers)
def test_threads_of_tenants_are_told_apart(one: tuple[str | None, str], other: tuple[str | None, str]) -> None:
    """Whatever tenants and threads are called, nobody names the thread of another, and each is told its own name."""

    assert (one == other) == (thread_of(*one) == thread_of(*other))
    assert one[1] == told_thread(one[0], thread_of(*one))
