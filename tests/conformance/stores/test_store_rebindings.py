"""Rebindings of stores: a run goes on with another version of its machine, and nothing of its journal is changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conformance.stores.appending import ENDED, HEAD, at, put
from conformance.stores.stores import STORES, Opening, one

from fsm_orch.errors import LeaseHeld, LeaseLost, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input, Started
from fsm_orch.kernel.renames import Renames
from fsm_orch.kernel.terms import Rate, Share, Terms
from fsm_orch.store import Head, Store
from fsm_orch.store.values import RELEASED, Rebound

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)

RENAMES = Renames(states={"billing": "invoices"}, handoffs={"to_billing": "to_invoices"})
BILLING = Head("billing")


def begun(run_id: str = "a", digest: str = "old") -> Started:
    """Return how a run begins."""
    return Started(run_id=run_id, context={}, digest=digest, tenant="t")


def moved(seconds: float, handoff: str) -> Input:
    """Return a reply."""
    return inputs.Replied(handoff=handoff, at=seconds)


async def left(store: Store, *events: Input, head: Head = HEAD, **options: Any) -> None:
    """Append the beginning of run `a`, and let go of it."""
    await put(store, "a", 0, [begun(), *events], head)
    await store.release("a", epoch=1, **options)


async def rebind(store: Store, digest: str = "new", *, was: str = "old", inputs: int = 1, **options: Any) -> None:
    """Rebind run `a`."""
    await store.rebind("a", Rebound(was=was, digest=digest, inputs=inputs, **options))


async def test_a_run_that_is_rebound_has_the_new_digest_everywhere(opening: Opening) -> None:
    """Its journal, lists and what may be claimed say it; who looks for the old digest finds it no more."""
    async with one(opening) as store:
        await left(store)
        await rebind(store)
        (listed,) = await store.list(digest="new")
        (due,) = await store.claimable(["new"], expired_before=0)

        assert (begun(digest="new"),) == await store.load("a")
        assert listed == due
        assert ("new", "old", "new", 1) == (listed.digest, *(getattr(listed.rebound[0], n) for n in _TOLD))
        assert listed.rebound[0].at > 0
        assert [] == [*await store.list(digest="old"), *await store.claimable(["old"], expired_before=0)]


_TOLD = ("was", "digest", "inputs")


async def test_what_came_before_is_read_in_new_words_and_what_comes_after_as_it_is(opening: Opening) -> None:
    """A new version may use an old name for something else: that is no rename of what it says itself."""
    async with one(opening) as store:
        await left(store, moved(1, "to_billing"), head=BILLING)
        await rebind(store, inputs=2, renames=RENAMES)
        claim = await store.claim("a")
        assert claim is not None
        await put(store, "a", 2, [moved(2, "to_billing")], Head("billing"), epoch=claim.epoch)
        journal = await store.load("a")

        assert Head("invoices") == claim.head
        assert ["to_invoices", "to_billing"] == [event.handoff for event in journal if hasattr(event, "handoff")]


async def test_prices_and_shares_are_those_that_it_has_in_the_new_version(opening: Opening) -> None:
    """Who rebinds it says which; what is stored is not asked."""
    rate, terms = Rate("1", "2"), Terms({"b": Rate("9", "9")}, {"s.p": Share(7), "s.q": Share(8, 1)})
    async with one(opening) as store:
        first = Started(run_id="a", context={}, digest="old", prices={"a": rate, "b": rate}, shares={"s.p": Share(3)})
        await put(store, "a", 0, [first])
        await store.release("a", epoch=1)
        await rebind(store, terms=terms)
        (read,) = await store.load("a")
        (listed,) = await store.list()

        assert isinstance(read, Started)
        assert terms == (read.prices, read.shares)
        assert terms == listed.rebound[0].terms


async def test_a_run_is_rebound_again_and_back(opening: Opening) -> None:
    """Each rebinding is told, the first first; back with the names turned round, its journal is what it was."""
    back = Renames(states={"invoices": "billing"}, handoffs={"to_invoices": "to_billing"})
    async with one(opening) as store:
        await left(store, moved(1, "to_billing"), head=BILLING)
        before = await store.load("a")
        await rebind(store, inputs=2, renames=RENAMES)
        await rebind(store, "newer", was="new", inputs=2)
        assert "newer" == (await store.load("a"))[0].digest  # type: ignore[union-attr]
        await rebind(store, "old", was="newer", inputs=2, renames=back)
        (listed,) = await store.list()

        assert before == await store.load("a")
        assert BILLING == listed.head
        assert ["new", "newer", "old"] == [each.digest for each in listed.rebound]
        assert [RENAMES, Renames(), back] == [each.renames for each in listed.rebound]


async def test_to_rebind_again_in_the_same_words_changes_nothing(opening: Opening) -> None:
    """Whoever was cut off does not know whether it was done, and says it again."""
    async with one(opening) as store:
        await left(store)
        await rebind(store)
        (before,) = await store.list()
        await rebind(store)

        assert [before] == list(await store.list())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"was": "other"}, "it has digest 'old', not 'other'"),
        ({"inputs": 2}, "it has 1 inputs, and 2 were judged: judge it again"),
    ],
)
async def test_a_run_that_is_another_than_was_judged_stays(opening: Opening, given: dict[str, Any], why: str) -> None:
    """It is said why, and nothing has changed."""
    async with one(opening) as store:
        await left(store)
        (before,) = await store.list()
        with pytest.raises(StoreError, match=why):
            await rebind(store, **given)

        assert [before] == list(await store.list())


async def test_runs_that_are_not_there_or_have_ended_are_not_rebound(opening: Opening) -> None:
    """What has ended is never driven again: it stays with the version that it ended with."""
    async with one(opening) as store:
        with pytest.raises(StoreError, match="this store knows of no such run"):
            await rebind(store)
        await left(store, head=ENDED)
        with pytest.raises(StoreError, match="it has ended"):
            await rebind(store)


async def test_an_answer_in_its_inbox_keeps_a_run_where_it_is(opening: Opening) -> None:
    """It was given to the form of the old version; once it is folded, the run may go."""
    async with one(opening) as store:
        await left(store)
        await store.post("a", "q", "1", "yes")
        with pytest.raises(StoreError, match="an answer is in its inbox"):
            await rebind(store)
        claim = await store.claim("a")
        assert claim is not None
        await put(store, "a", 1, [inputs.Answered(ask=1, id="1", at=1.0)], epoch=claim.epoch)
        await store.release("a", epoch=claim.epoch)
        await rebind(store, inputs=2)

        assert "new" == (await store.list())[0].digest


async def test_who_drives_a_run_keeps_it(opening: Opening) -> None:
    """Nobody rebinds a run under the hands of its worker, that worker neither."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, [begun()])
        for store in (mine, other):
            with pytest.raises(LeaseHeld, match="run 'a' is driven by worker"):
                await rebind(store)

        assert "old" == (await other.list())[0].digest


async def test_a_dead_worker_that_wakes_up_writes_nothing_to_a_run_that_was_rebound(opening: Opening) -> None:
    """Neither an append nor a release of it counts; whoever claims the run is told that it was taken."""
    async with opening() as worker:
        dead, other = worker(lease_s=0), worker()
        await dead.beat()
        await put(dead, "a", 0, [begun()])
        await rebind(other)
        with pytest.raises(LeaseLost):
            await put(dead, "a", 1, at(1))
        await dead.release("a", epoch=1)
        claim = await other.claim("a")

        assert claim is not None
        assert (3, RELEASED) == (claim.epoch, claim.taken_from)
        assert (begun(digest="new"),) == await other.load("a")


@pytest.mark.parametrize("is_open", [False, True])
async def test_what_may_have_been_under_way_is_remembered(opening: Opening, is_open: bool) -> None:
    """A run that was free is free, and one that was let go with something open is claimed as taken."""
    async with one(opening) as store:
        await left(store, is_open=is_open)
        await rebind(store)
        claim = await store.claim("a")

        assert claim is not None
        assert (RELEASED if is_open else None) == claim.taken_from


async def test_of_a_claim_and_a_rebinding_at_once_one_is_done(opening: Opening) -> None:
    """Either the worker has the run, and it was not rebound, or it claims what is the new version's already."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        for number in range(10):
            await put(mine, f"r{number}", 0, [begun(f"r{number}")])
            await mine.release(f"r{number}", epoch=1)
            claim, refused = await asyncio.gather(
                mine.claim(f"r{number}"),
                other.rebind(f"r{number}", Rebound(was="old", digest="new", inputs=1)),
                return_exceptions=True,
            )
            (first,) = await mine.load(f"r{number}")

            assert ("old" if isinstance(refused, LeaseHeld) else "new") == first.digest  # type: ignore[union-attr]
            assert (2 if isinstance(refused, LeaseHeld) else 3) == claim.epoch  # type: ignore[union-attr]


async def test_what_is_forgotten_of_a_run_is_its_rebindings_too(opening: Opening) -> None:
    """A run that takes its id later was never rebound."""
    async with one(opening) as store:
        await left(store)
        await rebind(store)
        claim = await store.claim("a")
        assert claim is not None
        await put(store, "a", 1, at(1), ENDED, epoch=claim.epoch)
        assert 1 == await store.prune(ended_before=float("inf"))
        await put(store, "a", 0, [begun()])
        (listed,) = await store.list()

        assert ("old", ()) == (listed.digest, listed.rebound)
