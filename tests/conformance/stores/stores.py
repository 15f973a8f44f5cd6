"""The stores that the suite of this room tries, each as something to open: a new one joins with a row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from fsm_orch import MemoryStore
from fsm_orch.store import Store
from fsm_orch.testing import CrashingStore


class Worker(Protocol):
    """Opens what is kept as one more worker."""

    def __call__(self, *, lease_s: float = 600.0) -> Store: ...


Opening = Callable[[], AbstractAsyncContextManager[Worker]]


@asynccontextmanager
async def memory() -> AsyncIterator[Worker]:
    """Open a store in memory."""
    store = MemoryStore()
    yield lambda *, lease_s=600.0: store.beside(lease_s=lease_s)


@asynccontextmanager
async def not_crashed() -> AsyncIterator[Worker]:
    """Open a store that would crash after more writes than any test makes."""
    store = MemoryStore()
    yield lambda *, lease_s=600.0: CrashingStore(store.beside(lease_s=lease_s), writes=10**9)


STORES: Mapping[str, Opening] = {
    "memory": memory,
    "not crashed": not_crashed,
}
"""Each opens what is empty, and closes it when its block is left."""
