"""How a stored run goes on: what a crash left open is closed, and what came from outside is stored before it is folded.

A journal that was cut off after any input goes on. What was under way is due again, under the same keys; what may have
been billed is charged; what must not be done twice has failed, since nobody knows whether it was done. All of it is
folded as inputs that the explorer plays too, so what is proved holds over any number of crashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import AnswerError, LeaseLost, StartError, StoreError
from ..kernel import inputs
from ..kernel.due import due
from ..kernel.effects import Act, Effect, UseTool
from ..kernel.inputs import Input
from ..store.base import Store
from ..store.values import Claim
from .once import is_once
from .outlast import outlasted
from .raised import Raised
from .writer import Run, told

Known = TypeVar("Known")

_UNKNOWN = "outcome unknown: its process ended while it may have been at work"


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
    claim = await _asked(store.claim, run_id)
    if claim is None:
        raise StartError(f"this store knows of no run {run_id!r}: it was never stored, or is forgotten")
    return claim


async def loaded(store: Store, run_id: str) -> tuple[Input, ...]:
    """Return the journal of a run that goes on.

    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    return await _asked(store.load, run_id)


def note_begun(run: Run, claim: Claim) -> None:
    """Note of a run that was claimed what may have begun, and must not begin again."""
    # of one that was free nothing has: it was never begun, or let go between two pieces of work
    if claim.taken_from is not None:
        run.begun.update(effect for effect in due(run.now) if is_once(run, effect))


def take_over(run: Run) -> None:
    """Close what nobody can be at work on any more."""
    # A call may have been billed in full. This ends nothing, since a reservation is never charged more than it holds.
    for effect in due(run.now):
        if isinstance(effect, Act):
            visit = run.levels(effect.path)[-1].now.visit
            for call in () if visit is None else tuple(visit.open):
                run.fold(inputs.CallSettled(call=call, usage=None, at=run.elapsed(), path=effect.path))
    # One by one: the first may have ended what the next is for. What it makes due nobody has begun.
    while lost := [effect for effect in due(run.now) if effect in run.begun]:
        run.fold(_unknown(run, lost[0]))


def _unknown(run: Run, effect: Effect) -> Input:
    """Return what becomes of work of which nobody knows whether it was done."""
    at, path = run.elapsed(), effect.path
    if isinstance(effect, Act):
        return inputs.Failed(reason="outcome_unknown", detail=_UNKNOWN, at=at, path=path)
    assert isinstance(effect, UseTool)  # a human may be asked twice
    key = run.levels(path)[-1].now.key_of(effect.ask)
    return inputs.Answered(ask=effect.ask, id=key, ok=False, value=_UNKNOWN, at=at, path=path)


async def put(store: Store, run: Run, event: Input) -> None:
    """Store what came from outside, and fold it then: whoever was first in the store has come first.

    A caller that cancels does not cut the store off: it would not know whether this is kept.

    Raises AnswerError: if something else was stored meanwhile; nothing is folded then, and nobody is told of it.
    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    run_id, place = run.now.run_id, len(run.journal)
    came, cancelled = await outlasted(run.append_of(store, event))
    if cancelled is not None:
        raise cancelled
    if isinstance(came, Raised):
        await _check_kept(store, run_id, place, event, told(run_id, came.error))
    run.fold_stored(event)


async def _check_kept(store: Store, run_id: str, place: int, event: Input, failure: BaseException) -> None:
    """Check that a store that failed has kept an input nevertheless.

    Raises AnswerError: if it has kept another in its place.
    Raises the failure: if it has kept none, or nobody can say.
    """
    kept = (await loaded(store, run_id))[place:] if isinstance(failure, StoreError) else ()
    if not kept and not isinstance(failure, LeaseLost):
        raise failure
    if isinstance(failure, LeaseLost) or kept[:1] != (event,):
        raise AnswerError(f"something else happened to run {run_id!r} first: load what it waits for now") from failure


async def _asked(knows: Callable[[str], Awaitable[Known]], run_id: str) -> Known:
    """Return what a store knows of a run.

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
