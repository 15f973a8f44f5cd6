"""Leases of stores: who drives each run, who may claim it, and what is given with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conformance.stores.appending import ENDED, HEAD, at, put
from conformance.stores.stores import STORES, Opening

from fsm_orch.amounts import Amount
from fsm_orch.errors import LeaseHeld, LeaseLost, RunTaken, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Hold, PaidResponse, Store
from fsm_orch.store.values import RELEASED

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


async def test_a_run_is_owned_by_the_worker_that_began_it(opening: Opening) -> None:
    """While it beats, nobody else claims the run; once it does not, or lets go, whoever comes first does."""
    async with opening() as worker:
        mine, dead, other = worker(), worker(lease_s=0), worker()
        for store, run in ((mine, "a"), (dead, "b"), (mine, "c")):
            await store.beat()
            await put(store, run, 0, at(1))
        with pytest.raises(LeaseHeld, match="run 'a' is driven by worker"):
            await other.claim("a")
        await mine.release("c", epoch=1)
        taken, free = await other.claim("b"), await other.claim("c")

        assert taken is not None
        assert free is not None
        assert (2, HEAD, True) == (taken.epoch, taken.head, taken.taken_from is not None)
        assert (2, HEAD, None) == (free.epoch, free.head, free.taken_from)
        assert {row.run_id: row.stored_at for row in await other.list()}["b"] == taken.stored_at > 0
        assert None is await other.claim("d")


async def test_a_run_that_was_let_go_with_something_open_is_claimed_as_taken(opening: Opening) -> None:
    """At once, by anybody, and nobody owns it before; let go with nothing open it is free again."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1))
        await mine.release("a", epoch=1, is_open=True)
        (listed,) = await other.list()
        taken = await other.claim("a")
        await other.release("a", epoch=2)
        free = await mine.claim("a")

        assert taken is not None
        assert free is not None
        assert (None, 2, RELEASED) == (listed.owner, taken.epoch, taken.taken_from)
        assert (3, None) == (free.epoch, free.taken_from)


async def test_an_append_of_an_earlier_epoch_is_refused(opening: Opening) -> None:
    """Of its inputs nothing is stored, and of its holds nothing moves; the same words do not help."""
    async with opening() as worker:
        old, new = worker(lease_s=0), worker()
        await new.beat()
        await put(old, "a", 0, at(1))
        claim = await new.claim("a")
        assert claim is not None
        for words in (at(2), at(1)):
            with pytest.raises(StoreError, match="run 'a'"):
                await put(old, "a", len(words) - (words == at(1)), words, holds=[Hold("thread:a", Amount(1))])
        with pytest.raises(LeaseLost):
            await put(old, "a", 1, at(2))
        await old.release("a", epoch=1)
        await put(new, "a", 1, at(3), epoch=claim.epoch)

        assert tuple(at(1, 3)) == await new.load("a")
        assert Amount() == await new.taken("thread:a")
        with pytest.raises(LeaseHeld):
            await old.claim("a")


async def test_a_worker_claims_its_own_again_and_is_fenced_itself(opening: Opening) -> None:
    """A run that is resumed in the process that drove it has a new epoch too; what is released takes no append."""
    async with opening() as worker:
        store = worker()
        await put(store, "a", 0, at(1))
        claim = await store.claim("a")
        assert claim is not None
        with pytest.raises(LeaseLost):
            await put(store, "a", 1, at(2))
        await store.release("a", epoch=1)
        await put(store, "a", 1, at(2), epoch=claim.epoch)
        await store.release("a", epoch=claim.epoch)
        with pytest.raises(LeaseLost):
            await put(store, "a", 2, at(3), epoch=claim.epoch)


async def test_a_finished_run_is_claimed_by_nobody(opening: Opening) -> None:
    """Its head is given to whoever asks; its last append may be said again, and it is not released."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1), ENDED)
        await mine.release("a", epoch=1)
        claim = await other.claim("a")
        assert claim is not None
        await put(mine, "a", 0, at(1), ENDED)

        assert (1, ENDED, None) == (claim.epoch, claim.head, claim.taken_from)
        assert not await other.ask_cancel("a")
        with pytest.raises(StoreError, match="run 'a' takes no answer"):
            await other.post("a", "q", "1", "yes")


async def test_two_workers_that_begin_one_run_at_once_do_not_both_pass(opening: Opening) -> None:
    """Even with the same words and the same epoch: one of them is told that the run id is taken."""
    async with opening() as worker:
        stores = [worker() for _ in range(4)]
        done = await asyncio.gather(*(put(store, "a", 0, at(1, 2)) for store in stores), return_exceptions=True)

        assert [RunTaken] * 3 == [type(error) for error in done if error is not None]
        assert tuple(at(1, 2)) == await stores[0].load("a")


async def test_of_workers_that_claim_at_once_one_wins(opening: Opening) -> None:
    """However many claim a dead worker's run at one moment, one owns it."""
    async with opening() as worker:
        await put(worker(lease_s=0), "a", 0, at(1))
        stores = [worker() for _ in range(4)]
        for store in stores:
            await store.beat()
        done = await asyncio.gather(*(store.claim("a") for store in stores), return_exceptions=True)

        assert [LeaseHeld] * 3 == [type(one) for one in done if isinstance(one, BaseException)]


async def test_responses_are_kept_until_the_next_hop(opening: Opening) -> None:
    """Whoever claims the run has those of the visit under way, in their order; of one key the first."""
    async with opening() as worker:
        store = worker()
        paid = [PaidResponse(f"r:0:1:{n}", "sha", str(n)) for n in (2, 1)]
        await put(store, "a", 0, at(1), responses=paid[:1])
        await put(store, "a", 1, at(2), responses=[*paid[1:], PaidResponse("r:0:1:2", "other", "x")])
        claim = await store.claim("a")
        assert claim is not None
        assert tuple(paid) == claim.responses
        again = [PaidResponse("r:1:1:1", "sha", "y")]
        await put(store, "a", 2, at(3), Head("b", hops=1), epoch=claim.epoch, responses=again)
        claim = await store.claim("a")
        assert claim is not None
        assert tuple(again) == claim.responses


async def started(store: Store, run: str, head: Head = HEAD, *, digest: str = "d", **options: Any) -> None:
    """Begin a run of a machine."""
    await put(store, run, 0, [inputs.Started(run_id=run, context={}, digest=digest)], head, **options)


async def test_what_is_queued_is_owned_by_nobody(opening: Opening) -> None:
    """Whoever comes first may claim it; the same start again is skipped until then, and another is refused."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        for _ in range(2):
            await started(mine, "a", is_queued=True, holds=[Hold("thread:a", Amount(1))])
        with pytest.raises(StoreError, match="'a'"):
            await started(mine, "a", is_queued=True, digest="e")
        with pytest.raises(StoreError, match="'a'"):
            await started(other, "a", is_queued=True, epoch=2)
        with pytest.raises(LeaseLost):
            await put(mine, "a", 1, at(1))
        assert None is (await mine.list())[0].owner
        claim = await other.claim("a")
        assert claim is not None
        assert (2, None) == (claim.epoch, claim.taken_from)
        with pytest.raises(StoreError, match="'a'"):
            await started(mine, "a", is_queued=True)
        assert Amount(1) == await mine.taken("thread:a")


async def test_runs_are_found_that_nobody_drives_and_somebody_should(opening: Opening) -> None:
    """Those that run, and those that wait and have an answer, a cancellation or a question that has expired."""
    async with opening() as worker:
        mine, dead, other = worker(), worker(lease_s=0), worker()
        for store in (mine, dead):
            await store.beat()
        waits = Head("ask", "waiting", 1, 5, 10.0)

        async def found(*digests: str, before: float = 0.0, limit: int = 99) -> list[str]:
            rows = await other.claimable(digests or ("d",), expired_before=before, limit=limit)
            return [row.run_id for row in rows]

        assert [] == await found()
        await started(mine, "owned")
        await started(dead, "dead")
        await started(mine, "queued", is_queued=True)
        await started(mine, "theirs", is_queued=True, digest="e")
        await started(mine, "ended", ENDED)
        for name in ("posted", "cancelled", "expires", "waits", "held"):
            await started(mine, name, waits)
            if name != "held":
                await mine.release(name, epoch=1)
        await mine.post("posted", "q", "1", True)
        await mine.post("held", "q", "1", True)
        await mine.ask_cancel("cancelled")
        await mine.ask_cancel("held")

        assert ["dead", "queued", "posted", "cancelled"] == await found()
        assert ["dead", "queued", "theirs", "posted"] == await found("e", "d", limit=4)
        assert ["theirs"] == await found("e", "f")
        (row,) = await other.claimable(["e"], expired_before=0.0)
        assert ("theirs", "e", 1, None) == (row.run_id, row.digest, row.inputs, row.owner)
        assert await found(before=10.0) == await found()
        assert ["dead", "queued", "posted", "cancelled", "expires", "waits"] == await found(before=10.5)
        claim = await other.claim("posted")
        assert claim is not None
        answer = inputs.Answered(ask=1, id="1", at=0.0)
        await put(other, "posted", 1, [answer], waits, epoch=claim.epoch)
        await other.release("posted", epoch=claim.epoch)
        assert ["dead", "queued", "cancelled"] == await found()


async def test_a_worker_finds_its_own_runs_which_it_may_not_know_of(opening: Opening) -> None:
    """A claim is stored though its answer is lost, and a release may never come: to others they are driven."""
    async with opening() as worker:
        mine, other = worker(), worker()
        for store in (mine, other):
            await store.beat()
        await started(mine, "queued", is_queued=True)
        await started(mine, "begun")
        await started(mine, "waits", Head("ask", "waiting", 1, 5, 10.0))
        await mine.claim("queued")

        assert [] == await other.claimable(["d"], expired_before=0.0)
        assert ["queued", "begun"] == [row.run_id for row in await mine.claimable(["d"], expired_before=0.0)]
        await mine.post("waits", "q", "1", True)
        assert ["queued", "begun", "waits"] == [row.run_id for row in await mine.claimable(["d"], expired_before=0.0)]
