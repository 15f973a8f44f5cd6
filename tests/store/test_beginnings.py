"""What runs began with: the first inputs of many journals, of every store alike."""

from __future__ import annotations

from pathlib import Path

from support.codecs import Sealed
from support.databases import KINDS, url_of

from fsm_orch import MemoryStore
from fsm_orch.kernel.inputs import Started
from fsm_orch.store import Head, Store
from fsm_orch.store.beginnings import KeepsBeginnings
from fsm_orch.store.sql import SqlStore

HEAD = Head("a")
KEY, OTHER = bytes(32), bytes([1]) * 32


async def begun(store: Store, *runs: str) -> None:
    """Store runs of two inputs each."""
    for run in runs:
        await store.append(run, 0, [started(run), started("later")], HEAD, epoch=1)


def started(run: str) -> Started:
    """Return the first input of a run."""
    return Started(run_id=run, context={"query": f"of {run}"}, at=0.0)


async def test_the_store_in_memory_gives_beginnings() -> None:
    """Of the runs that are asked for and known, the first input alone."""
    store = MemoryStore()
    await begun(store, "a", "b", "c")

    assert isinstance(store, KeepsBeginnings)
    assert {run: started(run) for run in "ab"} == await store.beginnings(["a", "unknown", "b"])
    assert {} == await store.beginnings([])


@KINDS
async def test_databases_give_beginnings(kind: str, tmp_path: Path) -> None:
    """As the store in memory does; what another key has sealed is left out, and keeps back nothing else."""
    url = url_of(kind, tmp_path, "beginnings")
    plain, mine, others = SqlStore(url), SqlStore(url, codec=Sealed(KEY)), SqlStore(url, codec=Sealed(OTHER))
    await begun(plain, "p", "q")
    await begun(mine, "a", "b", "c")
    await begun(others, "x")

    assert isinstance(mine, KeepsBeginnings)
    assert {"p": started("p")} == await plain.beginnings(["p", "unknown"])
    assert {run: started(run) for run in "ab"} == await mine.beginnings(["a", "unknown", "x", "b"])
    assert {} == await mine.beginnings([])
    for store in (plain, mine, others):
        store.close()
