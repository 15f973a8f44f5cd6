"""The store in memory: order kept, the oldest run forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import MemoryStore
from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input


def at(seconds: int) -> inputs.Cancelled:
    return inputs.Cancelled(at=float(seconds))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 9), max_size=3))))
def test_journals_are_kept_apart_and_in_order(appends: list[tuple[str, list[int]]]) -> None:
    """What was appended to a run is loaded as it was appended, whatever other runs did meanwhile."""
    store = MemoryStore()
    import asyncio

    async def play() -> dict[str, tuple[Input, ...]]:
        for run, seconds in appends:
            start = len(await store.load(run))
            await store.append(run, start, [at(s) for s in seconds])
        return {run: await store.load(run) for run in "abc"}

    loaded = asyncio.run(play())

    for run in "abc":
        assert loaded[run] == tuple(at(s) for name, seconds in appends if name == run for s in seconds)


async def test_only_the_newest_runs_are_kept() -> None:
    """Past its size the run that was written longest ago is forgotten."""
    store = MemoryStore(runs=2)
    for run, start in (("a", 0), ("b", 0), ("a", 1), ("c", 0)):
        await store.append(run, start, [at(1)])

    assert [len(await store.load(run)) for run in ("a", "b", "c")] == [2, 0, 1]


async def test_saying_the_same_again_changes_nothing() -> None:
    """A caller that was cancelled may repeat itself, and say more: what is kept is skipped."""
    store = MemoryStore()
    await store.append("a", 0, [at(1), at(2)])

    await store.append("a", 0, [at(1), at(2), at(3)])
    await store.append("a", 1, [at(2)])

    assert await store.load("a") == (at(1), at(2), at(3))


@pytest.mark.parametrize(("start", "seconds"), [(0, 9), (1, 9), (3, 1)])
async def test_a_taken_id_and_a_gap_are_refused(start: int, seconds: int) -> None:
    """Other inputs than those that are kept, or inputs after a gap, are no continuation."""
    store = MemoryStore()
    await store.append("a", 0, [at(1), at(2)])

    with pytest.raises(StoreError, match="run 'a' has 2 other inputs: a run id names one run"):
        await store.append("a", start, [at(seconds)])


def test_a_store_keeps_something() -> None:
    """A store of no runs is refused."""
    with pytest.raises(ValueError, match="a store keeps 1 run or more, not 0"):
        MemoryStore(runs=0)
