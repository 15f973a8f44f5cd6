"""What every engine promises over our journal: whatever it loses or does twice, each run is driven to its end, once.

Workers are processes of `fsm-orch worker --engine NAME`, killed and drained for real; models are a server on loopback.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance.engines.engines import ENGINES
from support.engines.approvals import Approvals, Favour
from support.engines.bench import Bench
from support.errands import Errand, Errands
from support.fleet import WorkerProcess, asked, serving, wait_until
from support.provider import Provider

from fsm_orch import Runner, ScriptedModel
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Listed
from fsm_orch.store.sql import SqlStore

pytestmark = pytest.mark.slow

LEASE_S = 2.0
WORDS = ("--lease-s", str(LEASE_S), "--concurrency", "8", "--also", "support.engines.approvals")


class Tried:
    """An engine on its bench, as the test sees it."""

    def __init__(self, bench: Bench, provider: Provider, folder: Path) -> None:
        self.bench, self.provider, self._folder = bench, provider, folder
        self.store = SqlStore(bench.store_url, lease_s=LEASE_S)
        self.errands = self._runner(Errands)
        self.approvals = self._runner(Approvals)

    def _runner(self, machine: Any) -> Runner[Any, Any]:
        return Runner(machine, model=ScriptedModel([], name="compatible:m"), store=self.store)

    def worker(self) -> WorkerProcess:
        """Return a worker, which runs as long as its block."""
        return WorkerProcess(self.bench.store_url, self.provider, self._folder, *WORDS, *self.bench.words)

    def queue(self, runs: int) -> None:
        """Queue errands r0, r1 ..."""
        asyncio.run(self.bench.enqueue(self.errands, {f"r{n}": Errand(name=f"<r{n}>") for n in range(runs)}))

    def rows(self) -> Sequence[Listed]:
        """Return where all runs stand."""
        return asyncio.run(self.store.list(limit=10_000))

    def row(self, run_id: str) -> Listed:
        """Return where a run stands."""
        (row,) = asyncio.run(self.store.list(run_id=run_id))
        return row

    def journal(self, run_id: str) -> tuple[Input, ...]:
        """Return a journal."""
        return asyncio.run(self.store.load(run_id))

    def is_over(self) -> bool:
        """Return whether all runs have ended."""
        return all(row.head.status == "finished" for row in self.rows())

    def check(self, runs: int) -> int:
        """Check that each run ended well, that no settled call was sent again, and return how many calls were lost."""
        all_lost, times = 0, asked(self.provider)
        rows = self.rows()
        assert runs == len(rows)
        assert {("done", "finished")} == {(row.head.state, row.head.status) for row in rows}
        for row in rows:
            journal = self.journal(row.run_id)
            reserved = sum(isinstance(event, inputs.CallReserved) for event in journal)
            lost = sum(isinstance(event, inputs.CallSettled) and event.usage is None for event in journal)
            assert 2 + lost == reserved  # each settled call is one that the run needed
            assert 2 <= times[row.run_id] <= reserved  # and whatever was sent was reserved before
            all_lost += lost
        return all_lost


@pytest.fixture(params=list(ENGINES))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Give each engine in turn."""
    with ENGINES[request.param]() as made:
        yield made


@contextmanager
def trying(bench: Bench, folder: Path, *, takes_s: float = 0.0) -> Iterator[Tried]:
    """Try an engine against a server of models that takes so long to answer."""
    with serving(takes_s=takes_s) as provider:
        tried = Tried(bench, provider, folder)
        try:
            yield tried
        finally:
            tried.store.close()


def test_what_is_queued_twice_is_one_run(bench: Bench, tmp_path: Path) -> None:
    """Runs are driven to their ends, and one that was queued again, before and after, is still one."""
    with trying(bench, tmp_path) as tried:
        tried.queue(6)
        tried.queue(6)
        with tried.worker() as worker:
            wait_until(tried.is_over, lambda: worker.said)
            tried.queue(6)
            worker.send(signal.SIGTERM)
            assert 0 == worker.ended(), worker.said

        assert 0 == tried.check(6)
        assert {2} == set(asked(tried.provider).values())
