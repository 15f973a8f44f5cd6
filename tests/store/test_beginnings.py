"""What runs began with, in a database whose texts are sealed by several keys."""

from __future__ import annotations

from pathlib import Path

from support.codecs import Sealed
from support.databases import KINDS, url_of

from fsm_orch.kernel.inputs import Started
from fsm_orch.store import Head, Store
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


@KINDS
async def test_what_another_key_has_sealed_keeps_back_nothing_else(kind: str, tmp_path: Path) -> None:
    """It is left out, and so is what is sealed for who has no key; the others can be read."""
    url = url_of(kind, tmp_path, "beginnings")
    plain, mine, others = SqlStore(url), SqlStore(url, codec=Sealed(KEY)), SqlStore(url, codec=Sealed(OTHER))
    await begun(plain, "p", "q")
    await begun(mine, "a", "b", "c")
    await begun(others, "x")

    assert {run: started(run) for run in "pq"} == await plain.beginnings(["p", "x", "a", "q", "unknown"])
    assert {run: started(run) for run in "ab"} == await mine.beginnings(["a", "unknown", "x", "b"])
    for store in (plain, mine, others):
        store.close()
