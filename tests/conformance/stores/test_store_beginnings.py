"""What runs began with, as every store that gives it tells it: the first inputs of many journals."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from conformance.stores.appending import at, put
from conformance.stores.stores import STORES, Opening, one

from fsm_orch.kernel.inputs import Input, Started
from fsm_orch.kernel.renames import Renames
from fsm_orch.store import Head, Origin, Rebound, Store
from fsm_orch.store.beginnings import KeepsBeginnings

pytestmark = pytest.mark.parametrize(
    "opening", [opening for name, opening in STORES.items() if name != "not crashed"], ids=lambda each: each.__name__
)


def started(run_id: str) -> Started:
    """Return the first input of a run."""
    return Started(run_id=run_id, context={"query": f"of {run_id}"}, digest="old")


async def begun(store: Store, *runs: str) -> None:
    """Store runs of two inputs each."""
    for run_id in runs:
        await put(store, run_id, 0, [started(run_id), *at(1)])


async def beginnings(store: Store, *runs: str) -> Mapping[str, Input]:
    """Return what a store gives."""
    assert isinstance(store, KeepsBeginnings)
    return await store.beginnings(runs)


async def test_the_first_input_of_each_run_is_given(opening: Opening) -> None:
    """Of the runs that are asked for and known, that alone; of no runs, nothing."""
    async with one(opening) as store:
        await begun(store, "a", "b", "c")

        assert {run_id: started(run_id) for run_id in "ab"} == await beginnings(store, "a", "unknown", "b", "a")
        assert {} == await beginnings(store, "unknown")
        assert {} == await beginnings(store)


async def test_it_is_given_as_it_was_stored(opening: Opening) -> None:
    """Though its run was rebound to another version, in which a state has another name."""
    async with one(opening) as store:
        await begun(store, "a")
        await store.release("a", epoch=1)
        await store.rebind("a", Rebound(was="old", digest="new", inputs=2, renames=Renames(states={"a": "b"})))

        assert {"a": started("a")} == await beginnings(store, "a")


async def test_a_fork_has_a_beginning_too(opening: Opening) -> None:
    """That of the run that it was made of, under the id of its own."""
    async with one(opening) as store:
        await begun(store, "a")
        await store.fork("f", Origin("a", 1, ()), [started("f")], Head("a"))

        assert {run_id: started(run_id) for run_id in "af"} == await beginnings(store, "a", "f")


async def test_a_run_that_is_forgotten_has_none(opening: Opening) -> None:
    """Nothing of it is kept."""
    async with one(opening) as store:
        await begun(store, "a", "b")
        await put(store, "a", 2, at(2), Head("end", "finished"))
        (row,) = [row for row in await store.list() if row.run_id == "a"]
        assert 1 == await store.prune(ended_before=row.stored_at + 1)

        assert {"b": started("b")} == await beginnings(store, "a", "b")
