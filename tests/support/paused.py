"""Stores of workers whose processes stand still, or have died: they hear and say nothing until they go on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Self

from fsm_orch import MemoryStore
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Claim, Head, Listed, News


class Paused(MemoryStore):
    """What a worker keeps runs by, which hears nothing while its process stands still."""

    awake: asyncio.Event
    """Cleared while it stands still; each worker has its own."""

    def beside(self, *, lease_s: float) -> Self:
        other = super().beside(lease_s=lease_s)
        assert isinstance(other, type(self))
        other.awake = asyncio.Event()
        other.awake.set()
        return other

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], head: Head, **options: Any) -> None:
        await self.awake.wait()
        await super().append(run_id, start, inputs, head, **options)

    async def beat(self) -> tuple[News, ...]:
        await self.awake.wait()
        return await super().beat()

    async def claim(self, run_id: str) -> Claim | None:
        await self.awake.wait()
        return await super().claim(run_id)

    async def claimable(self, digests: Collection[str], *, expired_before: float, limit: int = 50) -> Sequence[Listed]:
        await self.awake.wait()
        return await super().claimable(digests, expired_before=expired_before, limit=limit)
