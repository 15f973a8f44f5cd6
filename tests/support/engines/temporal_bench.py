"""Temporal under test: a development server that a test may crash, and our journals in a file beside it."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.engines.bench import Bench
from support.servers import TemporalServer, own_temporal
from temporalio.client import Client

from fsm_orch import Runner
from fsm_orch.durable.base import queue_of
from fsm_orch.durable.temporal import TemporalEngine
from fsm_orch.durable.temporal_run import RunWorkflow


class TemporalBench:
    """Temporal on a server of its own.

    Args:
        folder: of the journals.
    """

    def __init__(self, server: TemporalServer, folder: Path) -> None:
        self._server = server
        self.store_url = f"sqlite:///{folder}/runs.db"
        self.words: Sequence[str] = ("--engine", "temporal", "--engine-url", server.url)

    async def enqueue(self, runner: Runner[Any, Any], contexts: dict[str, Any]) -> None:
        """Queue runs as users do."""
        engine = TemporalEngine(runner, url=self._server.url)
        await asyncio.gather(*(engine.enqueue(context, run_id=run_id) for run_id, context in contexts.items()))

    async def deliver(self, runner: Runner[Any, Any], run_id: str, position: int) -> None:
        """Let Temporal deliver a run once more, by a workflow of another id."""
        client = await Client.connect(self._server.url)
        await client.start_workflow(
            RunWorkflow.run,
            args=[run_id, 2.0],
            id=f"{run_id}:{secrets.token_hex(4)}:{position}",
            task_queue=queue_of(runner.definition.digest),
        )

    def crash(self) -> None:
        """Kill the server, and start it again."""
        self._server.stop()
        self._server.start()


@contextmanager
def temporal_bench() -> Iterator[Bench]:
    """Give Temporal a server of its own."""
    server = own_temporal()
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield TemporalBench(server, Path(folder))
    finally:
        server.stop()
