"""What one store can carry, for the plan past the machines that we have. Measured, on PostgreSQL.

    python tests/benchmarks/fleet.py units     what a beat, a look, a claim, an append and a release cost the server
    python tests/benchmarks/fleet.py sizes     bytes of a run, and of each hop of it
    python tests/benchmarks/fleet.py two       runs a second of one worker and of two, whose models take four seconds

With no word, all; one JSON line each. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`

from benchmarks.workers import _analyzed, _ended, _filled, _queued
from support.fleet import WorkerProcess, serving, wait_until
from support.servers import postgres

from fsm_orch.amounts import Usage
from fsm_orch.kernel import inputs
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.dialect import Statement

OPEN, FINISHED, WORKERS, TIMES = 10_000, 40_000, 1_000, 40


def units() -> None:
    """Print what each thing costs, alone and 50 at once: 1,000 workers beat, half of 20,000 open runs are driven."""
    url = postgres().database("fleet")
    asyncio.run(_units(SqlStore(url, lease_s=600), SqlStore(url, lease_s=600)))


async def _units(store: SqlStore, other: SqlStore) -> None:
    for each in (store, other):
        await each.beat()
    await _filled(store, "e", FINISHED, Head("a", "finished", 1, 5))
    await _filled(store, "o", OPEN, Head("a"), is_queued=True)
    await _filled(other, "d", OPEN, Head("a"))  # that others drive
    other.close()
    alive = "INSERT INTO fsm_workers SELECT 'w' || n, extract(epoch from now()) + 600 FROM generate_series(1, %(n)s) n"
    await store._do(lambda session: session.each(Statement(alive, {}), [{"n": WORKERS}]))
    await _analyzed(store)
    (row,) = await store._do(lambda session: session.rows(Statement("SELECT pg_backend_pid()", {}), {}))
    _SERVER.append(Path(f"/proc/{row[0]}/schedstat"))
    await _timed("a beat", store.beat)
    for limit in (1, 50, 200, 3_200):
        await _timed(f"a look of {limit}", lambda limit=limit: store.claimable(["d"], expired_before=0.0, limit=limit))
    names = iter(range(OPEN))
    claims: dict[str, int] = {}

    async def claim() -> None:
        run_id = f"o{next(names)}"
        claimed = await store.claim(run_id)
        assert claimed is not None
        claims[run_id] = claimed.epoch

    await _timed("a claim", claim)
    await _timed("a claim, of 50 at once", lambda: _at_once(claim, 50), parts=50)
    positions = dict.fromkeys(claims, 1)
    driven = iter(list(claims) * 100)

    async def append() -> None:
        run_id = next(driven)
        start, positions[run_id] = positions[run_id], positions[run_id] + 3
        await store.append(run_id, start, _HOP, Head("a", "running", start, 5), epoch=claims[run_id])

    await _timed("an append of 3 inputs", append)
    await _timed("an append, of 50 at once", lambda: _at_once(append, 50), parts=50)
    left = iter(list(claims))

    async def release() -> None:
        run_id = next(left)
        await store.release(run_id, epoch=claims[run_id])

    await _timed("a release", release)
    await _timed("a release, of 50 at once", lambda: _at_once(release, 50), parts=50)
    store.close()


_HOP = [
    inputs.CallReserved(call=1, input_tokens=500, output_tokens=256, at=1.0),
    inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=480, output_tokens=60), at=2.0),
    inputs.Replied(handoff="on", changes={"answer": "x" * 200}, at=2.0),
]


async def _at_once(what: Callable[[], Awaitable[Any]], count: int) -> None:
    await asyncio.gather(*(what() for _ in range(count)))


async def _timed(name: str, what: Callable[[], Awaitable[Any]], *, parts: int = 1) -> None:
    for _ in range(10):  # the server plans a statement anew for the first of them
        await what()
    took, server, here = list[float](), _server_s(), time.process_time()
    for _ in range(TIMES):
        began = time.perf_counter()
        await what()
        took.append((time.perf_counter() - began) / parts)
    server, here = _server_s() - server, time.process_time() - here
    _say(
        measured=name,
        server_cpu_ms=round(server * 1e3 / TIMES / parts, 3),
        worker_cpu_ms=round(here * 1e3 / TIMES / parts, 3),
        best_ms=round(min(took) * 1e3, 3),
        median_ms=round(statistics.median(took) * 1e3, 3),
    )


_SERVER = list[Path]()
"""Where Linux tells the time that the server's process was on a processor."""


def _server_s() -> float:
    return int(_SERVER[0].read_text().split()[0]) / 1e9


def sizes() -> None:
    """Print how many bytes a run takes, and each hop of it, with indexes."""
    asyncio.run(_sizes(SqlStore(postgres().database("fleet_sizes"))))


async def _sizes(store: SqlStore) -> None:
    asked = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('fsm_runs', 'fsm_inputs')"
    runs, hops, were = 5_000, 4, 0.0
    await store.beat()
    for hop in range(hops + 1):
        if not hop:
            await _filled(store, "r", runs, Head("a"))
        else:
            for n in range(runs // 500):
                at = 3 * hop - 2
                named, head = (f"r{500 * n + each}" for each in range(500)), Head("a", "running", hop, 5)
                await asyncio.gather(*(store.append(run, at, _HOP, head, epoch=1) for run in named))
        ((size,),) = await store._do(lambda session: session.rows(Statement(asked, {}), {}))
        _say(
            measured=f"bytes of a run after {hop} hops of 3 inputs",
            bytes=round(float(size) / runs),
            more=round((float(size) - were) / runs),
        )
        were = float(size)
    store.close()


def two() -> None:
    """Print how many runs a second one worker and two work off, where models take four seconds."""
    runs, words = 16, ("--poll-s", "0.2", "--concurrency", "4")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder, serving(takes_s=4) as provider, ExitStack() as stack:
            url = postgres().database("fleet_two")
            store = SqlStore(url)
            asyncio.run(store.beat())
            for _ in range(workers):
                stack.enter_context(WorkerProcess(url, provider, Path(folder), *words))
            time.sleep(15)  # until they are there
            began = time.perf_counter()
            _queued(store, runs)
            wait_until(lambda store=store: _ended(store) == runs)
            seconds = time.perf_counter() - began
            _say(measured="runs a second", workers=workers, runs_s=round(runs / seconds, 2), most=workers * 4 / 8)
            store.close()


def _say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    measures = {"units": units, "sizes": sizes, "two": two}
    for name in sys.argv[1:] or list(measures):
        measures[name]()
