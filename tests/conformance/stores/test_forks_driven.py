"""Forks that are driven, whole, in each store: nothing is done twice, and nothing that nobody allowed."""

from __future__ import annotations

import pytest
from conformance.stores.stores import STORES, Opening, one
from support.office import Job, Office, World, forked, looks_up, model, planned, unstamped

from fsm_orch import Runner
from fsm_orch.errors import Withheld

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


async def test_a_fork_does_in_the_world_what_was_not_done_alone(opening: Opening) -> None:
    """Replayed as it was, nothing; with another plan it stops before the first effect, and then does the new ones."""
    async with one(opening) as store:
        script, before, after = [looks_up(1, 2), planned()], World((0, 1, 2, 3, 4, 5, 6, 7)), World((8,))
        whole = await Runner(Office, model=model(*script), store=store).run(Job(text="t"), deps=before, run_id="p")
        for run_id in ("f", "g"):
            await forked(store, Runner(Office, store=store, model=model()), "p", run_id)
        same = await Runner(Office, model=model(*script), store=store).resume("f", deps=after)
        other = Runner(Office, model=model(looks_up(2), planned(plan="b", items=("x", "z"))), store=store)
        with pytest.raises(Withheld):
            await other.resume("g", deps=after)
        done = dict(after.done)
        (row,) = await store.list(run_id="g")
        result = await other.resume("g", deps=after, effects=True)

        assert unstamped(whole.journal) == unstamped(same.journal)
        assert ({}, None) == (done, row.owner)
        assert Office.done is result.state
        assert {"pay": 1, "book": 1, "pack z": 1} == dict(after.done)
        assert result.journal == await store.load("g")
        assert await store.claimable([Office.definition.digest], expired_before=0) == []


async def test_a_run_is_replayed_and_compared(opening: Opening) -> None:
    """With the same answers nothing differs, and nothing is done; the run that was replayed stays as it was."""
    async with one(opening) as store:
        script, world = [looks_up(1), planned()], World()
        await Runner(Office, model=model(*script), store=store).run(Job(text="t"), deps=World(), run_id="p")
        before = await store.load("p")
        replay = await Runner(Office, model=model(*script), store=store).replay_run("p", deps=world)

        assert (None, None, {}) == (replay.difference.first, replay.stopped, dict(world.done))
        assert replay.result.journal == await store.load(replay.result.run_id)
        assert before == await store.load("p")
