"""The holdings that the suite of this room tries, each as something to open: a new one joins with a row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fsm_orch.clock import Clock
from fsm_orch.resilience import Holdings, MemoryHoldings

Process = Callable[[], Holdings]
"""Opens what is kept as one more process."""

Opening = Callable[[Clock], AbstractAsyncContextManager[Process]]
"""Opens what is empty, by a clock that gives seconds of the epoch."""


@asynccontextmanager
async def memory(clock: Clock) -> AsyncIterator[Process]:
    """Open holdings in memory, which one process has."""
    holdings = MemoryHoldings(clock)
    yield lambda: holdings


HOLDINGS: Mapping[str, Opening] = {"memory": memory}
"""Each opens what is empty, and closes it when its block is left."""
