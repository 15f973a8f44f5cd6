"""Faults that are planted, to see that a simulation finds them: each is one that somebody could have made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from fsm_orch import MemoryStore
from fsm_orch.clock import Clock
from fsm_orch.kernel import inputs
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.inputs import Input
from fsm_orch.run import going_on
from fsm_orch.run.worker import Worker
from fsm_orch.run.writer import Run
from fsm_orch.store import Listed, News, Store
from fsm_orch.store.kept import Kept

from .stores import InMemory, Shared

MakesStore = Callable[[Clock], Shared]
Fault = Callable[[], Any]
"""Opens a context in which the fault is there; gives what makes the store."""


class _Unfenced(MemoryStore):
    def _checked(self, run_id: str, start: int, inputs: Sequence[Input], owned: tuple[str | None, int]) -> Kept | None:
        kept = self._kept.get(run_id)
        return super()._checked(run_id, start, inputs, owned if kept is None else (kept.owner, kept.epoch))


@contextmanager
def unfenced() -> Iterator[MakesStore]:
    """A lease without a fence: whoever thinks that it owns a run may append to it."""
    yield lambda clock: InMemory(clock, _Unfenced)


class _AnyDigest(MemoryStore):
    async def claimable(self, digests: Collection[str], *, expired_before: float, limit: int = 50) -> Sequence[Listed]:
        every = {row.digest for row in await self.list(limit=1_000)}
        return await super().claimable(every, expired_before=expired_before, limit=limit)


@contextmanager
def without_digest() -> Iterator[MakesStore]:
    """A claim without a digest: a worker takes the runs of machines that it does not have."""
    drive = Worker._drive

    async def drives_all(self: Worker, listed: Listed) -> bool:
        self._drivers.setdefault(listed.digest, next(iter(self._drivers.values())))
        return await drive(self, listed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_drive", drives_all)
        yield lambda clock: InMemory(clock, _AnyDigest)


class _HostsClocks(InMemory):
    def of(self, lease_s: float, skew_s: float) -> Store:
        store = self.store.beside(lease_s=lease_s)
        clock = store._wall_clock
        store._wall_clock = lambda: clock() + skew_s
        return store


@contextmanager
def clocks_of_hosts() -> Iterator[MakesStore]:
    """A clock of the host: leases begin and end by the clock of whoever asks, and not by the store's."""
    yield _HostsClocks


class _Eager(MemoryStore):
    def _is_alive(self, owner: str | None) -> bool:
        lease_s = self.lease_s or 0.0
        return owner is not None and self._leases.get(owner, 0.0) - lease_s / 2 > self._wall_clock()


@contextmanager
def eager() -> Iterator[MakesStore]:
    """An eager reaper: it takes for dead who has not beaten for half a lease."""
    yield lambda clock: InMemory(clock, _Eager)


class _Keeps(MemoryStore):
    async def release(self, run_id: str, *, unless_news: bool = False, **options: Any) -> News | None:
        return await super().release(run_id, unless_news=True, **options) if unless_news else None


@contextmanager
def lost_release() -> Iterator[MakesStore]:
    """A lost release: a run that is drained, or could not go on, stays its worker's."""
    yield lambda clock: InMemory(clock, _Keeps)


class _Forgets(MemoryStore):
    async def claimable(self, digests: Collection[str], **options: Any) -> Sequence[Listed]:
        found = await super().claimable(digests, **options)
        return [row for row in found if row.owner != self._owner]


@contextmanager
def unheard() -> Iterator[MakesStore]:
    """A claim whose answer is lost: its worker beats, drives it not, and nobody else may. We had this one."""
    yield lambda clock: InMemory(clock, _Forgets)


@contextmanager
def uncharged() -> Iterator[MakesStore]:
    """A call that was under way in a crash costs nothing: whoever takes the run over gives its money back."""
    take_over = going_on.take_over

    def releases(run: Run) -> None:
        for effect in due(run.now):
            visit = run.levels(effect.path)[-1].now.visit if isinstance(effect, Act) else None
            for call in () if visit is None else tuple(visit.open):
                run.fold(inputs.CallReleased(call=call, at=run.elapsed(), path=effect.path))
        take_over(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(going_on, "take_over", releases)
        yield InMemory


FAULTS: dict[str, tuple[Fault, str]] = {
    "a lease without a fence": (unfenced, "driven twice"),
    "a claim without a digest": (without_digest, "machine it did not name|whose machine it does not know"),
    "a clock of the host": (clocks_of_hosts, "taken too early|which is free"),
    "an eager reaper": (eager, "taken too early"),
    "a lost release": (lost_release, "which is free|and it is free"),
    "an uncharged crash": (uncharged, "T3"),
    "an unheard claim": (unheard, "lost"),
}
"""Each fault, and what is said when it is found."""
