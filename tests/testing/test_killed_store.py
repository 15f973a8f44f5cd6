"""The store of the kill harness."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from conformance.stores.appending import at, put
from support.databases import KINDS, url_of

from fsm_orch.errors import LeaseHeld
from fsm_orch.store.sql import SqlStore
from fsm_orch.testing.killed_store import KilledStore


class Unmoved:
    """A witness who ends nothing."""

    def reached(self, point: str) -> None:
        """See a point, and go on."""


@KINDS
async def test_only_who_drove_the_run_before_is_taken_for_dead(kind: str, tmp_path: Path) -> None:
    """Others on the same database may be alive: their runs stay theirs."""
    url = url_of(kind, tmp_path, "killed")
    dead, alive, killed = SqlStore(url), SqlStore(url), KilledStore(url, cast("Any", Unmoved()))
    for store, run in ((dead, "a"), (alive, "b")):
        await store.beat()
        await put(store, run, 0, at(1))
    claim = await killed.claim("a")
    with pytest.raises(LeaseHeld):
        await dead.claim("b")
    for store in (dead, alive, killed):
        store.close()

    assert claim is not None
    assert claim.taken_from is not None
