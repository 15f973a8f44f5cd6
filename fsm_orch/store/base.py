"""The port of stores: where journals are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..kernel.inputs import Input


class Store(Protocol):
    """Keeps the journal of each run, in order."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input]) -> None:
        """Keep inputs from place `start` of a journal on; once this returns they are kept.

        Saying the same again changes nothing: what is kept already is skipped, since a caller that was cancelled
        does not know how far it came. No deadline cuts a store off: one that is slow makes runs slow.

        Raises StoreError: if something else is kept there (the run id is taken), or `start` leaves a gap.
        """
        ...

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Give a whole journal; empty for a run that is not known."""
        ...
