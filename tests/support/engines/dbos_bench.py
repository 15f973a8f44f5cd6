"""DBOS under test: its tables and our journals in one database of a PostgreSQL server that a test may crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from support.engines.bench import Bench
from support.servers import PostgresServer, own_postgres

from fsm_orch import Runner


class DBOSBench:
    """DBOS on a server of its own."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.store_url = server.url
        self.words: Sequence[str] = ("--engine", "dbos")

    async def enqueue(self, runner: Runner[Any, Any], contexts: dict[str, Any]) -> None:
        """Queue runs as users do."""
        raise NotImplementedError

    async def deliver(self, runner: Runner[Any, Any], run_id: str, position: int) -> None:
        """Let DBOS deliver a run once more, under another id of a workflow."""
        raise NotImplementedError

    def crash(self) -> None:
        """Crash the server, and start it again."""
        self._server.stop()
        self._server.start()


@contextmanager
def dbos_bench() -> Iterator[Bench]:
    """Give DBOS a server of its own."""
    server = own_postgres()
    try:
        yield DBOSBench(server)
    finally:
        server.stop()
