"""Lists of stores, page by page, and what is pruned from them."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import pytest
from conformance.stores.appending import ENDED, HEAD, at, put
from conformance.stores.stores import STORES, Opening

from fsm_orch.amounts import Amount
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Hold, News, PaidResponse

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


async def test_runs_are_listed_newest_first_and_page_by_page(opening: Opening) -> None:
    """A page goes on where the one before ended, and each filter must hold."""
    async with opening() as worker:
        store = worker()
        for n in range(7):
            first = inputs.Started(run_id=f"r{n}", context={}, digest="d", thread_id=f"t{n % 2}", tenant=f"n{n % 3}")
            waits = Head("ask", "waiting", 1, 5, 10.0 * n) if n < 4 else Head("a")
            await put(store, f"r{n}", 0, [first], ENDED if n == 6 else waits)

        async def ids(**filters: Any) -> str:
            return "".join(row.run_id.removeprefix("r") for row in await store.list(**filters))

        assert ["6543210", "654", "321", "0", ""] == [
            *(await ids(), await ids(limit=3), await ids(limit=3, after="r4"), await ids(after="r1", limit=3)),
            await ids(after="nobody"),
        ]
        assert "6420" == await ids(thread_id="t0")
        assert "630" == await ids(tenant="n0", digest="d")
        assert ["3210", "54", "6"] == [await ids(status=one) for one in ("waiting", "running", "finished")]
        assert "10" == await ids(expired_before=20.0)
        assert "1" == await ids(expired_before=20.0, thread_id="t1", status="waiting", after="r5")
        row = (await store.list(limit=1))[0]
        assert (ENDED, "d", "t0", "n0", 1, 1, False) == (
            *(row.head, row.digest, row.thread_id, row.tenant, row.inputs, row.epoch, row.is_cancel_asked),
        )
        assert 0 < row.began_at <= row.stored_at
        assert ["3", ""] == [await ids(run_id="r3"), await ids(run_id="r3", status="running")]


async def test_a_list_says_which_runs_are_driven(opening: Opening) -> None:
    """One whose owner is alive is, and not one that has finished, was released, or whose owner is dead."""
    async with opening() as worker:
        mine, dead = worker(), worker(lease_s=0)
        await mine.beat()
        await dead.beat()
        for store, run, head in ((mine, "a", HEAD), (mine, "b", ENDED), (mine, "c", HEAD), (dead, "d", HEAD)):
            await put(store, run, 0, at(1), head)
        await mine.release("c", epoch=1)

        assert ["a"] == [row.run_id for row in await dead.list() if row.is_driven]


async def test_what_has_finished_is_pruned_by_age(opening: Opening) -> None:
    """It is forgotten with its inbox and its responses, and its id is free; what is open or younger stays, whole."""
    async with opening() as worker:
        store = worker()
        paid = [PaidResponse("k", "sha", "x")]
        for run, head in (("a", HEAD), ("b", Head("ask", "waiting", expires_at=1.0)), ("c", HEAD)):
            await put(store, run, 0, at(1, 2), head, responses=paid)
            await store.post(run, "q", f"id of {run}", "yes")
        await put(store, "a", 2, at(3), ENDED, holds=[Hold("thread:t", Amount(5))])
        assert 0 == await store.prune(ended_before=(await store.list(run_id="a"))[0].began_at)
        assert 1 == await store.prune(ended_before=inf)
        await put(store, "a", 0, at(7))
        claim = await store.claim("a")
        assert claim is not None
        await put(store, "d", 0, at(1), ENDED)

        assert (News("a"), ()) == (claim.news, claim.responses)
        assert [tuple(at(7)), tuple(at(1, 2))] == [await store.load("a"), await store.load("b")]
        assert Amount(5) == await store.taken("thread:t")
        assert {"a", "b", "c"} == {row.run_id for row in await store.list() if row.head.status != "finished"}
        assert 1 == await store.prune(ended_before=inf)


async def test_what_a_conversation_goes_on_with_is_not_pruned(opening: Opening) -> None:
    """While a run of a thread is open, those that began before it stay; what it cannot follow is forgotten."""

    async def run(name: str, head: Head, thread_id: str | None) -> None:
        await put(store, name, 0, [inputs.Started(run_id=name, context={}, thread_id=thread_id)], head)
        await asyncio.sleep(0.002)  # or two might begin at one moment

    async with opening() as worker:
        store = worker()
        for name, thread_id in (("a", "t"), ("b", "t"), ("other", "u"), ("alone", None)):
            await run(name, ENDED, thread_id)
        await run("open", Head("ask", "waiting"), "t")
        await run("lone", HEAD, None)
        await run("later", ENDED, "t")

        assert 3 == await store.prune(ended_before=inf)
        assert ["lone", "open", "b", "a"] == [row.run_id for row in await store.list()]
        await put(store, "open", 1, at(1), ENDED)
        assert 3 == await store.prune(ended_before=inf)
        assert ["lone"] == [row.run_id for row in await store.list()]


async def test_more_are_pruned_than_go_into_one_transaction(opening: Opening) -> None:
    """Of many runs every one that has finished is forgotten, once, though two workers prune, and appends go on."""
    async with opening() as worker:
        stores = worker(), worker()
        await asyncio.gather(*(put(stores[0], f"r{n}", 0, at(n), HEAD if n % 3 else ENDED) for n in range(900)))
        pruned, also, *_ = await asyncio.gather(
            *(store.prune(ended_before=inf) for store in stores),
            *(put(stores[0], f"r{n}", 1, at(n)) for n in range(900) if n % 3),
        )

        assert 300 == pruned + also
        assert [bool(n % 3) * 2 for n in range(900)] == [len(await stores[1].load(f"r{n}")) for n in range(900)]
