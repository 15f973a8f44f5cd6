"""What engines cost beside our own worker: runs a second, and the time to recover from a death and from a crash.

    python tests/benchmarks/engines.py            our own worker, and each engine
    python tests/benchmarks/engines.py own dbos   these

Workers are two processes of `fsm-orch worker`; the server of models is a thread of this one. Nothing asserts a time.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`

from conformance.engines.engines import ENGINES
from support.engines.bench import Bench
from support.engines.own_bench import own_bench
from support.errands import Errand, Errands
from support.fleet import WorkerProcess, asked, serving, wait_until
from support.provider import Provider

from fsm_orch import Runner, ScriptedModel
from fsm_orch.store import Listed
from fsm_orch.store.sql import SqlStore

BENCHES = {"own": own_bench, **ENGINES}
LEASE_S = 2
WORDS = ("--lease-s", str(LEASE_S), "--poll-s", "0.2", "--concurrency", "50")


class Measured:
    """Two workers on one bench."""

    def __init__(self, bench: Bench, provider: Provider, folder: Path, stack: ExitStack) -> None:
        self.bench, self.provider = bench, provider
        self.store = SqlStore(bench.store_url)
        stack.callback(self.store.close)
        self._runner = Runner(Errands, model=ScriptedModel([], name="compatible:m"), store=self.store)
        self._runs = 0
        words = (*WORDS, *bench.words)
        self.workers = [stack.enter_context(WorkerProcess(bench.store_url, provider, folder, *words)) for _ in range(2)]
        self.queue(20)  # until all are there
        time.sleep(8)
        self.wait()

    def queue(self, runs: int) -> float:
        """Queue runs, and return the seconds that it took."""
        names = [f"r{n}" for n in range(self._runs, self._runs + runs)]
        began = time.perf_counter()
        asyncio.run(self.bench.enqueue(self._runner, {name: Errand(name=f"<{name}>") for name in names}))
        self._runs += runs
        return time.perf_counter() - began

    def rows(self, **options: Any) -> list[Listed]:
        """Return runs."""
        return list(asyncio.run(self.store.list(limit=10_000, **options)))

    def wait(self) -> None:
        """Wait until all runs have ended."""
        wait_until(
            lambda: len(self.rows(status="finished")) == self._runs, lambda: "".join(w.said for w in self.workers)
        )

    def kill(self) -> tuple[int, float, float]:
        """Kill a worker. Return how many runs it held, and the seconds until the first and the last is another's."""
        wait_until(lambda: len({row.owner for row in self.rows(status="running")} - {None}) == 2)
        asked_before = sum(asked(self.provider).values())
        wait_until(lambda: sum(asked(self.provider).values()) > asked_before + 40)
        self.workers[0].send(signal.SIGKILL)
        self.workers[0].ended()
        died, held = time.perf_counter(), {row.run_id: row.owner for row in self.rows(status="running") if row.owner}
        (dead,) = wait_until(lambda: {row.owner for row in self.rows(status="running") if _is_dead(row)})
        held, left = {run_id: owner for run_id, owner in held.items() if owner == dead}, list[float]()
        while still := sum(row.owner == dead for row in self.rows(status="running")):
            left += [time.perf_counter() - died] * (len(held) - len(left) - still)
            time.sleep(0.02)
        last = time.perf_counter() - died
        return len(held), left[0] if left else last, last


def _is_dead(run: Listed) -> bool:
    return run.owner is not None and not run.is_driven


@contextmanager
def measured(name: str, *, takes_s: float = 0.0) -> Iterator[Measured]:
    """Have two workers."""
    with (
        BENCHES[name]() as bench,
        tempfile.TemporaryDirectory() as folder,
        serving(takes_s=takes_s) as provider,
        ExitStack() as stack,
    ):
        yield Measured(bench, provider, Path(folder), stack)


def runs(name: str, count: int = 500) -> None:
    """Print how many runs a second are queued and worked off."""
    with measured(name) as two:
        before = sum(asked(two.provider).values())
        began = time.perf_counter()
        took = two.queue(count)
        two.wait()
        seconds = time.perf_counter() - began
        calls = sum(asked(two.provider).values()) - before
        _say(engine=name, runs=count, enqueue_ms=round(took / count * 1e3, 2), calls=calls,
             runs_s=round(count / seconds, 1))  # fmt: skip


def death(name: str, count: int = 200) -> None:
    """Print how long after the death of a worker its runs are another's, and all have ended."""
    with measured(name, takes_s=1.0) as two:
        two.queue(count)
        began = time.perf_counter()
        held, first, last = two.kill()
        two.wait()
        _say(engine=name, lease_s=LEASE_S, held=held, first_s=round(first, 2), last_s=round(last, 2),
             all_ended_s=round(time.perf_counter() - began, 1), **_judged(two))  # fmt: skip


def crash(name: str, count: int = 300) -> None:
    """Print what becomes of runs when the database of the engine crashes under them, and how soon models are asked."""
    with measured(name, takes_s=0.5) as two:
        two.queue(count)
        wait_until(lambda: len(asked(two.provider)) >= count // 3)
        two.bench.crash()
        up, before = time.perf_counter(), sum(asked(two.provider).values())
        wait_until(lambda: sum(asked(two.provider).values()) > before + 10)
        again = time.perf_counter() - up
        two.wait()
        _say(engine=name, runs=count, asked_again_s=round(again, 2), all_ended_s=round(time.perf_counter() - up, 1),
             **_judged(two))  # fmt: skip


def _judged(two: Measured) -> dict[str, int]:
    """Return how many runs ended well, and how many calls were charged that the provider has not counted."""
    rows = two.rows()
    paid = sum(each.reported or 0 for each in two.provider.completions)
    return {
        "done": sum(row.head.state == "done" for row in rows),
        "settled": sum(row.head.tokens for row in rows),
        "paid": paid,
        "calls": sum(asked(two.provider).values()),
    }


def _say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    for each in sys.argv[1:] or list(BENCHES):
        for measure in (runs, death, crash):
            measure(each)
