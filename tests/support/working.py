"""Workers at work on runs of two seconds, by a store whose clock is the loop's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fsm_orch import Context, Final, Given, Machine, MemoryStore, Runner, State, Visit, guard
from fsm_orch.store import Listed


class Job(Context):
    """What is to be done."""

    name: Given[str] = "x"
    by: str | None = None


@guard
def is_known(job: Job) -> bool:
    return job.name not in UNKNOWN


UNKNOWN = set[str]()
"""What the guard was changed to refuse."""


async def work(visit: Visit[Job, Any]) -> Any:
    """Take a second."""
    await asyncio.sleep(1)
    if visit.context.name == "interrupt":
        raise KeyboardInterrupt
    return {Job.by: str(visit.deps)}


class Works(Machine[Job, Any]):
    """Two seconds of work, which may be done again."""

    first = State(work, reads=Job.name, writes=Job.by, initial=True, repeatable=True)
    second = State(work, reads=Job.name, writes=Job.by, repeatable=True)
    end, fallback = Final(), Final(fallback=True)
    on = first.to(second, guard=is_known)
    never = first.to(fallback)
    done = second.to(end)


def kept() -> MemoryStore:
    """Return a store by whose clock leases end as the loop's time passes."""
    return MemoryStore(wall_clock=asyncio.get_running_loop().time)


def runner(store: MemoryStore, machine: Any = Works) -> Any:
    """Return a runner that is a worker of its own."""
    return Runner(machine, store=store.beside(lease_s=15), wall_clock=asyncio.get_running_loop().time)


@asynccontextmanager
async def working(worker: Any, **options: Any) -> AsyncIterator[None]:
    """Let a runner work until the block is left."""
    options = {"deps": lambda run: "deps", **options} if worker.definition.deps else options
    task = asyncio.ensure_future(worker.work(**options))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def finished(store: MemoryStore, count: int) -> Sequence[Listed]:
    """Wait until so many runs have ended, and return them, the one that began first first."""
    while len(rows := await store.list(status="finished", limit=1_000)) < count:  # noqa: ASYNC110 - of any store
        await asyncio.sleep(0.05)
    return list(reversed(rows))
