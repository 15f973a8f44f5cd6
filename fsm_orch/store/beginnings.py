"""The port of beginnings: what many runs began with, without the rest of their journals, for who lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from ..kernel.inputs import Input


@runtime_checkable
class KeepsBeginnings(Protocol):
    """A store that gives the first inputs of many journals at once."""

    async def beginnings(self, run_ids: Sequence[str]) -> Mapping[str, Input]:
        """Return the first input of each run, as it was stored, whatever version its run was rebound to.

        A run that is not known is left out, and so is one whose first input cannot be read.

        Raises StoreError: if it cannot be done.
        """
        ...
