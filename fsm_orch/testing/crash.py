"""A store that fails, as when a process dies between two writes of a journal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

from ..amounts import Amount
from ..errors import StoreError
from ..kernel.inputs import Input
from ..store.base import Store
from ..store.values import Claim, Head, Listed, News, Origin, Rebound


class Crashed(StoreError):
    """The store has crashed; every later write fails too."""


class CrashingStore:
    """A store that crashes after some writes; what was written before can be read from the store inside.

    Its methods take the options of `Store`, and give them to the store inside as they are.

    Args:
        store: keeps the journals.
        writes: how many writes succeed; the next one crashes, and all later ones fail.
        keeps: whether the crashing write is kept: `nothing` of it, or `everything`, as when only the answer was lost.
    """

    def __init__(self, store: Store, *, writes: int, keeps: Literal["nothing", "everything"] = "nothing") -> None:
        self._store = store
        self._writes = writes
        self._keeps = keeps

    @property
    def lease_s(self) -> float | None:
        """As of the store inside."""
        return self._store.lease_s

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], head: Head, **options: Any) -> None:
        """Keep inputs, or crash.

        Raises Crashed: on the write that crashes, and on every later one.
        """
        self._writes -= 1
        if self._writes < -1:
            raise Crashed("the store has crashed before")
        if self._writes >= 0 or self._keeps == "everything":
            await self._store.append(run_id, start, inputs, head, **options)
        if self._writes == -1:
            raise Crashed("the store crashed")

    async def fork(self, run_id: str, origin: Origin, inputs: Sequence[Input], head: Head) -> None:
        """Store a fork; this counts as no write."""
        await self._store.fork(run_id, origin, inputs, head)

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return what is kept of a journal."""
        return await self._store.load(run_id)

    async def claim(self, run_id: str) -> Claim | None:
        """Claim a run; this counts as no write."""
        return await self._store.claim(run_id)

    async def claimable(self, digests: Collection[str], **options: Any) -> Sequence[Listed]:
        """Return runs that nobody drives."""
        return await self._store.claimable(digests, **options)

    async def release(self, run_id: str, **options: Any) -> News | None:
        """Let go of a run; this counts as no write."""
        return await self._store.release(run_id, **options)

    async def rebind(self, run_id: str, to: Rebound) -> None:
        """Have a run go on with another version; this counts as no write."""
        await self._store.rebind(run_id, to)

    async def beat(self) -> tuple[News, ...]:
        """Keep its worker alive; this counts as no write."""
        return await self._store.beat()

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Put an answer into an inbox; this counts as no write."""
        return await self._store.post(run_id, question, id, answer, who=who)

    async def refuse(self, run_id: str, question: str, id: str, *, epoch: int) -> None:
        """Take an answer out of an inbox; this counts as no write."""
        await self._store.refuse(run_id, question, id, epoch=epoch)

    async def ask_cancel(self, run_id: str, *, who: str | None = None) -> bool:
        """Ask for a cancellation; this counts as no write."""
        return await self._store.ask_cancel(run_id, who=who)

    async def charge(self, account: str, amount: Amount) -> None:
        """Charge an account; this counts as no write."""
        await self._store.charge(account, amount)

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account."""
        return await self._store.taken(account)

    async def list(self, **options: Any) -> Sequence[Listed]:
        """Return a page of runs."""
        return await self._store.list(**options)

    async def prune(self, *, ended_before: float) -> int:
        """Forget runs that have finished; this counts as no write."""
        return await self._store.prune(ended_before=ended_before)
