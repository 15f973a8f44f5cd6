"""A run that was rebound to another version of its machine: who has the old one is told so."""

from __future__ import annotations

from datetime import UTC, datetime

from ..errors import StepError
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..store.base import Store
from ..store.values import Rebound
from .loading import listed


async def check_bound(store: Store, compiled: CompiledMachine, first: Input) -> None:
    """Check that a stored run was not rebound to another definition than this.

    Raises StepError: if it was; says when, and to what.
    Raises what the store raises.
    """
    definition = compiled.definition
    if not isinstance(first, Started) or first.digest == definition.digest:
        return
    rebound = await rebindings(store, first.run_id)
    if rebound and rebound[-1].digest == first.digest:  # of what was never rebound the fold says what it is
        raise StepError(
            f"{was_rebound(first.run_id, rebound[-1])}, and {definition.name} is here {definition.digest[:12]!r}: "
            "resume it with the version that it was rebound to"
        )


async def rebindings(store: Store, run_id: str) -> tuple[Rebound, ...]:
    """Return to what a run was rebound, the first first.

    Raises what the store raises.
    """
    row = await listed(store, run_id)
    return () if row is None else row.rebound


def was_rebound(run_id: str, to: Rebound) -> str:
    """Return that a run was rebound, when, and to what."""
    at = datetime.fromtimestamp(to.at, UTC).isoformat(sep=" ", timespec="seconds")
    return f"run {run_id!r} was rebound from digest {to.was[:12]!r} to {to.digest[:12]!r} at {at}"
