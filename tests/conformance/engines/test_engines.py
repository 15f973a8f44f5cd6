"""What every engine promises over our journal: whatever it loses or does twice, each run is driven to its end, once.

Workers are processes of `fsm-orch worker --engine NAME`, killed and drained for real; models are a server on loopback.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance.engines.engines import ENGINES
from support.engines.approvals import Approvals, Favour, Hurried
from support.engines.bench import Bench
from support.errands import Errand, Errands
from support.fleet import WorkerProcess, asked, check_calls, named, serving, wait_until
from support.provider import Provider

from fsm_orch import Runner, ScriptedModel
from fsm_orch.cli.worker_engines import EngineName
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Listed
from fsm_orch.store.sql import SqlStore

LEASE_S = 60.0
"""Longer than a machine that has much else to do keeps a process from its next beat."""
SOON_S = 10.0
"""Likewise, where somebody waits until it is over."""
_ALSO = "support.engines.approvals"
WORDS = ("--concurrency", "8", "--also", f"{_ALSO}:Approvals", "--also", f"{_ALSO}:Hurried")


class Tried:
    """An engine on its bench, as the test sees it."""

    def __init__(self, bench: Bench, provider: Provider, folder: Path, lease_s: float) -> None:
        self.bench, self.provider, self._folder = bench, provider, folder
        self._words = ("--lease-s", str(lease_s), *WORDS, *bench.words)
        self.store = SqlStore(bench.store_url, lease_s=lease_s)
        self.errands = self._runner(Errands)
        self.approvals, self.hurried = self._runner(Approvals), self._runner(Hurried)

    def _runner(self, machine: Any) -> Runner[Any, Any]:
        return Runner(machine, model=ScriptedModel([], name="compatible:m"), store=self.store)

    def worker(self) -> WorkerProcess:
        """Return a worker, which runs as long as its block."""
        return WorkerProcess(self.bench.store_url, self.provider, self._folder, *self._words)

    def queue(self, runs: int) -> None:
        """Queue errands r0, r1 ..."""
        asyncio.run(self.bench.enqueue(self.errands, {f"r{n}": Errand(name=f"<r{n}>") for n in range(runs)}))

    def hurry(self) -> None:
        """Queue a run h0 whose human has a second."""
        asyncio.run(self.bench.enqueue(self.hurried, {"h0": Favour(name="x")}))

    def ask(self, runs: int) -> None:
        """Queue runs a0, a1 ... that ask a human."""
        asyncio.run(self.bench.enqueue(self.approvals, {f"a{n}": Favour(name=f"<a{n}>") for n in range(runs)}))

    def answer(self, run_id: str) -> None:
        """Let a human say yes to what a run asks, as somebody does who drives nothing."""
        (question,) = self.approvals.replay(self.journal(run_id)).waiting
        asyncio.run(self.store.post(run_id, question.key, "by mail", {"handoff": "yes"}))

    async def redeliver(self, run_id: str, times: int) -> None:
        """Let the engine deliver a run several times more."""
        runner = self.approvals if run_id.startswith("a") else self.errands
        await asyncio.gather(*(self.bench.deliver(runner, run_id, 1) for _ in range(times)))

    def rows(self) -> Sequence[Listed]:
        """Return where all runs stand."""
        return asyncio.run(self.store.list(limit=10_000))

    def row(self, run_id: str) -> Listed:
        """Return where a run stands."""
        (row,) = asyncio.run(self.store.list(run_id=run_id))
        return row

    def paid(self) -> Counter[str]:
        """Return the tokens that the provider has counted for each run."""
        paid = Counter[str]()
        for each in self.provider.completions:
            paid[named(each)] += each.reported or 0
        return paid

    def journal(self, run_id: str) -> tuple[Input, ...]:
        """Return a journal."""
        return asyncio.run(self.store.load(run_id))

    def held(self) -> dict[str, str]:
        """Return which runs are under way, and who drives each."""
        return {row.run_id: row.owner for row in self.rows() if row.head.status != "finished" and row.owner is not None}

    def asking(self) -> set[str | None]:
        """Return who drives the runs whose calls are under way."""
        held = self.held()
        return {held.get(named(each)) for each in self.provider.open}

    def is_at(self, status: str, runs: int) -> bool:
        """Return whether so many runs stand so."""
        return runs == sum(row.head.status == status for row in self.rows())

    def is_over(self) -> bool:
        """Return whether all runs have ended."""
        rows = self.rows()
        return bool(rows) and all(row.head.status == "finished" for row in rows)

    def check(self, runs: int) -> int:
        """Check that each run ended well, settled no less than was paid, and that no settled call was sent again.

        Return how many calls were lost.
        """
        all_lost, times, paid = 0, asked(self.provider), self.paid()
        rows = self.rows()
        assert runs == len(rows)
        assert {("done", "finished")} == {(row.head.state, row.head.status) for row in rows}
        for row in rows:
            assert paid[row.run_id] <= row.head.tokens
            all_lost += check_calls(self.journal(row.run_id), times[row.run_id])
        return all_lost


def test_every_engine_of_a_worker_is_tried() -> None:
    """Whoever may say which run is driven stands in the table of this suite, but for the store."""
    assert {each.value for each in EngineName} - {"store"} == set(ENGINES)


@pytest.fixture(params=list(ENGINES))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Give each engine in turn."""
    with ENGINES[request.param]() as made:
        yield made


@contextmanager
def trying(bench: Bench, folder: Path, *, takes_s: float = 0.0, lease_s: float = LEASE_S) -> Iterator[Tried]:
    """Try an engine against a server of models that takes so long to answer."""
    with serving(takes_s=takes_s) as provider:
        tried = Tried(bench, provider, folder, lease_s)
        try:
            yield tried
        finally:
            tried.store.close()


@pytest.mark.slow
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


@pytest.mark.slow
def test_runs_of_a_worker_that_was_killed_are_driven_by_another(bench: Bench, tmp_path: Path) -> None:
    """Each ends well; each call that was under way is charged once more, and no other is sent again."""
    with trying(bench, tmp_path, lease_s=SOON_S) as tried, tried.worker() as dies, tried.worker() as lives:
        wait_until(lambda: dies.events() and lives.events(), lambda: dies.said + lives.said)
        with tried.provider.holding():
            tried.queue(60)
            wait_until(lambda: len(tried.asking() - {None}) == 2, lambda: dies.said + lives.said)
            dies.send(signal.SIGKILL)
            assert -signal.SIGKILL == dies.ended()
            held = tried.held()
            cut = wait_until(lambda: [each for each in tried.provider.completions if each.hung_up.is_set()])
        wait_until(tried.is_over, lambda: lives.said)
        lives.send(signal.SIGTERM)
        assert 0 == lives.ended(), lives.said
        lost = tried.check(60)

    assert 1 <= len(cut) <= lost <= len(held)


@pytest.mark.slow
def test_what_is_delivered_twice_is_driven_once(bench: Bench, tmp_path: Path) -> None:
    """Of several deliveries at once, to two workers, one drives the run; the others do nothing."""
    with trying(bench, tmp_path, takes_s=0.5) as tried:
        tried.queue(6)
        before = {row.run_id: row.epoch for row in tried.rows()}
        for run_id in before:
            asyncio.run(tried.redeliver(run_id, 3))
        with tried.worker() as one, tried.worker() as other:
            wait_until(tried.is_over, lambda: one.said + other.said)

        assert 0 == tried.check(6)
        assert before == {row.run_id: row.epoch - 1 for row in tried.rows()}  # each claim raises it


@pytest.mark.slow
def test_what_is_delivered_late_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """Of a run that has ended, and of one that waits, nothing is stored, and no model is asked."""
    with trying(bench, tmp_path) as tried, tried.worker() as worker:
        tried.queue(1)
        tried.ask(1)
        wait_until(lambda: tried.is_at("waiting", 1) and tried.is_at("finished", 1), lambda: worker.said)
        before = {run_id: tried.journal(run_id) for run_id in ("r0", "a0")}
        for run_id in before:
            asyncio.run(tried.redeliver(run_id, 2))
        tried.queue(2)  # r1 is delivered after them
        wait_until(lambda: tried.is_at("finished", 2), lambda: worker.said)

        assert before == {run_id: tried.journal(run_id) for run_id in before}
        assert {"r0": 2, "r1": 2, "a0": 1} == asked(tried.provider)


@pytest.mark.slow
def test_a_run_that_waits_is_driven_again_once_it_is_answered(bench: Bench, tmp_path: Path) -> None:
    """No worker holds it meanwhile, and one that began after the answer was given drives it too."""
    with trying(bench, tmp_path) as tried:
        tried.ask(4)
        with tried.worker() as worker:
            wait_until(lambda: tried.is_at("waiting", 4), lambda: worker.said)
            tried.answer("a0")
            tried.answer("a1")
            wait_until(lambda: tried.is_at("finished", 2), lambda: worker.said)
            worker.send(signal.SIGTERM)
            assert 0 == worker.ended(), worker.said
        assert {None} == {tried.row(run_id).owner for run_id in ("a2", "a3")}
        tried.answer("a2")
        tried.answer("a3")
        with tried.worker() as worker:
            wait_until(tried.is_over, lambda: worker.said)

        assert 0 == tried.check(4)


@pytest.mark.slow
def test_a_question_expires_that_nobody_answers(bench: Bench, tmp_path: Path) -> None:
    """A run that has waited for so long is driven on, over what its machine declares for that."""
    with trying(bench, tmp_path) as tried, tried.worker() as worker:
        tried.hurry()
        wait_until(tried.is_over, lambda: worker.said)

        assert ["ask -late-> declined"] == [str(step) for step in tried.hurried.replay(tried.journal("h0")).path]


@pytest.mark.slow
def test_a_worker_that_is_drained_hands_its_runs_back(bench: Bench, tmp_path: Path) -> None:
    """It exits with 0 once what was sent is answered; others go on, and no call is charged twice."""
    with trying(bench, tmp_path) as tried:
        tried.queue(24)
        with tried.worker() as drained:
            with tried.provider.holding():
                wait_until(lambda: len(tried.provider.open) == 8, lambda: drained.said)
                drained.send(signal.SIGSTOP)
                drained.send(signal.SIGTERM)  # it hears of it before the first answer
            drained.send(signal.SIGCONT)
            assert 0 == drained.ended(), drained.said
        rows = tried.rows()
        with tried.worker() as takes:
            wait_until(tried.is_over, lambda: takes.said)
            takes.send(signal.SIGINT)
            assert 0 == takes.ended(), takes.said

        assert {None} == {row.owner for row in rows if row.head.status != "finished"}
        assert any(row.head.status == "running" and row.inputs > 1 for row in rows)
        assert 0 == tried.check(24)
        assert {2} == set(asked(tried.provider).values())


@pytest.mark.slow
def test_no_run_is_lost_when_the_database_of_the_engine_crashes(bench: Bench, tmp_path: Path) -> None:
    """Two workers go on through two crashes of the engine's database, and the death of one of them."""
    with (
        trying(bench, tmp_path, takes_s=0.2, lease_s=SOON_S) as tried,
        tried.worker() as lives,
        tried.worker() as dies,
    ):
        tried.queue(100)
        wait_until(lambda: len(asked(tried.provider)) >= 20, lambda: lives.said + dies.said)
        bench.crash()
        wait_until(lambda: len(asked(tried.provider)) >= 40, lambda: lives.said + dies.said)
        dies.send(signal.SIGSTOP)
        held = tried.held()
        dies.send(signal.SIGKILL)
        bench.crash()
        wait_until(tried.is_over, lambda: lives.said)
        lives.send(signal.SIGTERM)
        assert 0 == lives.ended(), lives.said

        assert tried.check(100) <= len(held)
