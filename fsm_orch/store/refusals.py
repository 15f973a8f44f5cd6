"""What every store refuses, in the same words."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import LeaseHeld, LeaseLost, RunTaken, StoreError
from .values import RELEASED


def run_id_taken(run_id: str, count: int) -> RunTaken:
    """Return what is said of inputs that do not continue a journal.

    Args:
        count: how many inputs it has.
    """
    return RunTaken(f"run {run_id!r} has {count} other inputs: a run id names one run, give each run its own")


def lease_lost(run_id: str, owner: str | None, epoch: int, *, mine: int) -> LeaseLost:
    """Return what is said to a worker that does not own a run any more.

    Args:
        owner: who owns it now, in `epoch`.
        mine: the epoch in which the worker did.
    """
    by = "nobody owns it" if owner in (None, RELEASED) else f"worker {owner} owns it"
    return LeaseLost(
        f"run {run_id!r} was claimed since, or released: {by}, in epoch {epoch}, and this append is of epoch {mine}. "
        "Nothing was stored, and whoever owns it goes on"
    )


def lease_held(run_id: str, owner: str) -> LeaseHeld:
    """Return what is said of a run that another worker drives."""
    return LeaseHeld(f"run {run_id!r} is driven by worker {owner}: wait until it ends, or waits, or its lease is over")


def nobody_asks(run_id: str) -> StoreError:
    """Return what is said of an answer to a run that takes none."""
    return StoreError(f"run {run_id!r} takes no answer: it is not known, or has finished")


def not_rebound(run_id: str, why: str) -> StoreError:
    """Return what is said of a run that stays with its version."""
    return StoreError(f"run {run_id!r} was not rebound, and nothing has changed: {why}")


def json_of(answer: Any) -> bytes:
    """Return an answer as JSON.

    Raises StoreError: if it is none, or is read back as something else.
    """
    try:
        written = msgspec.json.encode(answer)
        if msgspec.json.decode(written) == answer:
            return written
    except (ValueError, TypeError, RecursionError):
        pass
    raise StoreError("an answer is JSON: None, a bool, a number, a text, a list or a dict of them") from None
