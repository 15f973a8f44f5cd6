"""Gates over Redis whose scripts take the time from a clock of a test, and not from their server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from support.servers import redis

from fsm_orch.resilience.shared import SharedGates
from fsm_orch.resilience.shared.link import NOW

TIME = NOW.partition("\nlocal function")[0]
"""How a script asks its server for the time."""


def by_clock(clock: Callable[[], float], beside: SharedGates | None = None) -> SharedGates:
    """Return gates that are not open.

    Args:
        clock: seconds of the epoch.
        beside: others of the same namespace.
    """
    namespace = uuid4().hex if beside is None else beside._link._namespace
    # no beats: one that looks while the clock is set would see what was not
    shared = SharedGates(redis().url, namespace=namespace, lease_s=1e7, beat_s=1e6, timeout_s=60.0)
    told = shared._link._server.call

    async def call(script: str, *values: Any, **options: Any) -> Any:
        return await told(script.replace(TIME, f"local now = {round(clock() * 1e6)}"), *values, **options)

    shared._link._server.call = call  # type: ignore[method-assign]
    return shared
