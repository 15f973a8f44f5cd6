"""A store in memory, for tests and for services that keep the last runs at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ..errors import StoreError
from ..kernel.inputs import Input


class MemoryStore:
    """A store in memory for the newest runs. A restart loses them.

    Args:
        runs: how many at most. The run that was appended to longest ago is forgotten first.

    Raises ValueError: if `runs` is less than 1.
    """

    def __init__(self, *, runs: int = 1_000) -> None:
        if runs < 1:
            raise ValueError(f"a store keeps 1 run or more, not {runs}")
        self._runs = runs
        self._journals: OrderedDict[str, list[Input]] = OrderedDict()

    async def append(self, run_id: str, start: int, inputs: Sequence[Input]) -> None:
        """Append inputs to a journal, as `Store.append` does.

        Raises StoreError: if other inputs are stored there, or `start` leaves a gap.
        """
        journal = self._journals.setdefault(run_id, [])
        # what is kept already is compared, not trusted: a second run under this id must not go on with this journal
        kept = journal[start : start + len(inputs)]
        if start > len(journal) or kept != list(inputs[: len(kept)]):
            raise StoreError(
                f"run {run_id!r} has {len(journal)} other inputs: a run id names one run, give each run its own"
            )
        journal.extend(inputs[len(kept) :])
        self._journals.move_to_end(run_id)
        while len(self._journals) > self._runs:
            self._journals.popitem(last=False)

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        return tuple(self._journals.get(run_id, ()))
