"""What the port of stores promises, tried on every store: order, no gaps, no second writer's inputs, nothing lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
from conformance.stores.stores import STORES
from hypothesis import given, settings
from hypothesis import strategies as st
from support.any_value import TEXTS, any_value
from support.desk import Support, Ticket

from fsm_orch import Runner, ScriptedModel
from fsm_orch.amounts import Amount
from fsm_orch.errors import StoreError, TooLittleLeft
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Hold, Store

Opening = Callable[[], AbstractAsyncContextManager[Store]]
pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


def at(*seconds: float) -> list[Input]:
    """Return inputs that differ in their time alone."""
    return [inputs.Cancelled(at=float(s)) for s in seconds]


async def test_a_run_that_is_not_known_has_no_journal(opening: Opening) -> None:
    """What was never appended to is empty, and no error."""
    async with opening() as store:
        assert await store.load("a") == ()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.lists(st.integers(0, 1), max_size=4)), max_size=12)
)
def test_a_journal_only_grows_by_what_continues_it(opening: Opening, appends: list[tuple[str, int, list[int]]]) -> None:
    """Each append that agrees with what is kept leaves their union; any other is refused, and changes nothing."""

    async def play() -> None:
        kept: dict[str, list[Input]] = defaultdict(list)
        async with opening() as store:
            for run, start, seconds in appends:
                new, journal = at(*seconds), kept[run]
                overlap = journal[start : start + len(new)]
                if start <= len(journal) and overlap == new[: len(overlap)]:
                    await store.append(run, start, new)
                    journal += new[len(overlap) :]
                elif new:  # whether nothing leaves a gap is the store's to say
                    with pytest.raises(StoreError, match=repr(run)):
                        await store.append(run, start, new)
                for name in "abc":
                    assert await store.load(name) == tuple(kept[name])

    asyncio.run(play())


@settings(max_examples=50)
@given(run=TEXTS, journal=st.lists(any_value(Input), max_size=4))
def test_what_is_kept_is_what_was_written(opening: Opening, run: str, journal: list[Input]) -> None:
    """Every kind of input comes back as it was, whatever its fields hold and whatever its run is called."""

    async def play() -> None:
        async with opening() as store:
            await store.append(run, 0, journal)
            assert await store.load(run) == tuple(journal)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("start", "new"),
    [(0, at(9)), (1, at(9)), (0, at(1, 9, 3)), (1, at(9, 3)), (3, at(3)), (3, at(1, 2))],
    ids=["taken", "taken later", "taken in the middle", "taken at the end", "gap", "gap that repeats"],
)
async def test_what_does_not_continue_a_journal_is_refused(opening: Opening, start: int, new: list[Input]) -> None:
    """Other inputs than those that are kept, or inputs after a gap, are refused as a whole, and the run goes on."""
    async with opening() as store:
        await store.append("a", 0, at(1, 2))

        with pytest.raises(StoreError, match="'a'"):
            await store.append("a", start, new)
        await store.append("a", 2, at(3))

        assert await store.load("a") == tuple(at(1, 2, 3))


async def test_a_refused_beginning_leaves_nothing_behind(opening: Opening) -> None:
    """A run whose first append was refused is not known, and can begin."""
    async with opening() as store:
        with pytest.raises(StoreError, match="'a'"):
            await store.append("a", 1, at(1))

        assert await store.load("a") == ()
        await store.append("a", 0, at(1))
        assert await store.load("a") == tuple(at(1))


async def test_saying_the_same_again_changes_nothing(opening: Opening) -> None:
    """A caller that was cancelled may repeat itself, and say more: what is kept is skipped."""
    async with opening() as store:
        await store.append("a", 0, at(1, 2))
        await store.append("a", 0, at(1, 2, 3))
        await store.append("a", 1, at(2))
        await store.append("a", 3, [])

        assert await store.load("a") == tuple(at(1, 2, 3))


async def test_a_journal_is_nobodys_to_change(opening: Opening) -> None:
    """What the caller does to its own list later does not reach the store."""
    async with opening() as store:
        mine = at(1, 2)
        await store.append("a", 0, mine)
        mine.clear()

        assert await store.load("a") == tuple(at(1, 2))


@pytest.mark.parametrize("others", [at(1, 2), at(3, 4)], ids=["the same", "others"])
async def test_of_two_writers_at_once_one_is_kept(opening: Opening, others: Sequence[Input]) -> None:
    """Two appends at one place keep one journal: of two that differ one is refused, and none is mixed."""
    async with opening() as store:
        mine = at(1, 2)
        done = await asyncio.gather(store.append("a", 0, mine), store.append("a", 0, others), return_exceptions=True)

        assert await store.load("a") in (tuple(mine), tuple(others))
        assert [StoreError] * (mine != others) == [type(error) for error in done if error is not None]


async def test_an_append_that_was_cut_off_can_be_said_again(opening: Opening) -> None:
    """However far an append came before it was cancelled, the same one completes it."""
    async with opening() as store:
        for turns in range(4):
            run = f"r{turns}"
            task = asyncio.ensure_future(store.append(run, 0, at(1, 2, 3)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

            await store.append(run, 0, at(1, 2, 3))
            assert await store.load(run) == tuple(at(1, 2, 3))


async def test_a_long_journal_is_kept_whole(opening: Opening) -> None:
    """Thousands of inputs in one append, and one more, are a journal like any other."""
    journal = at(*range(3_000))
    async with opening() as store:
        await store.append("a", 0, journal)
        await store.append("a", len(journal), at(-0.0))

        assert await store.load("a") == (*journal, *at(0))


async def test_a_run_is_replayed_from_what_is_kept(opening: Opening) -> None:
    """The journal of a run is the one of its result, and leads where the run went."""
    async with opening() as store:
        runner: Runner[Any, Any] = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}]), store=store)
        live = await runner.run(Ticket(query="x"), run_id="r")

        assert await store.load("r") == live.journal
        assert runner.replay(await store.load("r")) == live


ACCOUNTS = st.sampled_from(["thread:a", "thread:b"])
AMOUNTS = st.builds(Amount, st.integers(0, 5), st.integers(0, 5))
MOST = st.none() | st.integers(0, 9)
HOLDS = st.builds(Hold, ACCOUNTS, takes=AMOUNTS, gives=AMOUNTS, most_tokens=MOST, most_cost=MOST)


def moved(taken: dict[str, tuple[int, int]], holds: Sequence[Hold]) -> dict[str, tuple[int, int]] | None:
    """Return what accounts come to, worked out by hand; None if a hold is to be refused."""
    after = dict(taken)
    for hold in holds:
        tokens, cost = after[hold.account]
        if hold.gives.tokens > tokens or hold.gives.cost > cost:
            return None
        tokens, cost = tokens - hold.gives.tokens + hold.takes.tokens, cost - hold.gives.cost + hold.takes.cost
        if hold.takes.tokens and hold.most_tokens is not None and tokens > hold.most_tokens:
            return None
        if hold.takes.cost and hold.most_cost is not None and cost > hold.most_cost:
            return None
        after[hold.account] = tokens, cost
    return after


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(ACCOUNTS, AMOUNTS)
        | st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(1, 2), st.lists(HOLDS, max_size=3)),
        max_size=12,
    )
)
def test_holds_move_with_what_is_stored_or_not_at_all(opening: Opening, done: list[tuple[Any, ...]]) -> None:
    """An append stores its inputs and moves all of its holds, or does neither; said again, it moves nothing."""

    async def play() -> None:
        taken, kept = {"thread:a": (0, 0), "thread:b": (0, 0)}, {"a": 0, "b": 0}
        async with opening() as store:
            for what in done:
                if isinstance(what[1], Amount):
                    await store.charge(*what)
                    tokens, cost = taken[what[0]]
                    taken[what[0]] = tokens + what[1].tokens, cost + what[1].cost
                else:
                    run, start, count, holds = what
                    after = moved(taken, holds)
                    is_new, fits = start + count > kept[run], start <= kept[run]
                    append = store.append(run, start, at(*range(start, start + count)), holds=holds)
                    if fits and is_new and after is not None:
                        await append
                        taken, kept[run] = after, start + count
                    elif fits and not is_new:
                        await append
                    else:
                        with pytest.raises(StoreError):
                            await append
                for account, (tokens, cost) in taken.items():
                    assert Amount(tokens, cost) == await store.taken(account)
                for run, count in kept.items():
                    assert tuple(at(*range(count))) == await store.load(run)

    asyncio.run(play())


async def test_too_little_left_is_told_apart(opening: Opening) -> None:
    """What an account has too little for is refused by name; to take nothing is not refused, even after an overrun."""
    async with opening() as store:
        await store.charge("thread:a", Amount(11))
        with pytest.raises(TooLittleLeft, match="'thread:a' has too little left"):
            await store.append("a", 0, at(1), holds=[Hold("thread:a", Amount(1), most_tokens=10)])
        await store.append("a", 0, at(1), holds=[Hold("thread:a", Amount(0, 3), most_tokens=10, most_cost=3)])

        assert Amount(11, 3) == await store.taken("thread:a")


async def test_of_two_that_take_the_last_at_once_one_is_refused(opening: Opening) -> None:
    """Two appends at once that together take too much: one is stored, the other is refused as a whole."""
    async with opening() as store:
        last = [Hold("thread:a", Amount(6), most_tokens=10)]
        done = await asyncio.gather(*(store.append(run, 0, at(1), holds=last) for run in "ab"), return_exceptions=True)

        assert [TooLittleLeft] == [type(error) for error in done if error is not None]
        assert 1 == len([run for run in "ab" if await store.load(run)])
        assert Amount(6) == await store.taken("thread:a")
