"""The port of stores: where journals are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..events import Input


class Store(Protocol):
    """Keeps the journal of each run, in order."""

    async def append(self, run_id: str, inputs: Sequence[Input]) -> None:
        """Add inputs to a journal; once this returns they are kept."""
        ...

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Give a whole journal; empty for a run that is not known."""
        ...
