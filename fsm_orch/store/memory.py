"""A store in memory, for tests and for services that keep the last runs at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import RLock
from weakref import ref

from ..errors import StoreError
from ..kernel.inputs import Input, Started


class MemoryStore:
    """A store in memory for the newest runs. A restart loses them.

    Args:
        runs: how many it keeps. The run that was appended to longest ago is forgotten first, as soon as nobody holds
            its first input any more: so no run is forgotten that is still under way.

    Raises ValueError: if `runs` is less than 1.
    """

    def __init__(self, *, runs: int = 1_000) -> None:
        if runs < 1:
            raise ValueError(f"a store keeps 1 run or more, not {runs}")
        self._runs = runs
        # for runners in several threads; one that its holder may take again, since a run can be forgotten at any moment
        self._lock = RLock()
        self._journals: OrderedDict[str, list[Input]] = OrderedDict()
        self._held: dict[str, tuple[ref[Started], list[Input]]] = {}
        """Runs beyond those, which somebody holds: the first input, not kept here, and the others."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input]) -> None:
        """Append inputs to a journal, as `Store.append` does.

        Raises StoreError: if other inputs are stored there, or `start` leaves a gap.
        """
        with self._lock:
            self._append(run_id, start, inputs)

    def _append(self, run_id: str, start: int, inputs: Sequence[Input]) -> None:
        journal = self._journal(run_id)
        # what is kept already is compared, not trusted: a second run under this id must not go on with this journal
        kept = journal[start : start + len(inputs)]
        if start > len(journal) or kept != list(inputs[: len(kept)]):
            raise StoreError(
                f"run {run_id!r} has {len(journal)} other inputs: a run id names one run, give each run its own"
            )
        journal.extend(inputs[len(kept) :])
        if not journal:  # nothing was said of a run that is not known, which takes no place
            return
        self._held.pop(run_id, None)
        self._journals[run_id] = journal
        self._journals.move_to_end(run_id)
        while len(self._journals) > self._runs:
            self._let_go(*self._journals.popitem(last=False))

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        with self._lock:
            return tuple(self._journal(run_id))

    def _journal(self, run_id: str) -> list[Input]:
        first, rest = self._held.get(run_id, (None, ()))
        started = first() if first else None
        return [started, *rest] if started else self._journals.get(run_id, [])

    def _let_go(self, run_id: str, journal: list[Input]) -> None:
        """Keep a journal only for as long as somebody holds its first input, as whoever runs the run does."""
        if journal and isinstance(journal[0], Started):
            self._held[run_id] = ref(journal[0], lambda gone: self._forget(run_id, gone)), journal[1:]

    def _forget(self, run_id: str, gone: ref[Started]) -> None:
        with self._lock:
            first, _ = self._held.get(run_id, (None, ()))
            if first is gone:  # a run that was appended to again has another
                del self._held[run_id]
