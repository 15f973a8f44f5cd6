"""Whether Redis could be the shared store: what its appends cost beside PostgreSQL's, and how many are lost.

    apt install redis-server gcc; pip install redis
    python tests/benchmarks/redis_store.py          costs, kills and failovers, each as a table
    python tests/benchmarks/redis_store.py costs

No store of this package is on Redis: an append is a script, fenced by epoch and position, over a list and a hash, with
the inputs of a real journal. A writer appends one batch after the other, and a batch is kept once its append was
answered. To cut the power, the server is killed and its file is cut to what had been synced: `fdatasync` is listened to
by a library that is loaded before the server's own. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from redis import asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`, and for the machines of `speed`

from benchmarks.speed import Query, Ring, Stub
from support.servers import own_postgres

from fsm_orch import MemoryStore, Runner, to_json
from fsm_orch.errors import StoreError
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore

APPEND = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then redis.call('HSET', KEYS[1], 'epoch', ARGV[1]) elseif epoch ~= ARGV[1] then return -1 end
local length, start = redis.call('LLEN', KEYS[2]), tonumber(ARGV[2])
if length < start then return -2 end
for place = 4 + length - start, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[place]) end
redis.call('HSET', KEYS[1], 'head', ARGV[3])
return redis.call('LLEN', KEYS[2])
"""
SYNCED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int fdatasync(int fd) {
  static int (*real)(int), log = -1;
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  if (log < 0) log = open(getenv("SYNCED"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  struct stat file; fstat(fd, &file);
  int came = real(fd);
  char link[64], name[4096], line[4200];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, sizeof name - 1);
  if (came == 0 && length > 0) {
    name[length] = 0;
    int n = snprintf(line, sizeof line, "%lld %s\n", (long long)file.st_size, name);
    if (write(log, line, n) < 0) abort();
  }
  return came;
}
"""
"""Notes how long a file was when what it held was synced."""
HEAD = Head("a", "running", 1, 5)
SECONDS, ROUNDS = 3, 3


def batches() -> list[list[Input]]:
    """Return a real journal, in the pieces in which it was appended."""
    found = list[list[Input]]()

    class Watched(MemoryStore):
        async def append(self, run_id: str, start: int, inputs: Sequence[Input], *rest: Any, **more: Any) -> None:
            found.append([*inputs])
            await super().append(run_id, start, inputs, *rest, **more)

    asyncio.run(Runner(Ring, model=Stub(), store=Watched()).run(Query(text="x")))
    return found


class Redis:
    """A server of Redis in a folder of its own.

    Args:
        sync: `always`, `everysec`, or `no`.
        words: more of its options.
    """

    def __init__(self, sync: str, *words: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fsm_orch_redis_"))
        self.port = _free_port()
        (self.folder / "synced.c").write_text(SYNCED)
        library = self.folder / "synced.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, self.folder / "synced.c", "-ldl"], check=True)
        self._environment = {**os.environ, "LD_PRELOAD": str(library), "SYNCED": str(self.folder / "synced")}
        address = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self._command = ["redis-server", *address, "--appendonly", "yes", "--appendfsync", sync, "--save", "", *words]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(self._command, env=self._environment, stdout=subprocess.DEVNULL)
        while b"PONG" not in self.say("PING"):
            time.sleep(0.02)

    def say(self, *words: str) -> bytes:
        """Return what it says to a command."""
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, check=False).stdout

    def kill(self) -> None:
        """Kill it with signal 9."""
        self.process.kill()
        self.process.wait()

    def cut_power(self) -> None:
        """Kill it, and lose what was not synced."""
        self.kill()
        synced = dict(line.split(" ", 1)[::-1] for line in (self.folder / "synced").read_text().splitlines())
        for file in (self.folder / "appendonlydir").glob("*.incr.aof"):
            os.truncate(file, int(synced.get(str(file), 0)))

    def cpu_s(self) -> float:
        """Return how much CPU time it has used."""
        return sum(map(int, Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / 100


@contextmanager
def served(*servers: Redis) -> Iterator[None]:
    """End servers with the block."""
    try:
        yield
    finally:
        for server in servers:
            server.kill()
            shutil.rmtree(server.folder)


@asynccontextmanager
async def client(server: Redis) -> AsyncIterator[redis.Redis]:
    """Yield a client that sends nothing twice."""
    found = redis.Redis(port=server.port, max_connections=100, retry=Retry(NoBackoff(), 0))
    try:
        yield found
    finally:
        await found.aclose()


Append = Callable[[str, int, Sequence[Input]], Awaitable[None]]


def to_redis(to: redis.Redis, *, waits_for: int = 0) -> Append:
    """Return what appends, and is answered once so many replicas have it."""
    script = to.register_script(APPEND)
    head = msgspec.json.encode(HEAD)

    async def append(run_id: str, start: int, inputs: Sequence[Input]) -> None:
        arguments = [1, start, head, *map(to_json, inputs)]
        if not waits_for:
            assert await script(keys=[f"head:{run_id}", f"run:{run_id}"], args=arguments) > 0
            return
        async with to.pipeline(transaction=False) as both:  # WAIT is of its connection
            both.eval(APPEND, 2, f"head:{run_id}", f"run:{run_id}", *arguments)
            both.execute_command("WAIT", waits_for, 1_000)
            length, replicas = await both.execute()
        assert length > 0
        if replicas < waits_for:
            raise RedisError("no replica has it")

    return append


def to_sql(store: SqlStore) -> Append:
    """Return what appends to our store."""

    async def append(run_id: str, start: int, inputs: Sequence[Input]) -> None:
        await store.append(run_id, start, inputs, HEAD, epoch=1)

    return append


class Writers:
    """Writers, each with one run after the other.

    Args:
        kept: filled with how many inputs of each run were answered for.
    """

    def __init__(self, append: Append, at_once: int) -> None:
        self._append, self._at_once = append, at_once
        self._batches = batches_of()
        self.kept = dict[str, int]()
        self.took = list[float]()

    async def write(self, seconds: float) -> None:
        """Append for so long, or until the server is away."""
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._one(n, until) for n in range(self._at_once)))

    async def _one(self, number: int, until: float) -> None:
        for run in itertools.count():
            run_id, place = f"w{number}.{run}", 0
            for batch in self._batches:
                if time.monotonic() > until:
                    return
                began = time.perf_counter()
                inputs = batch if place else [msgspec.structs.replace(batch[0], run_id=run_id), *batch[1:]]  # type: ignore[type-var]
                try:
                    await self._append(run_id, place, inputs)
                except (RedisError, StoreError, OSError):
                    return
                self.took.append(time.perf_counter() - began)
                place += len(batch)
                self.kept[run_id] = place


_BATCHES = list[list[Input]]()


def batches_of() -> list[list[Input]]:
    """Return the pieces of the journal, made once, outside of any event loop."""
    return _BATCHES


def costs() -> None:
    """Print what an append costs, by store and writers: the median of rounds in which the stores take turns."""
    rows = []
    for at_once in (1, 8, 64):
        came: dict[str, list[tuple[float, ...]]] = {}
        for _ in range(ROUNDS):
            for name, measure in {
                "Redis, `always`": partial(_redis_costs, "always"),
                "Redis, `everysec`": partial(_redis_costs, "everysec"),
                "PostgreSQL": _sql_costs,
            }.items():
                came.setdefault(name, []).append(measure(at_once))
        for name, figures in came.items():
            a_second, p50, p99, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
            of_all = ", ".join(f"{each:,}" for each in sorted(round(each) for each, *_ in figures))
            rows.append((name, at_once, round(a_second), of_all, f"{p50:.2f}", f"{p99:.2f}", round(cpu)))
    _table(("store", "writers", "appends a second", "in all rounds", "p50 ms", "p99 ms", "CPU of the client, us"), rows)


def _redis_costs(sync: str, at_once: int) -> tuple[float, ...]:
    server = Redis(sync)

    async def measure() -> tuple[float, ...]:
        async with client(server) as to:
            return await _costs(to_redis(to), at_once)

    with served(server):
        return asyncio.run(measure())


def _sql_costs(at_once: int) -> tuple[float, ...]:
    store = SqlStore(_POSTGRES[0].url)
    try:
        return asyncio.run(_costs(to_sql(store), at_once))
    finally:
        store.close()
        _POSTGRES[0].empty()


async def _costs(append: Append, at_once: int) -> tuple[float, ...]:
    """Return appends a second, the median and the 99th percentile in ms, and microseconds of this process's CPU."""
    cpu, writers = time.process_time(), Writers(append, at_once)
    await writers.write(SECONDS)
    took, cpu = sorted(writers.took), time.process_time() - cpu
    p50, p99 = statistics.median(took), took[len(took) * 99 // 100]
    return len(took) / SECONDS, p50 * 1e3, p99 * 1e3, cpu / len(took) * 1e6


async def _lost(server: Redis, kept: dict[str, int]) -> int:
    """Return how many inputs are not there that were answered for."""
    async with client(server) as of:
        return sum([max(0, length - await of.llen(f"run:{run_id}")) for run_id, length in kept.items()])


async def _ended(server: Redis, end: Callable[[], None], *, waits_for: int = 0) -> dict[str, int]:
    """Return what was kept when a server was ended under the load of 16 writers."""
    async with client(server) as to:
        writers = Writers(to_redis(to, waits_for=waits_for), 16)
        writing = asyncio.ensure_future(writers.write(60))
        await asyncio.sleep(2.5)
        await asyncio.get_running_loop().run_in_executor(None, end)
        await writing
        return writers.kept


def kills() -> None:
    """Print how many appended inputs are lost when a server is killed, or loses its power."""
    rows: list[Sequence[object]] = []
    for sync in ("always", "everysec"):
        for how in ("kill -9", "power cut"):
            lost, of = list[int](), 0
            for _ in range(3):
                server = Redis(sync)
                with served(server):
                    kept = asyncio.run(_ended(server, server.kill if how == "kill -9" else server.cut_power))
                    server.start()
                    lost.append(asyncio.run(_lost(server, kept)))
                    of += sum(kept.values())
            rows.append((f"Redis, {sync}", how, of, ", ".join(f"{each:,}" for each in lost)))
    server = _POSTGRES[0]
    lost, of = [], 0
    for _ in range(3):
        writers = Writers(to_sql(store := SqlStore(server.url)), 16)

        async def crash(writers: Writers = writers) -> None:
            writing = asyncio.ensure_future(writers.write(60))
            await asyncio.sleep(2.5)
            await asyncio.get_running_loop().run_in_executor(None, server.stop)
            await writing

        asyncio.run(crash())
        store.close()
        server.start()
        again = SqlStore(server.url)
        lengths = asyncio.run(_lengths(again, writers.kept))
        lost.append(sum(max(0, length - lengths[run_id]) for run_id, length in writers.kept.items()))
        of += sum(writers.kept.values())
        again.close()
        server.empty()
    rows.append(("PostgreSQL", "stop at once", of, ", ".join(map(str, lost))))
    _table(("store", "ended by", "inputs kept", "of them lost, in three tries"), rows)


async def _lengths(store: SqlStore, run_ids: Sequence[str] | dict[str, int]) -> dict[str, int]:
    return {run_id: len(await store.load(run_id)) for run_id in run_ids}


async def _relay(port: int, to: int) -> None:
    """Pass bytes on, each piece after a millisecond, as a network does."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            await asyncio.sleep(0.001)
            writer.write(piece)

    async def passes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        its_reader, its_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, its_writer), pump(its_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(passes, "127.0.0.1", port) as server:
        await server.serve_forever()


def failovers() -> None:
    """Print how many appended inputs are lost when a primary is lost and its replica takes over."""
    rows: list[Sequence[object]] = []
    for how, alone_s in (("its process is killed", None), ("its machine is lost", 0.0), ("it is cut off for 1 s", 1.0)):
        for waits_for in (0, 1):
            lost, of = list[int](), 0
            for _ in range(3):
                primary, port = Redis("always"), _free_port()
                network = multiprocessing.Process(target=_run_relay, args=(port, primary.port), daemon=True)
                network.start()
                replica = Redis("always", "--replicaof", "127.0.0.1", str(port))
                with served(primary, replica):
                    while b"master_link_status:up" not in replica.say("INFO", "replication"):
                        time.sleep(0.05)

                    def end(
                        primary: Redis = primary,
                        replica: Redis = replica,
                        network: multiprocessing.Process = network,
                        alone_s: float | None = alone_s,
                    ) -> None:
                        if alone_s is not None:
                            network.kill()  # and what was under way is gone
                            time.sleep(alone_s)
                        primary.kill()
                        time.sleep(0.1)
                        replica.say("REPLICAOF", "NO", "ONE")

                    kept = asyncio.run(_ended(primary, end, waits_for=waits_for))
                    lost.append(asyncio.run(_lost(replica, kept)))
                    of += sum(kept.values())
                network.kill()
            rows.append((how, "WAIT 1" if waits_for else "no WAIT", of, ", ".join(f"{each:,}" for each in lost)))
    _table(("the primary", "an append is answered after", "inputs kept", "of them lost, in three tries"), rows)


def _run_relay(port: int, to: int) -> None:
    asyncio.run(_relay(port, to))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    print("|", " | ".join(names), "|")
    print("|" + "---|" * len(names))
    for row in rows:
        print("|", " | ".join(f"{each:,}" if isinstance(each, int) else str(each) for each in row), "|")
    print(flush=True)


if __name__ == "__main__":
    _BATCHES[:] = batches()
    _POSTGRES = [own_postgres()]
    wanted = sys.argv[1:] or ["costs", "kills", "failovers"]
    for name, measure in (("costs", costs), ("kills", kills), ("failovers", failovers)):
        if name in wanted:
            measure()
