"""Journals of stores: order, no gaps, no second writer's inputs, nothing lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from conformance.stores.appending import at, put
from conformance.stores.stores import STORES, Opening, one
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.any_value import TEXTS, any_value
from support.desk import Support, Ticket

from fsm_orch import Runner, ScriptedModel
from fsm_orch.errors import RunTaken, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


async def test_a_run_that_is_not_known_has_no_journal(opening: Opening) -> None:
    """What was never appended to is empty, and no error."""
    async with one(opening) as store:
        assert await store.load("a") == ()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.lists(st.integers(0, 1), max_size=4)), max_size=12)
)
def test_a_journal_only_grows_by_what_continues_it(opening: Opening, appends: list[tuple[str, int, list[int]]]) -> None:
    """Each append that agrees with what is kept leaves their union; any other is refused, and changes nothing."""

    async def play() -> None:
        kept: dict[str, list[Input]] = defaultdict(list)
        async with one(opening) as store:
            for run, start, seconds in appends:
                new, journal = at(*seconds), kept[run]
                overlap = journal[start : start + len(new)]
                if start <= len(journal) and overlap == new[: len(overlap)]:
                    await put(store, run, start, new)
                    journal += new[len(overlap) :]
                elif new:  # whether nothing leaves a gap is the store's to say
                    with pytest.raises(StoreError, match=repr(run)):
                        await put(store, run, start, new)
                for name in "abc":
                    assert await store.load(name) == tuple(kept[name])

    asyncio.run(play())


@settings(max_examples=50)
@given(run=TEXTS, journal=st.lists(any_value(Input), max_size=4))
def test_what_is_kept_is_what_was_written(opening: Opening, run: str, journal: list[Input]) -> None:
    """Every kind of input comes back as it was, whatever its fields hold and whatever its run is called."""

    first = journal[:1] if journal and isinstance(journal[0], inputs.Started) else []
    for name in (run, *(getattr(each, column) or "" for each in first for column in ("digest", "thread_id", "tenant"))):
        assume("\x00" not in name)

    async def play() -> None:
        async with one(opening) as store:
            await put(store, run, 0, journal)
            assert await store.load(run) == tuple(journal)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("start", "new"),
    [(0, at(9)), (1, at(9)), (0, at(1, 9, 3)), (1, at(9, 3)), (3, at(3)), (3, at(1, 2))],
    ids=["taken", "taken later", "taken in the middle", "taken at the end", "gap", "gap that repeats"],
)
async def test_what_does_not_continue_a_journal_is_refused(opening: Opening, start: int, new: list[Input]) -> None:
    """Other inputs than those that are kept, or inputs after a gap, are refused as a whole, and the run goes on."""
    async with one(opening) as store:
        await put(store, "a", 0, at(1, 2))

        with pytest.raises(StoreError, match="'a'"):
            await put(store, "a", start, new)
        await put(store, "a", 2, at(3))

        assert await store.load("a") == tuple(at(1, 2, 3))


async def test_a_refused_beginning_leaves_nothing_behind(opening: Opening) -> None:
    """A run whose first append was refused is not known, and can begin."""
    async with one(opening) as store:
        with pytest.raises(StoreError, match="'a'"):
            await put(store, "a", 1, at(1))

        assert await store.load("a") == ()
        await put(store, "a", 0, at(1))
        assert await store.load("a") == tuple(at(1))


async def test_saying_the_same_again_changes_nothing(opening: Opening) -> None:
    """A caller that was cancelled may repeat itself, and say more: what is kept is skipped."""
    async with one(opening) as store:
        await put(store, "a", 0, at(1, 2))
        await put(store, "a", 0, at(1, 2, 3))
        await put(store, "a", 1, at(2))
        await put(store, "a", 3, [])

        assert await store.load("a") == tuple(at(1, 2, 3))


async def test_a_journal_is_nobodys_to_change(opening: Opening) -> None:
    """What the caller does to its own list later does not reach the store."""
    async with one(opening) as store:
        mine = at(1, 2)
        await put(store, "a", 0, mine)
        mine.clear()

        assert await store.load("a") == tuple(at(1, 2))


@pytest.mark.parametrize("others", [at(1, 2), at(3, 4)], ids=["the same", "others"])
async def test_of_two_writers_at_once_one_is_kept(opening: Opening, others: Sequence[Input]) -> None:
    """Two appends at one place keep one journal: of two that differ one is refused, and none is mixed."""
    async with one(opening) as store:
        mine = at(1, 2)
        done = await asyncio.gather(put(store, "a", 0, mine), put(store, "a", 0, others), return_exceptions=True)

        assert await store.load("a") in (tuple(mine), tuple(others))
        assert [RunTaken] * (mine != others) == [type(error) for error in done if error is not None]


async def test_an_append_that_was_cut_off_can_be_said_again(opening: Opening) -> None:
    """However far an append came before it was cancelled, the same one completes it."""
    async with one(opening) as store:
        for turns in range(4):
            run = f"r{turns}"
            task = asyncio.ensure_future(put(store, run, 0, at(1, 2, 3)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

            await put(store, run, 0, at(1, 2, 3))
            assert await store.load(run) == tuple(at(1, 2, 3))


async def test_a_long_journal_is_kept_whole(opening: Opening) -> None:
    """Thousands of inputs in one append, and one more, are a journal like any other."""
    journal = at(*range(3_000))
    async with one(opening) as store:
        await put(store, "a", 0, journal)
        await put(store, "a", len(journal), at(-0.0))

        assert await store.load("a") == (*journal, *at(0))


async def test_a_run_is_replayed_from_what_is_kept(opening: Opening) -> None:
    """The journal of a run is the one of its result, and leads where the run went."""
    async with one(opening) as store:
        runner: Runner[Any, Any] = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}]), store=store)
        live = await runner.run(Ticket(query="x"), run_id="r")

        assert await store.load("r") == live.journal
        assert runner.replay(await store.load("r")) == live


def test_a_store_is_used_from_several_loops_and_threads(opening: Opening) -> None:
    """Each thread has a loop of its own, and no journal loses an input."""

    async def open_and_use() -> None:
        async with one(opening) as store:

            def fill(name: str) -> None:
                async def filling() -> None:
                    for place in range(20):
                        await asyncio.gather(*(put(store, f"{name}{n}", place, at(place)) for n in range(5)))

                asyncio.run(filling())

            await asyncio.gather(*(asyncio.to_thread(fill, name) for name in "abc"))
            for name in "abc":
                for n in range(5):
                    assert tuple(at(*range(20))) == await store.load(f"{name}{n}")

    asyncio.run(open_and_use())
