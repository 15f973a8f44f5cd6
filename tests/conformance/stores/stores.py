"""The stores that the suite of this room tries, each as something to open: a new one joins with a row."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

from support.codecs import Sealed
from support.servers import postgres

from fsm_orch import MemoryStore
from fsm_orch.store import Codec, Store
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.tables import ready
from fsm_orch.store.sql.url import opened
from fsm_orch.testing import CrashingStore


class Worker(Protocol):
    """Opens what is kept as one more worker."""

    def __call__(self, *, lease_s: float = 600.0) -> Store: ...


Opening = Callable[[], AbstractAsyncContextManager[Worker]]


@asynccontextmanager
async def one(opening: Opening) -> AsyncIterator[Store]:
    """Open an empty store as one worker."""
    async with opening() as worker:
        yield worker()


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


@contextmanager
def workers(url: str, codec: Codec | None = None) -> Iterator[Worker]:
    """Open stores at a URL, and close them."""
    stores: list[SqlStore] = []

    def worker(*, lease_s: float = 600.0) -> Store:
        stores.append(SqlStore(url, lease_s=lease_s, codec=codec))
        return stores[-1]

    try:
        yield worker
    finally:
        for store in stores:
            store.close()


@cache
def _empty() -> bytes:
    """Return a file whose tables are made: making them takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        database = opened(f"sqlite:///{folder}/empty.db")
        ready(database).close()
        return Path(folder, "empty.db").read_bytes()


def copied(folder: str) -> Path:
    """Return a file in a folder whose tables are made."""
    path = Path(folder, "runs.db")
    path.write_bytes(_empty())
    return path


@asynccontextmanager
async def sqlite() -> AsyncIterator[Worker]:
    """Open a store in a file, which is deleted."""
    with tempfile.TemporaryDirectory() as folder, workers(f"sqlite:///{copied(folder)}?sync=normal") as worker:
        yield worker


@asynccontextmanager
async def sealed() -> AsyncIterator[Worker]:
    """Open a store in a file whose texts are encrypted."""
    codec = Sealed(b"k" * 32)
    with tempfile.TemporaryDirectory() as folder, workers(f"sqlite:///{copied(folder)}?sync=normal", codec) as worker:
        yield worker


@asynccontextmanager
async def postgresql() -> AsyncIterator[Worker]:
    """Open a store on a server, whose tables are emptied."""
    server = postgres()
    server.empty()
    with workers(server.url) as worker:
        yield worker


STORES: Mapping[str, Opening] = {
    "memory": memory,
    "not crashed": not_crashed,
    "sqlite": sqlite,
    "sqlite, sealed": sealed,
    "postgresql": postgresql,
}
"""Each opens what is empty, and closes it when its block is left."""
