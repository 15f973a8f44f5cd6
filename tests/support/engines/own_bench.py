"""Our own worker beside the engines: the store alone says who drives which run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from support.engines.bench import Bench
from support.servers import PostgresServer, own_postgres

from fsm_orch import Runner


class OwnBench:
    """No engine but the store."""

    words: Sequence[str] = ()

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.store_url = server.url

    async def enqueue(self, runner: Runner[Any, Any], contexts: dict[str, Any]) -> None:
        """Queue runs as users do."""
        await asyncio.gather(*(runner.enqueue(context, run_id=run_id) for run_id, context in contexts.items()))

    async def deliver(self, runner: Runner[Any, Any], run_id: str, position: int) -> None:
        """Do nothing: nobody delivers."""

    def crash(self) -> None:
        """Crash the server, and start it again."""
        self._server.stop()
        self._server.start()


@contextmanager
def own_bench() -> Iterator[Bench]:
    """Give a server of its own."""
    server = own_postgres()
    try:
        yield OwnBench(server)
    finally:
        server.stop()
