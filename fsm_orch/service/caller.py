"""Who calls: what an application's `auth=` returns of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """Who calls."""

    tenant: str | None = None
    """For whom its runs are, and the only ones whose runs it sees; None: those that are nobody's."""
    who: str | None = None
    """Its name, which the journal keeps beside the answers that it gives to questions."""


async def anybody() -> Caller:
    """Return the caller of an application that asks nobody who they are."""
    # async, although nothing is awaited: FastAPI calls a plain function in a thread, which costs half a run
    return Caller()
