"""Notices of a store in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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


class MemoryNotices:
    """What there is to tell of the runs of a store in memory.

    Args:
        kept: the runs.
        lock: held around what is done with them.
    """

    def __init__(self, kept: Mapping[str, Kept], lock: Lock) -> None:
        self._kept, self._lock = kept, lock
        self._subscribed: dict[str, set[str]] = {}
        self._noted: dict[tuple[str, str], _Noted] = {}

    def note(self, run_id: str) -> None:
        """Note a run for all subscribers, if it waits or has ended; the lock is held."""
        kept = self._kept[run_id]
        if kept.head.status == "running" or kept.origin is not None:
            return
        for name, digests in self._subscribed.items():
            if kept.digest in digests:
                noted = self._noted.setdefault((name, run_id), _Noted(0, 0.0))
                noted.inputs, noted.since = len(kept.journal), kept.stored_at

    async def subscribe(self, name: str, digests: Collection[str]) -> None:
        """Note for a subscriber what happens to runs from now on, and which of them wait now."""
        with self._lock:
            self._subscribed.setdefault(name, set()).update(digests)
            for run_id, kept in self._kept.items():
                if kept.head.status == "waiting" and (name, run_id) not in self._noted:
                    self.note(run_id)

    async def unsubscribe(self, name: str) -> None:
        """Note nothing more for a subscriber, and forget what is noted."""
        with self._lock:
            self._subscribed.pop(name, None)
            self._noted = {key: noted for key, noted in self._noted.items() if key[0] != name}

    async def take(
        self, name: str, digests: Collection[str], *, now_s: float, hold_s: float, limit: int
    ) -> Sequence[Notice]:
        """Take notices, the one that is due longest first."""
        with self._lock:
            self._noted = {key: noted for key, noted in self._noted.items() if key[1] in self._kept}
            due = [
                (run_id, noted)
                for (subscriber, run_id), noted in self._noted.items()
                if subscriber == name
                and noted.told < noted.inputs
                and noted.due_at <= now_s
                and self._kept[run_id].digest in digests
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
            noted = self._noted.get((name, run_id))
            if is_over:
                self._noted.pop((name, run_id), None)
            elif noted is not None:
                noted.told, noted.tries, noted.due_at = max(noted.told, inputs), 0, 0.0

    async def put_off(self, name: str, run_id: str, *, until_s: float) -> None:
        """Let nobody take a notice until a moment."""
        with self._lock:
            noted = self._noted.get((name, run_id))
            if noted is not None:
                noted.due_at = until_s
