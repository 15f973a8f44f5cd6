"""Forks in stores: whole journals that nobody owns, and that are claimed by name alone."""

from __future__ import annotations

import asyncio
from math import inf

import pytest
from conformance.stores.appending import ENDED, HEAD, at, put
from conformance.stores.stores import STORES, Opening, one

from fsm_orch.errors import LeaseHeld, RunTaken, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Head, Origin, PaidResponse

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)

ORIGIN = Origin("parent", 2, ("handoff=to_tech", "set.answer"), effects=True)


def journal(run: str, *seconds: float) -> list[Input]:
    """Return a whole journal of a run."""
    return [inputs.Started(run_id=run, context={}, digest="d", tenant="n"), *at(*seconds)]


async def test_a_fork_is_listed_with_what_it_was_made_of(opening: Opening) -> None:
    """It has the columns of its beginning, and no other run has an origin."""
    async with one(opening) as store:
        await put(store, "parent", 0, journal("parent", 1))
        await store.fork("f", ORIGIN, journal("f", 1), HEAD)
        fork, parent = await store.list()

        assert (ORIGIN, None) == (fork.origin, parent.origin)
        assert ("f", HEAD, "d", "n", 2, None, False) == (
            *(fork.run_id, fork.head, fork.digest, fork.tenant, fork.inputs, fork.owner, fork.is_driven),
        )
        assert 0 < fork.began_at <= fork.stored_at
        assert tuple(journal("f", 1)) == await store.load("f")
        assert tuple(journal("parent", 1)) == await store.load("parent")


async def test_a_fork_is_claimed_by_name_alone(opening: Opening) -> None:
    """No list of what should be driven gives it: new, posted to, cancelled, expired, let go, or of a dead worker."""
    async with opening() as worker:
        mine, dead = worker(), worker(lease_s=0)
        await mine.beat()
        waits = Head("ask", "waiting", 1, 5, 10.0)
        for run, head in (("new", HEAD), ("posted", waits), ("cancelled", waits), ("expired", waits)):
            await mine.fork(run, ORIGIN, journal(run, 1), head)
        await mine.post("posted", "q", "1", True)
        await mine.ask_cancel("cancelled")
        await mine.fork("let go", ORIGIN, journal("let go", 1), HEAD)
        claim = await mine.claim("let go")
        assert claim is not None
        await mine.release("let go", epoch=claim.epoch, is_open=True)
        await mine.fork("dead", ORIGIN, journal("dead", 1), HEAD)
        await dead.claim("dead")

        assert [] == await mine.claimable(["d"], expired_before=inf)
        assert (HEAD, None) == (claim.head, claim.taken_from)


async def test_a_fork_goes_on_as_any_run_does(opening: Opening) -> None:
    """Whoever claims it owns it, fences others off, and appends where its journal ends; it keeps its origin."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await other.fork("f", ORIGIN, journal("f", 1), HEAD)
        claim = await mine.claim("f")
        assert claim is not None
        with pytest.raises(LeaseHeld):
            await other.claim("f")
        paid = [PaidResponse("k", "sha", "x")]
        await put(mine, "f", 2, at(2), ENDED, epoch=claim.epoch, responses=paid)
        (row,) = await other.list(status="finished")

        assert () == claim.responses
        assert (ORIGIN, 3) == (row.origin, row.inputs)
        assert 1 == await other.prune(ended_before=inf)
        assert () == await other.load("f")


async def test_a_fork_that_has_ended_is_pruned(opening: Opening) -> None:
    """So is its parent, of which the fork keeps the name; one that has not ended stays."""
    async with one(opening) as store:
        await put(store, "parent", 0, journal("parent", 1), ENDED)
        await store.fork("ended", ORIGIN, journal("ended", 1), ENDED)
        await store.fork("open", ORIGIN, journal("open", 1), HEAD)

        assert 2 == await store.prune(ended_before=inf)
        assert [("open", ORIGIN)] == [(row.run_id, row.origin) for row in await store.list()]


async def test_the_same_fork_again_changes_nothing_until_it_is_claimed(opening: Opening) -> None:
    """Another under its id is refused: of another origin, with other inputs, more or fewer; and once it is claimed."""
    async with opening() as worker:
        store = worker()
        await put(store, "run", 0, journal("run", 1))
        for _ in range(2):
            await store.fork("f", ORIGIN, journal("f", 1), HEAD)
        for run, origin, seconds in (
            ("f", Origin("other", 2), [1]),
            *(("f", ORIGIN, seconds) for seconds in ([2], [1, 2], [])),
            ("run", ORIGIN, [1]),
        ):
            with pytest.raises(RunTaken, match=f"run '{run}' has 2 other inputs"):
                await store.fork(run, origin, journal(run, *map(float, seconds)), HEAD)
        assert tuple(journal("f", 1)) == await store.load("f")
        await store.claim("f")
        with pytest.raises(StoreError, match="run 'f' has 2 other inputs"):
            await store.fork("f", ORIGIN, journal("f", 1), HEAD)


async def test_of_two_forks_at_once_under_one_id_one_is_kept(opening: Opening) -> None:
    """The other is refused, and no journal is mixed."""
    async with opening() as worker:
        stores = worker(), worker()
        forks = [(Origin("parent", n), journal("f", n)) for n in (1, 2)]
        done = await asyncio.gather(
            *(store.fork("f", *fork, HEAD) for store, fork in zip(stores, forks, strict=True)), return_exceptions=True
        )
        (row,) = await stores[0].list()

        assert 1 == sum(isinstance(error, StoreError) for error in done)
        assert row.origin is not None
        assert tuple(journal("f", row.origin.at)) == await stores[1].load("f")
