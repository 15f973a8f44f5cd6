"""Notices of a store in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from .kept import Kept
from .notices import Notice


@dataclass
class _Noted:
    inputs: int
    since: float
    told: int = 0
    tries: int = 0
    due_at: float = 0.0


@dataclass
class _Subscriber:
    digests: set[str] = field(default_factory=set)
    noted: dict[str, _Noted] = field(default_factory=dict)
    """By run; it goes with its subscriber, and with its run."""

    def note(self, run_id: str, kept: Kept) -> None:
        """Note a run, if it is to be told of."""
        if kept.head.status != "running" and kept.origin is None and kept.digest in self.digests:
            noted = self.noted.setdefault(run_id, _Noted(0, 0.0))
            noted.inputs, noted.since = len(kept.journal), kept.stored_at


class MemoryNotices:
    """What there is to tell of the runs of a store in memory.

    Args:
        kept: the runs.
        lock: held around what is done with them.
    """

    def __init__(self, kept: Mapping[str, Kept], lock: Lock) -> None:
        self._kept, self._lock = kept, lock
        self._subscribers: dict[str, _Subscriber] = {}

    @property
    def count(self) -> int:
        """How many are kept, told or not."""
        return sum(len(each.noted) for each in self._subscribers.values())

    def note(self, run_id: str) -> None:
        """Note a run for all subscribers, if it waits or has ended; the lock is held."""
        for subscriber in self._subscribers.values():
            subscriber.note(run_id, self._kept[run_id])

    def forget(self, run_id: str) -> None:
        """Forget what is noted of a run; the lock is held."""
        for subscriber in self._subscribers.values():
            subscriber.noted.pop(run_id, None)

    async def subscribe(self, name: str, digests: Collection[str]) -> None:
        """Note for a subscriber what happens to runs from now on, and which of them wait now."""
        with self._lock:
            subscriber = self._subscribers.setdefault(name, _Subscriber())
            subscriber.digests.update(digests)
            for run_id, kept in self._kept.items():
                if kept.head.status == "waiting" and run_id not in subscriber.noted:
                    subscriber.note(run_id, kept)

    async def unsubscribe(self, name: str) -> None:
        """Note nothing more for a subscriber, and forget what is noted."""
        with self._lock:
            self._subscribers.pop(name, None)

    async def take(
        self, name: str, digests: Collection[str], *, now_s: float, hold_s: float, limit: int
    ) -> Sequence[Notice]:
        """Take notices, the one that is due longest first."""
        with self._lock:
            due = [
                (run_id, noted)
                for run_id, noted in self._of(name).items()
                if noted.told < noted.inputs and noted.due_at <= now_s and self._kept[run_id].digest in digests
            ]
            taken = sorted(due, key=lambda each: each[1].due_at)[:limit]
            for _, noted in taken:
                noted.due_at, noted.tries = now_s + hold_s, noted.tries + 1
            return [
                Notice(run_id=run_id, inputs=each.inputs, told=each.told, tries=each.tries, since=each.since)
                for run_id, each in taken
            ]

    async def told(self, name: str, run_id: str, *, inputs: int, is_over: bool) -> None:
        """Note that a subscriber was told of a run with so many inputs."""
        with self._lock:
            noted = self._of(name).get(run_id)
            if noted is not None and is_over:
                del self._of(name)[run_id]
            elif noted is not None:
                noted.told, noted.tries, noted.due_at = max(noted.told, inputs), 0, 0.0

    async def put_off(self, name: str, run_id: str, *, until_s: float) -> None:
        """Let nobody take a notice until a moment."""
        with self._lock:
            if (noted := self._of(name).get(run_id)) is not None:
                noted.due_at = until_s

    def _of(self, name: str) -> dict[str, _Noted]:
        """Return what is noted for a subscriber; nothing if it has left."""
        subscriber = self._subscribers.get(name)
        return {} if subscriber is None else subscriber.noted
