"""What a queue costs: runs a second through workers, the time to take over, and finding 50 among 101,000 runs.

    python tests/benchmarks/workers.py            all of it, one JSON line each
    python tests/benchmarks/workers.py runs       500 runs of two model calls, queued and worked off, by 1 and 2 workers
    python tests/benchmarks/workers.py inside     the same in one process, whose model answers at once
    python tests/benchmarks/workers.py takeover   from the death of a worker to when its runs are another's
    python tests/benchmarks/workers.py claimable  1,000 open runs among 101,000, and 100,000 that wait besides
    python tests/benchmarks/workers.py restarts   1,500 runs through three crashes of PostgreSQL

Workers are processes of `fsm-orch worker`; the server of models is a thread of this one. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`

from benchmarks.speed import Stub
from support.errands import Errand, Errands
from support.fleet import WorkerProcess, asked, serving, wait_until
from support.servers import own_postgres, postgres

from fsm_orch import Runner, ScriptedModel
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Store
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.dialect import Statement


@contextmanager
def urls() -> Iterator[dict[str, str]]:
    """Give a database of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        yield {"sqlite": f"sqlite:///{folder}/runs.db", "postgresql": postgres().database("bench")}


def _queued(store: Store, runs: int) -> float:
    """Queue runs, and return the seconds that it took."""
    runner = Runner(Errands, model=ScriptedModel([], name="compatible:m"), store=store)

    async def queue() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(runner.enqueue(Errand(name=f"<r{n}>"), run_id=f"r{n}") for n in range(runs)))
        return time.perf_counter() - began

    return asyncio.run(queue())


def _ended(store: Store) -> int:
    return len(asyncio.run(store.list(status="finished", limit=10_000)))


def runs() -> None:
    """Print how many runs a second are queued, and worked off."""
    for workers in (1, 2):
        with urls() as by_kind, tempfile.TemporaryDirectory() as folder, serving() as provider:
            for kind, url in by_kind.items():
                store = SqlStore(url)
                asyncio.run(store.beat())
                with ExitStack() as stack:
                    for _ in range(workers):
                        stack.enter_context(WorkerProcess(url, provider, Path(folder), "--poll-s", "0.1"))
                    time.sleep(8)  # until they are there
                    began = time.perf_counter()
                    took = _queued(store, 500)
                    wait_until(lambda store=store: _ended(store) == 500)
                    seconds = time.perf_counter() - began
                calls = sum(asked(provider).values())
                provider.requests.clear()
                _say(store=kind, workers=workers, enqueue_ms=round(took / 500 * 1e3, 2), calls=calls,
                     runs_s=round(500 / seconds, 1))  # fmt: skip
                store.close()


def inside() -> None:
    """Print how many runs a second are queued and worked off in one process, whose model answers at once."""

    async def measure(kind: str, url: str) -> None:
        runner = Runner(Errands, model=Stub(), store=SqlStore(url))
        assert isinstance(runner.store, SqlStore)
        await runner.store.beat()
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(runner.enqueue(Errand(name="x")) for _ in range(500)))
        queued = time.perf_counter() - began
        working = asyncio.ensure_future(runner.work())
        while len(await runner.store.list(status="finished", limit=500)) < 500:  # noqa: ASYNC110 - of any worker
            await asyncio.sleep(0.05)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        await runner.drain()
        await working
        _say(
            store=kind,
            enqueue_ms=round(queued / 500 * 1e3, 2),
            runs_s=round(500 / took),
            cpu_ms=round(cpu / 500 * 1e3, 2),
        )
        runner.store.close()

    with urls() as by_kind:
        for kind, url in by_kind.items():
            asyncio.run(measure(kind, url))


def takeover() -> None:
    """Print how long after the death of a worker its runs are another's."""
    with urls() as by_kind, tempfile.TemporaryDirectory() as folder, serving(takes_s=0.5) as provider:
        for kind, url in by_kind.items():
            store = SqlStore(url)
            _queued(store, 200)
            words = ("--lease-s", "2", "--poll-s", "0.2", "--concurrency", "25")
            with WorkerProcess(url, provider, Path(folder), *words) as dies:
                owners = _owners(store, lambda found: len(found) == 1)
                (dead,) = set(owners.values())
                with WorkerProcess(url, provider, Path(folder), *words, "--concurrency", "60") as takes:  # has room
                    _owners(store, lambda found: len(found) == 2)
                    dies.send(signal.SIGKILL)
                    died, left = time.perf_counter(), []
                    held = {run for run, owner in _under_way(store).items() if owner == dead}
                    while still := [run for run, owner in _under_way(store).items() if owner == dead]:
                        left.append((time.perf_counter() - died, len(still)))
                        time.sleep(0.01)
                    first = next((at for at, count in left if count < len(held)), left[-1][0])
                    last = time.perf_counter() - died
                    wait_until(lambda store=store: _ended(store) == 200, lambda takes=takes: takes.said)
            _say(store=kind, lease_s=2, poll_s=0.2, held=len(held), first_s=round(first, 2), last_s=round(last, 2))
            store.close()


def _under_way(store: Store) -> dict[str, str]:
    rows = asyncio.run(store.list(status="running", limit=10_000))
    return {row.run_id: row.owner for row in rows if row.owner is not None}


def _owners(store: Store, holds: Callable[[set[str]], bool]) -> dict[str, str]:
    return dict(wait_until(lambda: (found := _under_way(store)) and holds(set(found.values())) and found))


async def _filled(store: Store, name: str, count: int, head: Head, **options: Any) -> None:
    async def one(n: int) -> None:
        started = inputs.Started(run_id=f"{name}{n}", context={}, digest="d")
        await store.append(started.run_id, 0, [started], head, epoch=1, **options)

    for first in range(0, count, 500):
        await asyncio.gather(*(one(n) for n in range(first, min(count, first + 500))))


async def _found(store: Store, kind: str, **said: Any) -> None:
    looks, claims, rows = list[float](), list[float](), list[Any]()
    for _ in range(10):
        began = time.perf_counter()
        rows = list(await store.claimable(["d"], expired_before=1e9, limit=50))
        looks.append(time.perf_counter() - began)
        began = time.perf_counter()
        claimed = await asyncio.gather(*(store.claim(row.run_id) for row in rows))
        claims.append(time.perf_counter() - began)
        await asyncio.gather(
            *(store.release(row.run_id, epoch=each.epoch) for row, each in zip(rows, claimed, strict=True) if each)
        )
    look, claim = (round(statistics.median(times) * 1e3, 1) for times in (looks, claims))
    _say(store=kind, found=len(rows), look_ms=look, claim_50_ms=claim, **said)


async def _analyzed(store: SqlStore) -> None:
    """Let a server look at its tables, as its autovacuum does within a minute; a file is left as users have it."""
    if "postgresql" in repr(store):
        await store._do(lambda session: session.rows(Statement("ANALYZE", {}), {}))


def claimable() -> None:
    """Print how long it takes to find 50 runs, and to claim them."""

    async def measure(kind: str, url: str) -> None:
        store = SqlStore(url)
        await store.beat()
        await _filled(store, "e", 100_000, Head("a", "finished", 1, 5))
        await _filled(store, "o", 1_000, Head("a"), is_queued=True)
        await _analyzed(store)
        await _found(store, kind, of="101,000")
        await _filled(store, "w", 100_000, Head("a", "waiting", 1, 5, 2e9), is_queued=True)
        for n in range(20):
            await store.post(f"w{n * 1_000}", "q", "1", True)
            await store.ask_cancel(f"w{n * 1_000 + 1}")
        await _analyzed(store)
        await _found(store, kind, of="201,000, of which 100,000 wait")
        await _filled(store, "m", 10_000, Head("a"))
        await _analyzed(store)
        await _found(store, kind, of="211,000, of which 10,000 more are driven by another worker")
        store.close()

    with urls() as by_kind:
        for kind, url in by_kind.items():
            asyncio.run(measure(kind, f"{url}?sync=normal" if kind == "sqlite" else url))


def restarts(runs: int = 1_500) -> None:
    """Print what becomes of runs through three crashes of their server."""
    server = own_postgres()
    store = SqlStore(server.url)
    began = time.perf_counter()
    _queued(store, runs)
    with tempfile.TemporaryDirectory() as folder, serving() as provider, ExitStack() as stack:
        for _ in range(2):
            words = ("--concurrency", "64", "--lease-s", "60")
            stack.enter_context(WorkerProcess(server.url, provider, Path(folder), *words))
        for part in (1, 3, 5):
            wait_until(lambda part=part: len(asked(provider)) >= runs * part // 6)
            server.stop()
            server.start()
        wait_until(lambda: _ended(store) == runs)
        times = asked(provider)
        rows = asyncio.run(store.list(limit=10_000))
        _say(runs=runs, done=sum(row.head.state == "done" for row in rows), requests=sum(times.values()),
             twice=sum(count != 2 for count in times.values()), seconds=round(time.perf_counter() - began))  # fmt: skip
    store.close()


def _say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    measures = {"runs": runs, "inside": inside, "takeover": takeover, "claimable": claimable, "restarts": restarts}
    for name in sys.argv[1:] or list(measures):
        measures[name]()
