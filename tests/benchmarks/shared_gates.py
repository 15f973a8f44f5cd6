"""What gates over Redis cost, how fast a place changes hands, and what runs feel when Redis is killed or paused.

    python tests/benchmarks/shared_gates.py            all of it, one JSON line each
    python tests/benchmarks/shared_gates.py calls      one call at a time, and 100 at once, in memory and shared
    python tests/benchmarks/shared_gates.py beat       a look at five breakers and five sets of places
    python tests/benchmarks/shared_gates.py hands      from one process giving a place back to another having it
    python tests/benchmarks/shared_gates.py outage     runs before, while and after Redis is killed, and paused for 5 s

Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`

from support.loaded import gated, load
from support.peers import Peer
from support.servers import own_redis, redis

from fsm_orch.resilience import Breaker, Bulkhead, Pace
from fsm_orch.resilience.shared import SharedGates


def _told(name: str, **figures: Any) -> None:
    print(json.dumps({"what": name} | figures), flush=True)


async def _costs(name: str, one: Callable[[], Awaitable[Any]], count: int) -> None:
    took, cpu = list[float](), time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        await one()
        took.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    _told(
        name, p50_us=round(statistics.median(took) * 1e6), p99_us=round(sorted(took)[int(count * 0.99)] * 1e6),
        cpu_us=round(cpu / count * 1e6),
    )  # fmt: skip
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(count // 100):
        await asyncio.gather(*(one() for _ in range(100)))
    took_us, cpu_us = [(now - then) / count * 1e6 for now, then in
                       [(time.perf_counter(), began), (time.process_time(), cpu)]]  # fmt: skip
    _told(f"{name}, 100 at once", each_us=round(took_us), cpu_us=round(cpu_us))


def calls() -> None:
    """Print what one passage costs."""

    async def of(parts: Any, name: str, count: int) -> None:
        async def through() -> None:
            await (await places.take(10.0))()

        pace, breaker, places = parts
        await _costs(f"pace, {name}", lambda: pace.wait(10.0), count)
        await _costs(f"breaker, {name}", breaker.enter, count)
        await _costs(f"places, {name}", through, count)

    asyncio.run(of((Pace(1e6, burst=1_000_000), Breaker(), Bulkhead(200)), "in memory", 20_000))
    with SharedGates(redis().url, namespace=uuid4().hex) as shared:
        parts = (shared.pace("a", 1e6, burst=1_000_000), shared.breaker("a"), shared.places("a", 200))
        asyncio.run(of(parts, "shared", 2_000))


def beat() -> None:
    """Print what a beat costs, which is made four times a second."""
    with SharedGates(redis().url, namespace=uuid4().hex, beat_s=1_000, lease_s=3_000) as shared:
        for number in range(5):
            shared.breaker(str(number))
            shared.places(str(number), 8)
        link = shared._link
        asyncio.run(_costs("beat", lambda: link.ask(link._beat), 1_000))


def hands() -> None:
    """Print how long a place is nobody's, between two processes that both always want it."""
    namespace = uuid4().hex
    with Peer(redis().url, namespace) as one, Peer(redis().url, namespace) as other:
        free = list[float]()
        one.ask("hold", 8, 10.0)
        for _ in range(100):
            other.begin("hold", 8, 10.0)
            time.sleep(0.05)
            gave = one.ask("give_back")
            free.append(other.answer() - gave)
            one, other = other, one  # noqa: PLW2901 - they take turns
        free.sort()
    _told("hand-over of 8 places", p50_ms=round(free[50] * 1e3, 1), p99_ms=round(free[98] * 1e3, 1))


def outage() -> None:
    """Print how long runs took, and how many failed."""
    server = own_redis()

    async def phases() -> None:
        with SharedGates(server.url, namespace=uuid4().hex) as shared:
            async with load(gated(shared)) as seen:
                marks = [("before", time.monotonic())]
                for name, act, seconds in [
                    ("before", lambda: None, 5.0), ("killed", server.stop, 5.0), ("restarted", server.start, 5.0),
                    ("paused", server.pause, 5.0), ("goes on", server.go_on, 5.0),
                ]:  # fmt: skip
                    marks.append((name, time.monotonic()))
                    await asyncio.to_thread(act)
                    await asyncio.sleep(seconds)
                marks.append(("end", time.monotonic()))
            for (name, since), (_, until) in pairwise(marks[1:]):
                took = seen.between(since, until)
                _told(
                    f"runs, 8 at once, Redis {name}", runs_a_second=round(len(took) / (until - since)),
                    p50_ms=round(statistics.median(took) * 1e3, 1),
                    p99_ms=round(took[int(len(took) * 0.99)] * 1e3, 1), longest_ms=round(took[-1] * 1e3),
                )  # fmt: skip
            _told("runs that failed", of=len(seen.runs), failed=len(seen.failed))

    asyncio.run(phases())
    server.stop()


if __name__ == "__main__":
    for name in sys.argv[1:] or ["calls", "beat", "hands", "outage"]:
        globals()[name]()
