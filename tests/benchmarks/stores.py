"""What a journal costs: CPU time a hop with SQLite and PostgreSQL at 1, 64 and 1,000 runs at once, against no store.

    python tests/benchmarks/stores.py          hops, peers, list and prune, one JSON line a figure
    python tests/benchmarks/stores.py hops
    python tests/benchmarks/stores.py peers    LangGraph's and Burr's savers beside ours; `store_peers.py` says how
    python tests/benchmarks/stores.py list
    python tests/benchmarks/stores.py prune    40,000 runs that have finished, while another worker appends

Each figure is the median of rounds in which the stores take turns. CPU is of this process, its writer thread included;
what the server of PostgreSQL uses is not in it. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fsm_orch import MemoryStore, Runner
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Store
from fsm_orch.store.sql import SqlStore

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`, and for the machines of `speed`

from benchmarks.speed import CodeRing, Query, Ring, Stub
from benchmarks.store_peers import PEERS, Run
from support.servers import postgres

HOPS = 51
RUNS = 100_000
PRUNED = 40_000


async def _runs(runner: Runner[Query, None], runs: int, at_once: int) -> tuple[float, float]:
    """Return the microseconds of CPU and of wall time a hop."""
    gate = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with gate:
            await runner.run(Query(text="x"))

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(runs)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / runs / HOPS * 1e6, wall / runs / HOPS * 1e6


def hops() -> None:
    """Print what a hop costs."""
    for at_once, runs, rounds in ((1, 2, 5), (64, 64, 3), (1_000, 1_000, 1)):
        with tempfile.TemporaryDirectory() as folder:
            urls = {
                "sqlite full": f"sqlite:///{folder}/full.db",
                "sqlite normal": f"sqlite:///{folder}/normal.db?sync=normal",
                "postgresql": postgres().url,
            }
            stores: dict[str, Any] = {name: SqlStore(url) for name, url in urls.items()}
            figures: dict[str, list[tuple[float, float]]] = {}
            for _ in range(rounds):
                for name, store in {"none": None, "memory": MemoryStore(), **stores}.items():
                    runner = Runner(Ring, model=Stub(), store=store)
                    figures.setdefault(name, []).append(asyncio.run(_runs(runner, runs, at_once)))
            for store in stores.values():
                store.close()
        none, _ = _median(figures["none"])
        for name, came in figures.items():
            cpu, wall = _median(came)
            _say(runs=at_once, store=name, cpu_us=cpu, wall_us=wall, ratio=round(cpu / none, 2))


async def _in_turns(at_once: int, rounds: int, hops: int, folder: str) -> dict[str, list[tuple[float, float]]]:
    """Return the microseconds of CPU and wall time a hop, by store, of rounds in which all take turns."""
    figures: dict[str, list[tuple[float, float]]] = {}
    async with AsyncExitStack() as stack:
        play: dict[str, Run] = {}
        theirs = postgres().database(f"peers_{at_once}")
        for name, (package, opened) in PEERS.items():
            try:
                importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                _say(store=name, skipped=f"pip install {package}")
                continue
            play[name] = await stack.enter_async_context(opened(folder, theirs))
        stores = {
            "none": None,
            "sqlite": SqlStore(f"sqlite:///{folder}/ours.db"),
            "postgresql": SqlStore(postgres().url),
        }
        for name, store in stores.items():
            for machine in (Ring, CodeRing):
                of = "model" if machine is Ring else "code"
                play[f"fsm_orch {of} {name}"] = partial(_ours, Runner(machine, model=Stub(), store=store))
        for number in range(rounds):
            for name, run in play.items():
                # ours takes its 51 hops, which is what a hop costs of any number
                took = HOPS if name.startswith("fsm_orch") else hops
                cpu, wall = time.process_time(), time.perf_counter()
                await asyncio.gather(*(run(f"r{number}.{n}", took) for n in range(at_once)))
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                figures.setdefault(name, []).append((cpu / at_once / took * 1e6, wall / at_once / took * 1e6))
        for store in filter(None, stores.values()):
            store.close()
    return figures


async def _ours(runner: Runner[Query, None], run_id: str, hops: int) -> None:
    await runner.run(Query(text="x"))


def peers() -> None:
    """Print what a hop costs beside other libraries, and how large their files become."""
    for at_once, rounds, hops in ((1, 5, HOPS), (64, 3, HOPS), (1_000, 1, 10)):
        with tempfile.TemporaryDirectory() as folder:
            figures = asyncio.run(_in_turns(at_once, rounds, hops, folder))
            none = {
                name.rpartition(" ")[0]: _median(came)[0] for name, came in figures.items() if name.endswith("none")
            }
            for name, came in figures.items():
                cpu, wall = _median(came)
                ratio = round(cpu / none[name.rpartition(" ")[0]], 2)
                _say(runs=at_once, store=name, cpu_us=cpu, wall_us=wall, to_none=ratio)
            for file, plays in (("langgraph", hops), ("burr", hops), ("ours", 2 * HOPS)):
                size = sum(path.stat().st_size for path in Path(folder).glob(f"{file}.db*"))
                _say(runs=at_once, file=file, bytes_a_hop=round(size / (at_once * rounds * plays)))


def _median(came: Sequence[tuple[float, float]]) -> tuple[float, float]:
    cpu, wall = (round(statistics.median(part), 1) for part in zip(*came, strict=True))
    return cpu, wall


async def _filled(store: Store, runs: int) -> None:
    for first in range(0, runs, 500):
        await asyncio.gather(*(_ended(store, n) for n in range(first, first + 500)))


async def _ended(store: Store, n: int) -> None:
    started = inputs.Started(run_id=f"r{n}", context={}, digest="d", thread_id=f"t{n % 1_000}", tenant=f"n{n % 10}")
    head = Head("a", "waiting", 1, 5, float(n)) if n % 1_000 == 0 else Head("a", "finished", 1, 5)
    await store.append(f"r{n}", 0, [started], head, epoch=1)


async def _listing(store: Store) -> None:
    asked: Sequence[dict[str, Any]] = (
        *({}, {"after": "r50000"}, {"status": "waiting"}, {"expired_before": 5e4}, {"thread_id": "t7"}),
        *({"status": "finished"}, {"status": "running"}, {"run_id": "r50000"}),
        *({"tenant": "n3"}, {"tenant": "n3", "status": "finished", "after": "r50000"}, {"digest": "d"}),
    )
    for filters in asked:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            rows = await store.list(**filters)
            took.append(time.perf_counter() - began)
        _say(store=repr(store), list=filters, rows=len(rows), ms=round(statistics.median(took) * 1e3, 2))


def listed() -> None:
    """Print what a page of 50 among 100,000 runs takes."""
    with tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{folder}/list.db?sync=normal", postgres().url):

            async def measure(url: str = url) -> None:
                store = SqlStore(url)
                await _filled(store, RUNS)
                await _listing(store)
                store.close()

            asyncio.run(measure())


async def _pruning(url: str) -> None:
    store, other = SqlStore(url), SqlStore(url)
    await _filled(store, PRUNED)
    await other.beat()
    waits, is_over = list[float](), asyncio.Event()

    async def append() -> None:
        place = 0
        while not is_over.is_set():
            event = inputs.Started(run_id="other", context={}) if not place else inputs.Cancelled(at=float(place))
            began = time.perf_counter()
            await other.append("other", place, [event], Head("a"), epoch=1)
            waits.append(time.perf_counter() - began)
            place += 1
            await asyncio.sleep(0.005)

    appending = asyncio.ensure_future(append())
    await asyncio.sleep(0.5)
    alone = waits[1:]
    waits.clear()
    began = time.perf_counter()
    pruned = await store.prune(ended_before=time.time() + 1)
    took = time.perf_counter() - began
    beside = waits[:]
    is_over.set()
    await appending
    figures = {"alone_ms": alone, "beside_ms": beside}
    _say(
        store=repr(store),
        pruned=pruned,
        ms=round(took * 1e3),
        **{
            name: [round(statistics.median(each) * 1e3, 1), round(max(each) * 1e3, 1)] for name, each in figures.items()
        },
    )
    store.close()
    other.close()


def prune() -> None:
    """Print how long it takes to forget many runs; and the median and the longest of another worker's appends."""
    with tempfile.TemporaryDirectory() as folder:
        server = postgres()
        server.empty()
        for url in (f"sqlite:///{folder}/full.db", f"sqlite:///{folder}/normal.db?sync=normal", server.url):
            asyncio.run(_pruning(url))


def _say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["hops", "peers", "list", "prune"]
    for name, measure in (("hops", hops), ("peers", peers), ("list", listed), ("prune", prune)):
        if name in wanted:
            measure()
