"""Quotas under load: of many runs at once that spend what they may, no tenant passes what it has."""

from __future__ import annotations

import pytest
from benchmarks.quotas import TENANTS, driven, opened


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
async def test_no_tenant_passes_its_quota(kind: str) -> None:
    """A thousand runs of ten tenants, two hundred at once; there is room for about half of them."""
    async with opened(kind) as store:
        came = await driven(store, 1_000, 100_000)

    assert 90_000 < came["most"] <= 100_000
    assert 1_000 // TENANTS < came["refused"] < 900
