"""DBOS under test: its tables and our journals in one database of a PostgreSQL server that a test may crash."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from support.engines.bench import Bench
from support.servers import PostgresServer, own_postgres

from fsm_orch import Runner
from fsm_orch.durable.base import queue_of
from fsm_orch.durable.dbos import DBOSEngine


class DBOSBench:
    """DBOS on a server of its own."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.store_url = server.url
        self.words: Sequence[str] = ("--engine", "dbos")

    async def enqueue(self, runner: Runner[Any, Any], contexts: dict[str, Any]) -> None:
        """Queue runs as users do."""
        with closing(DBOSEngine(runner, url=self._server.url)) as engine:
            await asyncio.gather(*(engine.enqueue(context, run_id=run_id) for run_id, context in contexts.items()))

    async def deliver(self, runner: Runner[Any, Any], run_id: str, position: int) -> None:
        """Let DBOS deliver a run once more, by a workflow of another id."""
        name = queue_of(runner.definition.digest)
        DBOS.migrate(self._server.url)  # as the first app does that is launched
        client = DBOSClient(system_database_url=self._server.url, serializer=DBOSPortableJSONSerializer())
        id = f"{run_id}:{secrets.token_hex(4)}:{position}"
        await client.enqueue_async({"workflow_name": name, "queue_name": name, "workflow_id": id}, run_id)
        client.destroy()

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
