"""Notices, as every store keeps them: what came to wait, or ended, is noted with it, and taken until it was told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conformance.stores.appending import at
from conformance.stores.stores import STORES, Opening, one

from fsm_orch.kernel.inputs import Started
from fsm_orch.store import Head, Origin, Store
from fsm_orch.store.notices import Notice, Notices, Notifying

NOTING = pytest.mark.parametrize(
    "opening", [opening for name, opening in STORES.items() if name != "not crashed"], ids=lambda each: each.__name__
)
RUNNING, WAITING, ENDED = Head("work"), Head("ask", "waiting"), Head("done", "finished")


def of(store: Store) -> Notices:
    """Return the notices of a store."""
    assert isinstance(store, Notifying)
    return store.notices


async def begun(store: Store, run_id: str, head: Head, *, digest: str = "d") -> None:
    """Store the first input of a run."""
    await store.append(run_id, 0, [Started(run_id=run_id, context={}, digest=digest)], head, epoch=1)


async def taken(store: Store, *, now_s: float = 0.0, digests: Sequence[str] = ("d",)) -> Sequence[Notice]:
    """Take all notices for a minute."""
    return await of(store).take("hook", digests, now_s=now_s, hold_s=60.0, limit=50)


@NOTING
async def test_a_run_that_waits_or_ends_is_noted(opening: Opening) -> None:
    """It is noted when it is stored so, at its beginning and later, and a run under way is not."""
    async with one(opening) as store:
        await of(store).subscribe("hook", ["d"])
        await begun(store, "runs", RUNNING)
        await begun(store, "waits", WAITING)
        await begun(store, "ends", ENDED)
        await begun(store, "later", RUNNING)
        await store.append("later", 1, at(2, 3), WAITING, epoch=1)
        found = {notice.run_id: (notice.inputs, notice.told, notice.tries) for notice in await taken(store)}

        assert {"waits": (1, 0, 1), "ends": (1, 0, 1), "later": (3, 0, 1)} == found


@NOTING
async def test_nothing_is_noted_for_nobody(opening: Opening) -> None:
    """Runs that ended before anybody subscribed, runs of other definitions and forks are not noted."""
    async with one(opening) as store:
        await begun(store, "before", ENDED)
        await of(store).subscribe("hook", ["d"])
        await begun(store, "other", ENDED, digest="e")
        started = Started(run_id="fork", context={}, digest="d")
        await store.fork("fork", Origin(parent="before", at=1), [started], WAITING)

        assert [] == [*await taken(store, digests=("d", "e"))]


@NOTING
async def test_runs_that_wait_when_somebody_subscribes_are_noted(opening: Opening) -> None:
    """Each once: whoever was told of one is not told again, by subscribing anew."""
    async with one(opening) as store:
        await begun(store, "waits", WAITING)
        await of(store).subscribe("hook", ["d"])
        assert ["waits"] == [notice.run_id for notice in await taken(store)]
        await of(store).told("hook", "waits", inputs=1, is_over=False)
        await of(store).subscribe("hook", ["d"])

        assert [] == [*await taken(store, now_s=1e9)]


@NOTING
async def test_a_notice_is_held_by_one(opening: Opening) -> None:
    """Another worker takes it only when it was held for long enough, or put off until then; its tries are counted."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await of(mine).subscribe("hook", ["d"])
        await begun(mine, "waits", WAITING)
        assert [1] == [notice.tries for notice in await taken(mine, now_s=100.0)]
        assert [] == [*await taken(other, now_s=159.0)]
        assert [2] == [notice.tries for notice in await taken(other, now_s=160.0)]
        await of(other).put_off("hook", "waits", until_s=200.0)
        assert [] == [*await taken(mine, now_s=199.0)]

        assert [3] == [notice.tries for notice in await taken(mine, now_s=200.0)]


@NOTING
async def test_what_happens_meanwhile_is_told_too(opening: Opening) -> None:
    """A run that goes on while a subscriber is told is due again, from where it was told, with tries of its own."""
    async with one(opening) as store:
        await of(store).subscribe("hook", ["d"])
        await begun(store, "waits", WAITING)
        await taken(store)
        await store.append("waits", 1, at(2), WAITING, epoch=1)
        await of(store).told("hook", "waits", inputs=1, is_over=False)
        assert [(2, 1, 1)] == [(each.inputs, each.told, each.tries) for each in await taken(store)]
        await of(store).told("hook", "waits", inputs=2, is_over=False)
        await of(store).told("hook", "waits", inputs=1, is_over=False)  # by a worker that was slow
        assert [] == [*await taken(store, now_s=1e9)]
        await store.append("waits", 2, at(3), ENDED, epoch=1)
        assert [(3, 2)] == [(each.inputs, each.told) for each in await taken(store)]
        await of(store).told("hook", "waits", inputs=3, is_over=True)

        assert [] == [*await taken(store, now_s=1e9)]


@NOTING
async def test_subscribers_are_told_apart(opening: Opening) -> None:
    """What one was told another is still to be told, and one that leaves has nothing noted any more."""
    async with one(opening) as store:
        for name in ("hook", "mail"):
            await of(store).subscribe(name, ["d"])
        await begun(store, "ends", ENDED)
        await of(store).told("mail", "ends", inputs=1, is_over=True)
        assert ["ends"] == [notice.run_id for notice in await taken(store)]
        await of(store).unsubscribe("hook")
        await begun(store, "later", ENDED)
        assert [] == [*await taken(store, now_s=1e9)]

        assert ["later"] == [each.run_id for each in await of(store).take("mail", ["d"], now_s=0, hold_s=1, limit=9)]


@NOTING
async def test_few_are_taken_at_once(opening: Opening) -> None:
    """No more than were asked for, and the others remain."""
    async with one(opening) as store:
        await of(store).subscribe("hook", ["d"])
        for number in range(5):
            await begun(store, f"r{number}", ENDED)
        first = await of(store).take("hook", ["d"], now_s=0.0, hold_s=60.0, limit=2)
        rest = await taken(store)

        assert (2, 3) == (len(first), len(rest))
        assert 5 == len({notice.run_id for notice in (*first, *rest)})


@NOTING
async def test_a_run_that_is_forgotten_is_not_told(opening: Opening) -> None:
    """Its notices go with it."""
    async with one(opening) as store:
        await of(store).subscribe("hook", ["d"])
        await begun(store, "ends", ENDED)
        assert 1 == await store.prune(ended_before=1e12)

        assert [] == [*await taken(store)]


@NOTING
async def test_of_who_has_left_nothing_stays(opening: Opening) -> None:
    """What was noted is forgotten, what happens later is not noted, and who comes back begins anew."""
    async with one(opening) as store:
        await of(store).subscribe("hook", ["d"])
        await begun(store, "ended", ENDED)
        await begun(store, "goes on", RUNNING)
        await of(store).unsubscribe("hook")
        await of(store).told("hook", "ended", inputs=1, is_over=False)
        await of(store).put_off("hook", "ended", until_s=0.0)
        await store.append("goes on", 1, at(2), WAITING, epoch=1)
        await begun(store, "later", ENDED)
        left = await taken(store)
        await of(store).subscribe("hook", ["d"])

        assert ([], ["goes on"]) == (list(left), [notice.run_id for notice in await taken(store)])
