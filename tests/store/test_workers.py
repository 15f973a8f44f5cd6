"""Workers as processes on one store: killed, stopped and woken, or drained; nothing is lost, and nothing done twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.errands import Errand, Errands
from support.fleet import WorkerProcess, asked, check_calls, serving, wait_until
from support.provider import Provider
from support.servers import own_postgres, postgres

from fsm_orch import Runner, ScriptedModel
from fsm_orch.errors import StoreError
from fsm_orch.store import Listed
from fsm_orch.store.sql import SqlStore

LEASE_S = 20.0
"""Long enough for a beat to come in time though a process has nothing of the machine for ten seconds."""
WORDS = ("--lease-s", str(LEASE_S), "--poll-s", "0.1", "--concurrency", "8")
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


def url_of(kind: str, folder: Path) -> str:
    """Return the URL of a database without tables."""
    return f"sqlite:///{folder}/runs.db" if kind == "sqlite" else postgres().database("fresh")


class Seen:
    """A store that several workers share, as the test sees it."""

    def __init__(self, url: str, runs: int) -> None:
        self.store, self.hasty, self.runs = SqlStore(url), SqlStore(url, patience_s=0), runs

    def queue(self) -> None:
        """Queue the runs."""
        runner = Runner(Errands, model=ScriptedModel([], name="compatible:m"), store=self.store)

        async def all_of_them() -> None:
            await asyncio.gather(*(runner.enqueue(Errand(name=f"<r{n}>"), run_id=f"r{n}") for n in range(self.runs)))

        asyncio.run(all_of_them())

    def rows(self) -> Sequence[Listed]:
        """Return where all runs stand."""
        return asyncio.run(self.store.list(limit=10_000))

    def held(self) -> dict[str, str]:
        """Return which runs are under way, and who drives each."""
        open_runs = (row for row in self.rows() if row.head.status != "finished")
        return {row.run_id: row.owner for row in open_runs if row.owner is not None}

    def kill(self, worker: WorkerProcess, owner: str) -> list[str]:
        """Kill a worker while it drives runs, and return which."""
        left = self.stop(worker, owner)
        worker.send(signal.SIGKILL)
        assert -signal.SIGKILL == worker.ended()
        return left

    def stop(self, worker: WorkerProcess, owner: str) -> list[str]:
        """Stop a worker while it drives runs and keeps no lock of the database, and return which runs.

        It drives none between its last runs and its next, and SQLite has one transaction at a time. Nobody else may
        drive runs on meanwhile.
        """

        def stopped() -> list[str]:
            worker.send(signal.SIGSTOP)
            if not self.is_locked() and (runs := [run_id for run_id, who in self.settled().items() if who == owner]):
                return runs
            worker.send(signal.SIGCONT)
            return []

        runs: list[str] = wait_until(stopped, lambda: worker.said)
        return runs

    def settled(self) -> dict[str, str]:
        """Return which runs are under way once that stays: what a stopped worker had sent may be done yet."""
        before, now = None, self.held()
        while before != now:
            time.sleep(0.2)
            before, now = now, self.held()
        return now

    def is_locked(self) -> bool:
        """Return whether somebody is within a transaction that keeps others from writing."""
        try:
            asyncio.run(self.hasty.beat())
        except StoreError:
            return True
        return False

    def are_taken(self, runs: Sequence[str], owner: str) -> bool:
        """Return whether others have claimed all runs of an owner whose lease is over."""
        kept = {row.run_id for row in self.rows() if row.owner in (None, owner) and row.head.status != "finished"}
        return kept.isdisjoint(runs)

    def is_over(self) -> bool:
        """Return whether all runs have ended."""
        return sum(row.head.status == "finished" for row in self.rows()) == self.runs

    def check(self, provider: Provider) -> int:
        """Check that all ended well, and that no settled call was sent again. Return how many calls were lost."""
        all_lost, times = 0, asked(provider)
        assert {("done", "finished")} == {(row.head.state, row.head.status) for row in self.rows()}
        for n in range(self.runs):
            all_lost += check_calls(asyncio.run(self.store.load(f"r{n}")), times[f"r{n}"])
        return all_lost


@KINDS
def test_of_two_workers_one_is_killed_and_one_stopped_and_woken(kind: str, tmp_path: Path) -> None:
    """Others take their runs once their leases are over; who wakes up is fenced at each run that was taken."""
    url = url_of(kind, tmp_path)
    seen = Seen(url, 80)
    seen.queue()
    with (
        serving(takes_s=1.0) as provider,
        WorkerProcess(url, provider, tmp_path, *WORDS) as killed,
        ExitStack() as stack,
    ):
        with provider.holding():
            (dead,) = wait_until(lambda: {*seen.held().values()}, lambda: killed.said)
            stopped = stack.enter_context(WorkerProcess(url, provider, tmp_path, *WORDS))
            (zombie,) = wait_until(lambda: {*seen.held().values()} - {dead}, lambda: stopped.said)
            left = seen.kill(killed, dead)
        wait_until(lambda: len(provider.completions) >= 40, lambda: stopped.said)
        before = seen.stop(stopped, zombie)
        with WorkerProcess(url, provider, tmp_path, *WORDS) as taking:
            wait_until(lambda: seen.are_taken(before, zombie), lambda: taking.said)
            stopped.send(signal.SIGCONT)
            wait_until(seen.is_over, lambda: taking.said + stopped.said)
            wait_until(lambda: len(stopped.reports("was claimed since")) >= len(before), lambda: stopped.said)
            for each in (taking, stopped):
                each.send(signal.SIGTERM)
            assert [0, 0] == [taking.ended(), stopped.ended()]
        lost = seen.check(provider)

    assert sorted(before) == sorted(line.split("'")[1] for line in stopped.reports("was claimed since"))
    assert lost <= len(left) + len(before)


@KINDS
def test_a_worker_that_is_told_to_end_lets_go_of_its_runs(kind: str, tmp_path: Path) -> None:
    """It exits with 0 once what was sent is answered; its runs go on elsewhere, and nothing is charged for it."""
    url = url_of(kind, tmp_path)
    seen = Seen(url, 24)
    seen.queue()
    with serving() as provider:
        with WorkerProcess(url, provider, tmp_path, *WORDS) as drained:
            with provider.holding():
                wait_until(lambda: len(provider.open) == 8, lambda: drained.said)
                drained.send(signal.SIGSTOP)
                drained.send(signal.SIGTERM)  # it hears of it before the first answer
            drained.send(signal.SIGCONT)
            assert 0 == drained.ended(), drained.said
        rows = seen.rows()
        with WorkerProcess(url, provider, tmp_path, *WORDS) as taking:
            wait_until(seen.is_over, lambda: taking.said)
            taking.send(signal.SIGINT)
            assert 0 == taking.ended()
        lost = seen.check(provider)
        times = asked(provider)

    assert ["worker_started", "worker_drained"] == [
        line["event"] for line in drained.events() if line["event"] != "report"
    ]
    assert {None} == {row.owner for row in rows if row.head.status != "finished"}
    assert any(row.head.status == "running" and row.inputs > 1 for row in rows)
    assert 0 == lost
    assert {2} == set(times.values())


def test_a_second_signal_does_not_wait_for_what_is_under_way(tmp_path: Path) -> None:
    """Its calls are charged in full where the runs go on, which are free at once."""
    url = url_of("sqlite", tmp_path)
    seen = Seen(url, 4)
    seen.queue()
    with serving(takes_s=600) as silent, WorkerProcess(url, silent, tmp_path, *WORDS) as hasty:
        wait_until(lambda: len(asked(silent)) == 4, lambda: hasty.said)
        hasty.send(signal.SIGTERM)
        hasty.send(signal.SIGINT)
        assert 0 == hasty.ended(), hasty.said
        assert {} == seen.held()
    with serving() as provider, WorkerProcess(url, provider, tmp_path, *WORDS) as taking:
        wait_until(seen.is_over, lambda: taking.said)

        assert 4 == seen.check(provider)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [150, pytest.param(1_500, marks=pytest.mark.long)])
def test_workers_lose_no_run_of_a_server_that_restarts(runs: int, tmp_path: Path) -> None:
    """Two workers go on through three crashes of their server: each run ends well, and no call is sent twice."""
    server = own_postgres()
    seen = Seen(server.url, runs)
    seen.queue()
    words = ("--concurrency", "32", "--lease-s", "60")
    with (
        serving() as provider,
        WorkerProcess(server.url, provider, tmp_path, *words) as one,
        WorkerProcess(server.url, provider, tmp_path, *words) as other,
    ):
        for part in (1, 3, 5):
            wait_until(lambda part=part: len(asked(provider)) >= runs * part // 6, lambda: one.said + other.said)  # type: ignore[misc]
            server.stop()
            server.start()
        wait_until(seen.is_over, lambda: one.said + other.said)
        lost = seen.check(provider)
        times = asked(provider)
        for each in (one, other):
            each.send(signal.SIGTERM)
            assert 0 == each.ended()

    assert 0 == lost
    assert {2} == set(times.values())
    assert runs == len(times)
