"""Counts of runs that wait, as every store that counts them tells them."""

from __future__ import annotations

import pytest
from conformance.stores.appending import ENDED, at, put
from conformance.stores.stores import STORES, Opening, one

from fsm_orch.kernel import inputs
from fsm_orch.kernel.renames import Renames
from fsm_orch.store import Head, Origin, Rebound, Store
from fsm_orch.store.waiting import CountsWaiting, Waiting

pytestmark = pytest.mark.parametrize(
    "opening", [opening for name, opening in STORES.items() if name != "not crashed"], ids=lambda each: each.__name__
)

WAITS = Head("approve", "waiting", 1, 5, 10.0)


async def counted(store: Store) -> list[Waiting]:
    """Return what a store counts."""
    assert isinstance(store, CountsWaiting)
    return list(await store.waiting())


async def test_runs_that_wait_are_counted_by_machine_and_state(opening: Opening) -> None:
    """Those that go on and those that have ended are not, and the oldest says since when they wait."""
    async with one(opening) as store:
        assert [] == await counted(store)
        for n, head in enumerate([WAITS, WAITS, Head("sign", "waiting"), WAITS, Head("approve"), ENDED]):
            first = inputs.Started(run_id=f"r{n}", context={}, digest="old" if n == 3 else "new")
            await put(store, f"r{n}", 0, [first], head)
        stored = {row.run_id: row.stored_at for row in await store.list()}

        assert [
            Waiting("new", "approve", 2, min(stored["r0"], stored["r1"])),
            Waiting("new", "sign", 1, stored["r2"]),
            Waiting("old", "approve", 1, stored["r3"]),
        ] == await counted(store)


async def test_a_run_that_was_answered_is_counted_no_more(opening: Opening) -> None:
    """What it waits for is over as soon as that is stored."""
    async with one(opening) as store:
        await put(store, "r", 0, at(1), WAITS)
        assert [1] == [each.runs for each in await counted(store)]
        await put(store, "r", 1, [inputs.Cancelled(at=1.0)], ENDED)

        assert [] == await counted(store)


async def test_a_run_is_counted_for_the_version_with_which_it_goes_on(opening: Opening) -> None:
    """It was rebound, and its state has another name there."""
    async with one(opening) as store:
        await put(store, "r", 0, [inputs.Started(run_id="r", context={}, digest="old")], WAITS)
        await store.release("r", epoch=1)
        await store.rebind("r", Rebound(was="old", digest="new", inputs=1, renames=Renames(states={"approve": "sign"})))

        assert [("new", "sign", 1)] == [each[:3] for each in await counted(store)]


async def test_forks_are_not_counted(opening: Opening) -> None:
    """Any number of them may wait that nobody will ever ask for."""
    async with one(opening) as store:
        await put(store, "r", 0, at(1), WAITS)
        await store.fork("f", Origin("r", 1, ()), at(1), WAITS)

        assert [1] == [each.runs for each in await counted(store)]
