"""What every test of this room starts from: SDKs that are loaded, so that no fault is timed with their first import."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from conformance.models.adapters import OVER_HTTP
from conformance.models.drive import drive
from support.provider_faults import HONEST


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Make one call through each adapter before any is timed."""
    for adapter in OVER_HTTP:
        with suppress(Exception), adapter.stage(HONEST, None) as stage:
            asyncio.run(drive(stage, HONEST))
