"""A store in memory, for tests and for services that keep the last runs at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from ..amounts import NOTHING, Amount
from ..errors import StoreError
from ..kernel.inputs import Input
from .base import Hold


class MemoryStore:
    """A store in memory: all runs that have not ended, and the newest of those that have. A restart loses them.

    What is taken of an account is never forgotten: a thread would have its limit again.

    Args:
        runs: how many runs that have ended it keeps. The one that ended longest ago is forgotten first. A run that has
            not may still be under way, or wait for a human, and is never forgotten.

    Raises ValueError: if `runs` is less than 1.
    """

    def __init__(self, *, runs: int = 1_000) -> None:
        if runs < 1:
            raise ValueError(f"a store keeps 1 run or more, not {runs}")
        self._runs = runs
        self._lock = Lock()  # for runners in several threads
        self._journals: dict[str, list[Input]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._accounts: dict[str, Amount] = {}

    async def append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        *,
        is_finished: bool = False,
        holds: Sequence[Hold] = (),
    ) -> None:
        """Append inputs to a journal and move what is held, as `Store.append` does.

        Raises StoreError: if other inputs are stored there, or `start` leaves a gap.
        Raises TooLittleLeft: if an account would come to more than a hold says.
        """
        with self._lock:
            self._append(run_id, start, inputs, holds)
            if is_finished and run_id in self._journals:
                self._end(run_id)

    def _append(self, run_id: str, start: int, inputs: Sequence[Input], holds: Sequence[Hold]) -> None:
        journal = self._journals.get(run_id, [])
        # what is kept already is compared, not trusted: a second run under this id must not go on with this journal
        kept = journal[start : start + len(inputs)]
        if start > len(journal) or kept != list(inputs[: len(kept)]):
            raise StoreError(
                f"run {run_id!r} has {len(journal)} other inputs: a run id names one run, give each run its own"
            )
        if len(kept) < len(inputs):
            self._accounts |= self._moved(holds)
        journal.extend(inputs[len(kept) :])
        if journal:  # else nothing was said of a run that is not known, which takes no place
            self._journals[run_id] = journal

    def _moved(self, holds: Sequence[Hold]) -> dict[str, Amount]:
        """Return what the accounts of holds come to."""
        after: dict[str, Amount] = {}
        for hold in holds:
            taken = after.get(hold.account, self._accounts.get(hold.account, NOTHING))
            after[hold.account] = hold.moved(taken)
        return after

    def _end(self, run_id: str) -> None:
        self._ended[run_id] = None
        self._ended.move_to_end(run_id)
        while len(self._ended) > self._runs:
            oldest, _ = self._ended.popitem(last=False)
            del self._journals[oldest]

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        with self._lock:
            return tuple(self._journals.get(run_id, ()))

    async def charge(self, account: str, amount: Amount) -> None:
        """Add to what is taken of an account."""
        with self._lock:
            self._accounts[account] = self._accounts.get(account, NOTHING) + amount

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account; nothing if it is not known."""
        with self._lock:
            return self._accounts.get(account, NOTHING)
