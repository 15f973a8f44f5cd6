"""The port of engines under test: what one needs beside the journal, and ways to hand it a run that no user has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from fsm_orch import Runner


class Bench(Protocol):
    """An engine with its own database, and the store with the journals, for as long as one test lasts."""

    store_url: str
    """Keeps the journals."""
    words: Sequence[str]
    """What `fsm-orch worker` is told besides the store, such as `--engine NAME`."""

    async def enqueue(self, runner: Runner[Any, Any], contexts: dict[str, Any]) -> None:
        """Queue runs as users do.

        Args:
            contexts: what each begins with, by its id.
        """
        ...

    async def deliver(self, runner: Runner[Any, Any], run_id: str, position: int) -> None:
        """Let the engine deliver a run once more, past all that it knows of doubles.

        Args:
            position: how many inputs were stored when it was handed to the engine.
        """
        ...

    def crash(self) -> None:
        """Kill the engine's database, and start it again with what it had stored."""
        ...


Benches = dict[str, Callable[[], AbstractContextManager[Bench]]]
