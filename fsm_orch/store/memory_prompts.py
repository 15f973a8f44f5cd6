"""Prompts of a store in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from threading import Lock

from ..kernel.effects import Path
from .prompts import KeptPrompt

_Key = tuple[str, Path, int, int]


class MemoryPrompts:
    """What is kept of prompts in memory.

    Args:
        lock: held around what is done with them.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._kept: OrderedDict[_Key, KeptPrompt] = OrderedDict()
        """In the order in which they came, which is that of their age."""
        self._by_run: dict[str, dict[_Key, None]] = {}

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        """Keep a prompt; forget what is too much, or too old."""
        done = asyncio.get_running_loop().create_future()
        key = prompt.run_id, prompt.path, prompt.visit, prompt.call
        with self._lock:
            if key in self._kept:
                self._forget(key)
            self._kept[key] = prompt
            own = self._by_run.setdefault(prompt.run_id, {})
            own[key] = None
            while len(own) > most:
                self._forget(next(iter(own)))
            while self._kept and self._kept[oldest := next(iter(self._kept))].at < since:
                self._forget(oldest)
        done.set_result(None)
        return done

    async def of(self, run_id: str) -> tuple[KeptPrompt, ...]:
        """Return what is kept of a run, the oldest first."""
        with self._lock:
            own = [self._kept[key] for key in self._by_run.get(run_id, ())]
        return tuple(sorted(own, key=lambda kept: (kept.at, kept.path, kept.visit, kept.call)))

    def forget(self, run_id: str) -> None:
        """Forget what is kept of a run; the lock is held."""
        for key in [*self._by_run.get(run_id, ())]:
            self._forget(key)

    def _forget(self, key: _Key) -> None:
        del self._kept[key]
        own = self._by_run[key[0]]
        del own[key]
        if not own:
            del self._by_run[key[0]]
