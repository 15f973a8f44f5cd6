"""The turn of a run on the event loop: others get theirs before it has taken long."""

from __future__ import annotations

import asyncio
from collections.abc import Sized

from ..clock import Clock

_SHARE_S, _SHARE_INPUTS = 0.001, 16
"""For how long a run may have the event loop before others get a turn: seconds and inputs, whichever is over first."""


class Turn:
    """The turn of one run.

    Args:
        journal: of the run, as it grows.
    """

    def __init__(self, clock: Clock, journal: Sized) -> None:
        self._clock, self._journal = clock, journal
        self.begin()

    def begin(self) -> None:
        """Note that others have had theirs."""
        self.began_at, self._began_after = self._clock(), len(self._journal)

    async def give(self, *, is_read: bool) -> None:
        """Let others have the event loop if this run has had it for long.

        Args:
            is_read: let them have it now: a reader sees where the run stands, and may leave, before it goes on.
        """
        # A chain of plain agents awaits nothing, and would keep the loop to itself. A round of the loop costs about as
        # much as a hop, so not every hop gives it up. Inputs are counted for clocks that stand still, as a test's may.
        seconds, count = self._clock(), len(self._journal)
        if is_read or seconds - self.began_at >= _SHARE_S or count - self._began_after >= _SHARE_INPUTS:
            await asyncio.sleep(0)
            self.begin()
