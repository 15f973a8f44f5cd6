"""A large log triaged: seconds and megabytes. Real runs of the shop are logged once, and repeated with new ids.

    python tests/benchmarks/triage.py            # 1,000 MB in a folder for temporary files
    python tests/benchmarks/triage.py 100        # MB

Each command is a process of its own; its seconds are of the CPU, and its megabytes the most that it held at once.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import structlog

from fsm_orch import Runner, ScriptedModel
from fsm_orch.observe.log import log_records
from machines.shop import Query, ShopFloor, deps

RUNS = 200
BESIDE = 64
"""Runs under way at the same time, whose lines are mixed."""


def runs() -> list[list[bytes]]:
    """Return the lines of real runs, each with `RUN` for its id."""
    drawn, logs = random.Random(1), []
    with deps() as shop:
        for _ in range(RUNS):
            stream = io.BytesIO()
            chain = [
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ]
            logger = structlog.wrap_logger(structlog.BytesLogger(stream), processors=chain)
            script = [{"handoff": drawn.choice(["to_inventory", "to_pricing", "to_search", "no"])} for _ in range(9)]
            text = drawn.choice(["what would a grey wool sweater set me back?", "something warm for my trip"])
            runner = Runner(ShopFloor, model=ScriptedModel(script), observers=[log_records(logger)])
            runner.run_sync(Query(text=text), run_id="RUN", trace_id="TRACE", deps=shop)
            logs.append(stream.getvalue().splitlines(keepends=True))
    return logs


def write(path: Path, megabytes: int) -> tuple[int, int]:
    """Write a log of about so many megabytes; return how many lines and runs it has."""
    drawn, logs = random.Random(2), runs()
    lines = count = size = 0
    begun: list[list[bytes]] = []
    with path.open("wb") as file:
        while size < megabytes * 1_000_000 or begun:
            while len(begun) < BESIDE and size < megabytes * 1_000_000:
                name = f"{count:032x}".encode()
                begun.append([line.replace(b'"RUN"', b'"%s"' % name) for line in reversed(drawn.choice(logs))])
                count += 1
            place = drawn.randrange(len(begun))
            line = begun[place].pop()
            size += file.write(line)
            lines += 1
            if not begun[place]:
                begun[place] = begun[-1]
                begun.pop()
    return lines, count


def measured(words: list[str]) -> tuple[float, float]:
    """Return the seconds of CPU and the megabytes of a command."""
    program = "import sys; from fsm_orch.cli import app; app(sys.argv[1:])"
    child = subprocess.Popen([sys.executable, "-c", program, "triage", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    assert not status, words
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "shop.log")
        started = time.process_time()
        lines, count = write(log, megabytes)
        wrote = time.process_time() - started
        print(f"{lines:,} lines, {count:,} runs, {log.stat().st_size / 1e6:,.0f} MB; written in {wrote:.0f} s of CPU")
        base = measured(["--help"])
        print(f"{'--help':<10} {base[0]:6.1f} s  {base[1]:6.0f} MB")
        for command in ("loops", "worst", "misroutes", "errors"):
            seconds, held = measured([command, str(log), "--machine", "machines.shop"])
            print(f"{command:<10} {seconds:6.1f} s  {held:6.0f} MB")
        seconds, held = measured(["context", f"{count // 2:032x}", str(log)])
        print(f"{'context':<10} {seconds:6.1f} s  {held:6.0f} MB")


if __name__ == "__main__":
    main()
