"""A store in memory, for tests and for services that keep the last runs at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ..errors import StoreError
from ..kernel.inputs import Input


class MemoryStore:
    """Keep the journals of the newest runs; a restart loses them.

    Args:
        runs: how many at most; the run that was written longest ago is forgotten first.
    """

    def __init__(self, *, runs: int = 1_000) -> None:
        if runs < 1:
            raise ValueError(f"a store keeps 1 run or more, not {runs}")
        self._runs = runs
        self._journals: OrderedDict[str, list[Input]] = OrderedDict()

    async def append(self, run_id: str, start: int, inputs: Sequence[Input]) -> None:
        journal = self._journals.setdefault(run_id, [])
        kept = journal[start : start + len(inputs)]
        if start > len(journal) or kept != list(inputs[: len(kept)]):
            raise StoreError(f"run {run_id!r} has {len(journal)} other inputs: a run id names one run")
        journal.extend(inputs[len(kept) :])
        self._journals.move_to_end(run_id)
        while len(self._journals) > self._runs:
            self._journals.popitem(last=False)

    async def load(self, run_id: str) -> tuple[Input, ...]:
        return tuple(self._journals.get(run_id, ()))
