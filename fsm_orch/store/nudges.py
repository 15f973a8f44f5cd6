"""The port of nudges: that something was stored of a run, told at once to who follows it in another process.

A nudge is no truth: whoever is nudged looks at the store. One may be lost: who relies on them looks now and then too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

Nudges = AsyncGenerator[str | None]
"""The ids of runs of which something was stored just now; None: what was stored before may not have been told."""


@runtime_checkable
class Nudging(Protocol):
    """A store that tells what is stored by all of its workers."""

    def nudges(self) -> Nudges | None:
        """Return what is stored from the first None on, until the generator is closed; None: this store cannot tell.

        Raises StoreError: while it is read, if nothing more is told, such as by a server that is away. Ask again then.
        """
        ...
