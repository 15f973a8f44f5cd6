"""What admission does under load: uvicorn with one process, and wrk with one thread, on the same machine.

    apt install wrk
    python tests/benchmarks/admission.py            rates, service, refusals and told
    python tests/benchmarks/admission.py rates      1,000 requests a minute, ten times that, and 1,000 again
    python tests/benchmarks/admission.py service    the same, of the router of `fsm_orch.service`
    python tests/benchmarks/admission.py refusals   96 clients that ask again at once, by who refuses them
    python tests/benchmarks/admission.py told       400 clients at once, who come back when they are told to

The model takes 0.4 s and there are 8 places, so that 1,200 runs a minute are all that can be done. The line is 40 long.
CPU is of the server, and of wrk. uvicorn takes httptools and uvloop where they are installed. Runs that are under way
at the end are not counted. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`

from support.served import served

PLACES, QUEUE, TAKES_S = 8, 40, 0.4
A_SECOND = PLACES / TAKES_S


def rates(kind: str = "door", body: str = '{"text": "COUNT"}') -> None:
    """Print what comes of a load that can be done, of ten times that, and of the first again."""
    rows = []
    with served(PLACES, QUEUE, str(TAKES_S), kind, WAIT_S="2") as server:
        for clients, seconds, pause_ms in ((19, 60, 660), (215, 60, 1_000), (19, 60, 660)):
            came = server.loaded(clients, seconds, pause_ms, body)
            took, total = sorted(came["took_ms"]), came["answered"] + came["refused"] + came["others"]
            rows.append(
                (
                    *(round(total / came["seconds"] * 60), came["answered"], came["refused"]),
                    *(came["others"] + came["lost"], f"{came['answered'] / came['seconds'] / A_SECOND:.0%}"),
                    *(round(statistics.median(took)), round(_percentile(took, 99))),
                    *(f"{came[name] / came['seconds']:.1%}" for name in ("cpu_s", "wrk_s")),
                )
            )
    _table(("asked a minute", "200", "429", "lost", "of 1,200", "p50 ms", "p99 ms", "CPU", "CPU of wrk"), rows)


def service() -> None:
    """Print the same of the router of `fsm_orch.service`, behind a door."""
    rates("service", '{"context": {"text": "COUNT"}}')


def refusals() -> None:
    """Print what a refusal costs, and what is left for those who are admitted."""
    rows = []
    for kind in ("door", "route", "starlette"):
        with served(PLACES, QUEUE, str(TAKES_S), kind, WAIT_S="2") as server:
            steady = server.loaded(PLACES, 5)
            a_run = steady["cpu_s"] / steady["answered"]
            came = server.loaded(96, 10)
            each = (came["cpu_s"] - a_run * came["answered"]) / came["refused"]
            rows.append(
                (
                    *(kind, came["answered"], came["refused"], came["others"] + came["lost"]),
                    *(f"{came['answered'] / came['seconds'] / A_SECOND:.0%}", round(each * 1e6), round(a_run * 1e6)),
                    *(f"{came[name] / came['seconds']:.0%}" for name in ("cpu_s", "wrk_s")),
                )
            )
    _table(("refused by", "200", "429", "lost", "of 200", "us a 429", "us a run", "CPU", "CPU of wrk"), rows)


async def _asks(port: int, number: int) -> tuple[int, int]:
    """Return the status, and after how many seconds to come back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"text": str(number)})
    writer.write(f"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.close()
    return int(head.split()[1]), int(head.partition("retry-after: ")[2].partition("\r")[0] or 0)


async def _comes_back(port: int, number: int) -> int:
    """Return how often a client asked until it was answered, waiting each time as it is told."""
    for times in range(1, 100):
        status, wait_s = await _asks(port, number)
        if status == 200:
            return times
        await asyncio.sleep(wait_s)
    return 0


async def _all_come_back(port: int, clients: int) -> Counter[int]:
    return Counter(await asyncio.gather(*(_comes_back(port, n) for n in range(clients))))


def told() -> None:
    """Print how often clients that come at once have to ask, who wait as they are told."""
    rows = []
    for clients in (100, 400, 1_000):
        with served(PLACES, QUEUE, str(TAKES_S), WAIT_S="2") as server:
            server.loaded(PLACES, 5)  # so that it knows how long a run takes
            times = asyncio.run(_all_come_back(server.port, clients))
        second = clients - times[1]
        rows.append((clients, times[1], second, times[2], f"{times[2] / second:.0%}", max(times)))
    _table(("clients at once", "answered", "refused", "answered as told", "share", "asked at most"), rows)


def _percentile(ordered: Sequence[float], of_100: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * of_100 // 100)]


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    print("|", " | ".join(names), "|")
    print("|" + "---|" * len(names))
    for row in rows:
        print("|", " | ".join(f"{each:,}" if isinstance(each, int) else str(each) for each in row), "|")
    print(flush=True)


if __name__ == "__main__":
    fast = [name for name in ("httptools", "uvloop") if importlib.util.find_spec(name)]
    print("uvicorn with", " and ".join(fast) or "h11 and asyncio", end="\n\n", flush=True)
    wanted = sys.argv[1:] or ["rates", "service", "refusals", "told"]
    for name, measure in (("rates", rates), ("service", service), ("refusals", refusals), ("told", told)):
        if name in wanted:
            measure()
