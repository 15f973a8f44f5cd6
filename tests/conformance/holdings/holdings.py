"""The holdings that the suite of this room tries, each as something to open: a new one joins with a row."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager

from conformance.stores.stores import copied
from support.servers import postgres
from support.shared import by_clock

from fsm_orch.clock import Clock
from fsm_orch.resilience import Holdings, MemoryHoldings
from fsm_orch.resilience.shared import SharedGates
from fsm_orch.store.sql import SqlStore

Process = Callable[[], Holdings]
"""Opens what is kept as one more process."""

Opening = Callable[[Clock], AbstractAsyncContextManager[Process]]
"""Opens what is empty, by a clock that gives seconds of the epoch."""


@asynccontextmanager
async def memory(clock: Clock) -> AsyncIterator[Process]:
    """Open holdings in memory, which one process has."""
    holdings = MemoryHoldings(clock)
    yield lambda: holdings


@asynccontextmanager
async def database(url: str, clock: Clock) -> AsyncIterator[Process]:
    """Open the holdings of stores at a URL, and close them."""
    stores: list[SqlStore] = []

    def process() -> Holdings:
        if len(stores) < 2:
            stores.append(SqlStore(url, wall_clock=clock))
        return stores[-1].holdings

    try:
        yield process
    finally:
        for store in stores:
            store.close()


@asynccontextmanager
async def sqlite(clock: Clock) -> AsyncIterator[Process]:
    """Open holdings in a file, which is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        async with database(f"sqlite:///{copied(folder)}?sync=normal", clock) as process:
            yield process


@asynccontextmanager
async def postgresql(clock: Clock) -> AsyncIterator[Process]:
    """Open holdings on a server, whose tables are emptied."""
    server = postgres()
    server.empty()
    async with database(server.url, clock) as process:
        yield process


@asynccontextmanager
async def in_redis(clock: Clock) -> AsyncIterator[Process]:
    """Open holdings on a server of Redis, in a namespace of their own."""
    with ExitStack() as stack:
        shared = list[SharedGates]()

        def process() -> Holdings:
            if len(shared) < 2:
                shared.append(stack.enter_context(by_clock(clock, shared[0] if shared else None)))
            return shared[-1].holdings()

        yield process


HOLDINGS: Mapping[str, Opening] = {"memory": memory, "sqlite": sqlite, "postgresql": postgresql, "redis": in_redis}
"""Each opens what is empty, and closes it when its block is left."""
