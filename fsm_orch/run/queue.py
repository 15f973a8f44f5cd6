"""The queue: runs whose beginning is stored, and which nobody owns; any worker drives them."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from ..errors import StoreError
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Started
from ..store.base import Store
from .account import begun
from .follows import named
from .ids import new_epoch
from .outlast import outlasted
from .raised import Raised, told


async def enqueue(store: Store, compiled: CompiledMachine, first: Started) -> None:
    """Store the beginning of a run that nobody owns, and move to it what it may take of its thread.

    One that is stored already, from the same start, is left as it is.

    Raises StoreError: if another run has its id.
    Raises what the store raises, else: an exit or a cancellation as a StoreError.
    Raises asyncio.CancelledError: if the caller cancels; the run is queued all the same.
    """
    came, cancelled = await outlasted(partial(_stored, store, compiled, first))
    if isinstance(came, Raised):
        raise told(first.run_id, came.error)
    if cancelled is not None:
        raise cancelled


async def _stored(store: Store, compiled: CompiledMachine, first: Started) -> None:
    first, _ = await named(store, compiled, first)
    try:
        await begun(store, compiled, first, new_epoch(), is_queued=True)
    except StoreError:
        if not await _is_stored(store, first):
            raise


async def _is_stored(store: Store, first: Started) -> bool:
    """Return whether a run was begun in the same way: a fork was not, which nobody drives who does not name it."""
    rows, journal = await store.list(run_id=first.run_id), await store.load(first.run_id)
    kept = journal[0] if journal else None
    if not isinstance(kept, Started) or any(row.origin is not None for row in rows):
        return False
    return _told(kept) == _told(first)


def _told(first: Started) -> Started:
    """Return a start as its caller told it: without what its thread had left, what was shut then, and its span.

    Of a run that follows another it is left out what was said before: its store may have told it then, or now.
    """
    told = replace(first, tokens=None, cost=None, shut=(), trace_parent=None)
    return told if first.after is None else replace(told, messages=(), heard=0)
