"""What a database keeps of quotas: it is forgotten once its window is over, and some names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.databases import KINDS, rows_of, url_of

from fsm_orch.amounts import NOTHING, Amount
from fsm_orch.errors import StoreError
from fsm_orch.resilience import Account
from fsm_orch.store.sql import SqlStore

HOUR = Account("tenant", "a", 3600.0, most_tokens=10_000)


@KINDS
async def test_what_is_kept_of_windows_that_are_over_is_pruned(kind: str, tmp_path: Path) -> None:
    """Three hundred runs of the hour before are forgotten, and one of this hour stays."""
    now_s = 7_200.0
    store = SqlStore(url := url_of(kind, tmp_path, "fresh"), wall_clock=lambda: now_s)
    for number in range(300):
        await store.holdings.hold(f"old{number}", (HOUR,), settled=NOTHING, may_cost=Amount(1))
    now_s += 3_600
    await store.holdings.hold("new", (HOUR,), settled=NOTHING, may_cost=Amount(1))
    await store.prune(ended_before=now_s + 100_000)
    store.close()

    assert ["new"] == [row[1] for row in rows_of(url)["fsm_quota_runs"]]
    assert 1 == len(rows_of(url)["fsm_quotas"])


@KINDS
async def test_accounts_whose_windows_are_over_are_pruned(kind: str, tmp_path: Path) -> None:
    """Three hundred tenants came in the hour before; one comes again, and has all of its quota."""
    now_s = 7_200.0
    store = SqlStore(url := url_of(kind, tmp_path, "fresh"), wall_clock=lambda: now_s)
    tenants = [Account("tenant", f"{number}", 3600.0, most_tokens=1) for number in range(300)]
    for account in tenants:
        await store.holdings.hold("old", (account,), settled=NOTHING, may_cost=Amount(1))
    now_s += 3_600
    await store.holdings.hold("new", (tenants[0],), settled=NOTHING, may_cost=Amount(1))
    await store.prune(ended_before=now_s)
    await store.holdings.settle("old", (tenants[1],), settled=Amount(1))
    left = [row[0] for row in rows_of(url)["fsm_quotas"]]
    await store.holdings.hold("new", (tenants[1],), settled=NOTHING, may_cost=Amount(1))
    store.close()

    assert [tenants[0].name] == left


@KINDS
async def test_a_name_that_no_database_holds_is_refused(kind: str, tmp_path: Path) -> None:
    """It says which."""
    store = SqlStore(url_of(kind, tmp_path, "fresh"))
    with pytest.raises(StoreError, match="the character 0"):
        await store.holdings.hold("run", (Account("tenant", "a\0b", 1.0, 1),), settled=NOTHING, may_cost=NOTHING)
    store.close()
