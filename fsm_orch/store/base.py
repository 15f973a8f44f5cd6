"""The port of stores, which keep journals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..kernel.inputs import Input


class Store(Protocol):
    """A store: it keeps the journal of each run, in order."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], *, is_finished: bool = False) -> None:
        """Append inputs to a journal. Once this returns they are kept.

        Appending is idempotent: inputs already stored are skipped, since a caller that was cancelled does not know
        how far it came. Nothing cuts a slow store off: it makes its runs slow, and they do not age meanwhile.

        What this raises ends the run that is being stored, and its caller gets it: an exit or a cancellation, which it
        would take for its own, as a StoreError. It folds nothing, so that what is kept is the beginning of a run that
        can go on, whether or not these inputs are part of it. After an interrupt, such as KeyboardInterrupt, the run is
        landed and its end appended.

        Args:
            run_id: names the journal.
            start: the place of the first of these inputs in it, from 0.
            inputs: what to append, in order.
            is_finished: whether the run ends with them. One that has not may go on at any time, after a crash or when
                a human answers, so a store that forgets keeps it.

        Raises StoreError: if other inputs are stored there (the run id is taken), or `start` leaves a gap.
        """
        ...

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        ...
