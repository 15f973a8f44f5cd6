"""A store is asked for runs that it keeps. What it raises reaches the caller, and ends nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from ..errors import LeaseLost, StartError
from ..kernel.inputs import Input
from ..store.base import Store
from ..store.values import Claim, Listed
from .raised import told

Known = TypeVar("Known")


def checked(store: Store | None) -> Store:
    """Return the store from which a run goes on.

    Raises StartError: if there is none.
    """
    if store is None:
        raise StartError("a run goes on from a store, and this runner has none: Runner(..., store=MemoryStore())")
    return store


async def claimed(store: Store, run_id: str) -> Claim:
    """Own a run from now on.

    Raises StartError: if the store does not know it.
    Raises LeaseHeld: if another worker drives it.
    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    claim = await asked(store.claim, run_id)
    if claim is None:
        raise not_known(run_id)
    return claim


def not_known(run_id: str) -> StartError:
    """Return what is said of a run that a store does not know."""
    return StartError(f"this store knows of no run {run_id!r}: it was never stored, or is forgotten")


async def loaded(store: Store, run_id: str) -> tuple[Input, ...]:
    """Return the journal of a run; empty if the store does not know it.

    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    return await asked(store.load, run_id)


async def listed(store: Store, run_id: str) -> Listed | None:
    """Return a run as its store lists it; None if the store does not know it.

    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    rows = await asked(lambda run_id: store.list(run_id=run_id), run_id)
    return rows[0] if rows else None


class Seen(NamedTuple):
    """A stored run that is looked at, and not claimed."""

    row: Listed
    journal: tuple[Input, ...]
    """The inputs that its row is of; those that came since are left out."""


async def seen(store: Store, run_id: str) -> Seen | None:
    """Return a run as its store shows it, with its journal; None if the store does not know it.

    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    row, journal = await listed(store, run_id), await loaded(store, run_id)
    return Seen(row, journal[: row.inputs]) if row is not None and journal else None


async def known(store: Store, run_id: str) -> Seen:
    """Return a run as `seen` does.

    Raises StartError: if the store does not know it.
    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    if (run := await seen(store, run_id)) is None:
        raise not_known(run_id)
    return run


def check_ours(run_id: str, journal: Sequence[Input], claim: Claim) -> None:
    """Check that nobody has gone on with a run between its claim and the moment in which its journal was loaded.

    Raises LeaseLost: if somebody has, who claimed it since: this process stood still meanwhile.
    """
    if len(journal) > claim.inputs:
        raise LeaseLost(
            f"run {run_id!r} was claimed since: it has {len(journal)} inputs, and had {claim.inputs} when it was "
            f"claimed here, in epoch {claim.epoch}. Nothing was stored, and whoever owns it goes on"
        )


async def asked(knows: Callable[[str], Awaitable[Known]], run_id: str) -> Known:
    """Return what a store says of a run.

    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    caller = asyncio.current_task()
    cancellations = caller.cancelling() if caller else 0
    try:
        return await knows(run_id)
    except BaseException as error:
        failure = told(run_id, error)
        is_callers = isinstance(error, asyncio.CancelledError) and caller and caller.cancelling() > cancellations
        if failure is error or is_callers:
            raise
        raise failure from error
