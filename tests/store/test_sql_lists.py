"""Lists of runs in a database: what they cost, and what they say of a row that was changed by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from conformance.stores.appending import HEAD
from support.databases import KINDS, url_of

from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Rebound
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.dialect import Statement
from fsm_orch.store.sql.statements import statements


async def test_a_statement_is_compiled_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second store, its connection, and a page by the same filters compile nothing again."""
    url = f"sqlite:///{tmp_path}/runs.db"
    first = SqlStore(url)
    await first.list(status="running")
    for module in ("statements", "pages"):
        monkeypatch.setattr(f"fsm_orch.store.sql.{module}.text_of", None)
    second = SqlStore(url)

    assert [] == await second.list(status="running")
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "'bogus'"), ("began_at", "'soon'"), ("expires_at", "'late'"), ("hops", "'many'"), ("state", "X'ff'")],
)
async def test_a_row_that_was_changed_by_hand_is_told_by_its_run(column: str, value: str, tmp_path: Path) -> None:
    """A list would show it as anything; a worker finds its runs all the same."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    for run in "ab":
        await store.append(run, 0, [inputs.Started(run_id=run, context={}, digest="d")], Head("a"), epoch=1)
        await store.release(run, epoch=1)
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute(f"UPDATE fsm_runs SET {column} = {value} WHERE id = 'a'")
    with pytest.raises(StoreError, match=r"^the row of run 'a' in fsm_runs cannot be read.*Mend it"):
        await store.list()
    found = await store.claimable(["d"], expired_before=0.0)
    store.close()

    assert "b" in [row.run_id for row in found]


async def test_forks_that_nobody_asked_for_slow_no_worker(tmp_path: Path) -> None:
    """What should be driven is found by an index that forks are not in."""
    url = url_of("sqlite", tmp_path, "fresh")
    store = SqlStore(url)
    await store.claimable(["d"], expired_before=0.0)
    store.close()
    claimable = statements("sqlite").claimable
    connection = sqlite3.connect(url.removeprefix("sqlite:///").partition("?")[0])
    values = {**claimable.fixed, "digests": "[]", "expired_before": 0.0, "limit": 50, "me": "w"}
    plan = connection.execute(f"EXPLAIN QUERY PLAN {claimable.text}", values).fetchall()
    connection.close()

    assert any("USING INDEX fsm_runs_running" in row[3] for row in plan), plan


@KINDS
async def test_runs_that_were_never_rebound_cost_one_statement(kind: str, tmp_path: Path) -> None:
    """A list, a look and a journal ask for rebindings only where there are some."""
    store, asked = SqlStore(url_of(kind, tmp_path, "fresh")), list[Statement]()
    for run in "ab":
        await store.append(run, 0, [inputs.Started(run_id=run, context={}, digest="d")], HEAD, epoch=1)
        await store.release(run, epoch=1)
    session: Any = store._writer._session
    rows = session.rows
    session.rows = lambda statement, values: asked.append(statement) or rows(statement, values)

    async def counts() -> list[int]:
        found = []
        for ask in (store.list(), store.claimable(["d"], expired_before=0.0), store.load("a"), store.load("b")):
            asked.clear()
            await ask
            found.append(len(asked))
        return found

    assert [1, 1, 1, 1] == await counts()
    await store.rebind("a", Rebound(was="d", digest="d", inputs=1))
    assert [2, 2, 2, 1] == await counts()
    store.close()
