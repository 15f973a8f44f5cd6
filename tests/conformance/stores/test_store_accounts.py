"""Accounts of stores: what is taken of them moves with what is stored, and never past what a hold says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from conformance.stores.appending import at, put
from conformance.stores.stores import STORES, Opening, one
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsm_orch.amounts import Amount
from fsm_orch.errors import StoreError, TooLittleLeft
from fsm_orch.store import Hold

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)

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
@example([("a", 0, 1, [Hold("thread:a", Amount(2)), Hold("thread:a", Amount(3))])])
def test_holds_move_with_what_is_stored_or_not_at_all(opening: Opening, done: list[tuple[Any, ...]]) -> None:
    """An append stores its inputs and moves all of its holds, or does neither; said again, it moves nothing."""

    async def play() -> None:
        taken, kept = {"thread:a": (0, 0), "thread:b": (0, 0)}, {"a": 0, "b": 0}
        async with one(opening) as store:
            for what in done:
                if isinstance(what[1], Amount):
                    await store.charge(*what)
                    tokens, cost = taken[what[0]]
                    taken[what[0]] = tokens + what[1].tokens, cost + what[1].cost
                else:
                    run, start, count, holds = what
                    after = moved(taken, holds)
                    is_new, fits = start + count > kept[run], start <= kept[run]
                    append = put(store, run, start, at(*range(start, start + count)), holds=holds)
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
    async with one(opening) as store:
        await store.charge("thread:a", Amount(11))
        with pytest.raises(TooLittleLeft, match="'thread:a' has too little left"):
            await put(store, "a", 0, at(1), holds=[Hold("thread:a", Amount(1), most_tokens=10)])
        await put(store, "a", 0, at(1), holds=[Hold("thread:a", Amount(0, 3), most_tokens=10, most_cost=3)])

        assert Amount(11, 3) == await store.taken("thread:a")


async def test_of_two_that_take_the_last_at_once_one_is_refused(opening: Opening) -> None:
    """Two appends at once that together take too much: one is stored, the other is refused as a whole."""
    async with one(opening) as store:
        last = [Hold("thread:a", Amount(6), most_tokens=10)]
        done = await asyncio.gather(*(put(store, run, 0, at(1), holds=last) for run in "ab"), return_exceptions=True)

        assert [TooLittleLeft] == [type(error) for error in done if error is not None]
        assert 1 == len([run for run in "ab" if await store.load(run)])
        assert Amount(6) == await store.taken("thread:a")
