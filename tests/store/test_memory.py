"""The store in memory: order kept, the oldest run forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import MemoryStore, events


def at(seconds: int) -> events.Cancelled:
    return events.Cancelled(at=float(seconds))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 9), max_size=3))))
def test_journals_are_kept_apart_and_in_order(appends: list[tuple[str, list[int]]]) -> None:
    """What was appended to a run is loaded as it was appended, whatever other runs did meanwhile."""
    store = MemoryStore()
    import asyncio

    async def play() -> dict[str, tuple[events.Input, ...]]:
        for run, seconds in appends:
            await store.append(run, [at(s) for s in seconds])
        return {run: await store.load(run) for run in "abc"}

    loaded = asyncio.run(play())

    for run in "abc":
        assert loaded[run] == tuple(at(s) for name, seconds in appends if name == run for s in seconds)


async def test_only_the_newest_runs_are_kept() -> None:
    """Past its size the run that was written longest ago is forgotten."""
    store = MemoryStore(runs=2)
    for run in ("a", "b", "a", "c"):
        await store.append(run, [at(1)])

    assert [len(await store.load(run)) for run in ("a", "b", "c")] == [2, 0, 1]


def test_a_store_keeps_something() -> None:
    """A store of no runs is refused."""
    with pytest.raises(ValueError, match="a store keeps 1 run or more, not 0"):
        MemoryStore(runs=0)
