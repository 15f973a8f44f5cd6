"""Prompts of a store in memory."""

from __future__ import annotations

import asyncio
from threading import Lock

from ..kernel.effects import Path
from .prompts import KeptPrompt

_Key = tuple[Path, int, int]


class MemoryPrompts:
    """What is kept of prompts in memory.

    Args:
        lock: held around what is done with them.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._by_run: dict[str, dict[_Key, KeptPrompt]] = {}

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        """Keep a prompt; forget what is too much, or too old."""
        done = asyncio.get_running_loop().create_future()
        with self._lock:
            self._by_run.setdefault(prompt.run_id, {})[prompt.path, prompt.visit, prompt.call] = prompt
            for run_id, kept in [*self._by_run.items()]:
                young = {key: each for key, each in kept.items() if each.at >= since}
                self._by_run[run_id] = young
                if not young:
                    del self._by_run[run_id]
            own = self._by_run.get(prompt.run_id, {})
            for each in sorted(own.values(), key=_age)[: max(0, len(own) - most)]:
                del own[each.path, each.visit, each.call]
        done.set_result(None)
        return done

    async def of(self, run_id: str) -> tuple[KeptPrompt, ...]:
        """Return what is kept of a run, the oldest first."""
        with self._lock:
            return tuple(sorted(self._by_run.get(run_id, {}).values(), key=_age))

    def forget(self, run_id: str) -> None:
        """Forget what is kept of a run; the lock is held."""
        self._by_run.pop(run_id, None)


def _age(prompt: KeptPrompt) -> tuple[float, Path, int, int]:
    return prompt.at, prompt.path, prompt.visit, prompt.call
