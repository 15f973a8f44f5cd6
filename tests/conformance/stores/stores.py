"""The stores that the suite of this room tries, each as something to open: a new one joins with a row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fsm_orch import MemoryStore
from fsm_orch.store import Store
from fsm_orch.testing import CrashingStore


@asynccontextmanager
async def memory() -> AsyncIterator[Store]:
    """Open a store in memory."""
    yield MemoryStore()


@asynccontextmanager
async def not_crashed() -> AsyncIterator[Store]:
    """Open a store that would crash after more writes than any test makes."""
    yield CrashingStore(MemoryStore(), writes=10**9)


STORES: Mapping[str, Callable[[], AbstractAsyncContextManager[Store]]] = {"memory": memory, "not crashed": not_crashed}
"""Each opens an empty store, and closes it when its block is left."""
