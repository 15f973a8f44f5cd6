"""A store that fails, as when a process dies between two writes of a journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..amounts import Amount
from ..errors import StoreError
from ..kernel.inputs import Input
from ..store.base import Hold, Store


class Crashed(StoreError):
    """The store has crashed; every later write fails too."""


class CrashingStore:
    """A store that crashes after some writes; what was written before can be read from the store inside.

    Args:
        store: keeps the journals.
        writes: how many writes succeed; the next one crashes, and all later ones fail.
        keeps: how much of the crashing write is kept: `nothing`, a `half`, or `everything`, as when only the answer was
            lost.
    """

    def __init__(
        self, store: Store, *, writes: int, keeps: Literal["nothing", "half", "everything"] = "nothing"
    ) -> None:
        self._store = store
        self._writes = writes
        self._keeps = keeps

    async def append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        *,
        is_finished: bool = False,
        holds: Sequence[Hold] = (),
    ) -> None:
        """Keep inputs, or crash.

        Raises Crashed: on the write that crashes, and on every later one.
        """
        self._writes -= 1
        kept = {"nothing": 0, "half": (len(inputs) + 1) // 2, "everything": len(inputs)}[self._keeps]
        if self._writes < -1:
            raise Crashed("the store has crashed before")
        if self._writes == -1:
            if kept:
                is_whole = kept == len(inputs)  # else it is as if an earlier write had been told to keep less
                moved = holds if is_whole else ()
                await self._store.append(
                    run_id, start, inputs[:kept], is_finished=is_finished and is_whole, holds=moved
                )
            raise Crashed("the store crashed")
        await self._store.append(run_id, start, inputs, is_finished=is_finished, holds=holds)

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return what is kept of a journal."""
        return await self._store.load(run_id)

    async def charge(self, account: str, amount: Amount) -> None:
        """Charge an account; this counts as no write."""
        await self._store.charge(account, amount)

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account."""
        return await self._store.taken(account)
