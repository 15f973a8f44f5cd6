"""What the service costs: CPU of the server for a request, of each kind of request in turn.

    apt install wrk; pip install httptools uvloop
    python tests/benchmarks/service.py                    every kind
    python tests/benchmarks/service.py run service        some of them

and the same task behind what other libraries bring themselves, in an environment of their own:

    python -m venv peers; peers/bin/pip install "langgraph-cli[inmem]" "pydantic-ai-slim[ag-ui]"
    python tests/benchmarks/service.py --peers peers/bin/python

Each kind has a server process of its own, uvicorn with one worker, which wrk loads from 8 connections with one thread
for a second (peers for three), in turns, so that all meet the same machine. A figure is the least of all rounds, of
user and system time together; `ratio` is to `run`, in which a bare route of FastAPI validates the same context, runs
the same machine on the same store, and answers with the same JSON. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROUNDS = 7

CONTEXT = json.dumps({"context": {"text": "when do you open? COUNT"}})
CHAT = json.dumps({"model": "Desk", "messages": [{"role": "user", "content": "when do you open? COUNT"}]})
AGUI = json.dumps({
    "threadId": "t-COUNT", "runId": "r-COUNT", "state": {}, "tools": [], "context": [], "forwardedProps": {},
    "messages": [{"id": "1", "role": "user", "content": "when do you open?"}],
})  # fmt: skip
GRAPH = json.dumps({"assistant_id": "desk", "input": {"text": "when do you open? COUNT"}})


@dataclass
class Kind:
    """A kind of request.

    Args:
        app: which server answers it.
        status: that is expected.
    """

    says: str
    app: str
    path: str
    body: str
    status: int = 200
    is_peer: bool = False
    us: list[float] = field(default_factory=list)


KINDS = {
    "bare": Kind("a bare route of FastAPI, no run", "bare", "/runs", CONTEXT),
    "run": Kind("`runner.run` in a bare route", "run", "/runs", CONTEXT),
    "service": Kind("`POST /runs`", "service", "/runs", CONTEXT),
    "chat": Kind("`POST /v1/chat/completions`", "service", "/v1/chat/completions", CHAT),
    "agui": Kind("`POST /agui`, a stream", "service", "/agui", AGUI),
    "door": Kind("refused by `Door`", "door", "/runs", CONTEXT, 429),
    "langgraph": Kind("langgraph-api, `POST /runs/wait`", "langgraph", "/runs/wait", GRAPH, is_peer=True),
    "pydantic_ai": Kind("pydantic-ai, `AGUIAdapter`, a stream", "pydantic_ai", "/", AGUI, is_peer=True),
}


@dataclass(frozen=True)
class Server:
    """A server process, seen from outside."""

    process: subprocess.Popen[str]
    port: int

    def cpu_s(self) -> float:
        """Return the seconds that its threads have had of a processor."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def served(app: str, python: str, is_peer: bool) -> Iterator[Server]:
    """Start a server, and yield it; it ends with the block."""
    script = HERE / ("service_peers.py" if is_peer else "service_apps.py")
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([python, str(script), app], stdout=subprocess.PIPE, text=True, cwd=folder) as process,
    ):
        try:
            assert process.stdout is not None
            yield Server(process, int(process.stdout.readline()))
        finally:
            process.terminate()


def turn(kind: Kind, server: Server, number: int) -> float:
    """Return the microseconds of CPU that a request takes."""
    before = server.cpu_s()
    command = [
        "wrk",
        "-t1",
        "-c8",
        f"-d{3 if kind.is_peer else 1}s",
        "--timeout",
        "20s",
        "-s",
        str(HERE / "service.lua"),
    ]
    words = [f"http://127.0.0.1:{server.port}{kind.path}", "--", kind.body, str(kind.status), str(number * 1_000_000)]
    done = subprocess.run([*command, *words], check=True, capture_output=True, text=True)
    came = json.loads(done.stdout.splitlines()[-1])
    assert not came["wrong"], kind.says
    return (server.cpu_s() - before) / came["right"] * 1e6 if came["right"] else math.inf


def measure(kinds: Sequence[Kind], peers: str | None, rounds: int) -> None:
    """Measure kinds of requests in turns."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served(kind.app, peers if kind.is_peer and peers else sys.executable, kind.is_peer))
            for kind in kinds
        ]
        for number in range(rounds + 1):
            for kind, server in zip(kinds, servers, strict=True):
                us = turn(kind, server, number)
                if number:  # the first requests open and import what later ones find
                    kind.us.append(us)


def _table(kinds: Sequence[Kind]) -> None:
    base = min(KINDS["run"].us, default=0.0)
    print("| request | us of CPU | ratio |\n|---|---|---|")
    for kind in kinds:
        ratio = f"{min(kind.us) / base:.2f}" if base else "-"
        print(f"| {kind.says} | {min(kind.us):,.0f} | {ratio} |")


def main() -> None:
    """Measure what is asked for, and print a table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("kinds", nargs="*", choices=[*KINDS, []], help="which; all of ours by default")
    asked.add_argument("--peers", metavar="PYTHON", help="an environment with the peers, which are measured too")
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    given = asked.parse_args()
    names = given.kinds or [name for name, kind in KINDS.items() if given.peers or not kind.is_peer]
    kinds = [KINDS[name] for name in names]
    fast = [name for name in ("httptools", "uvloop") if importlib.util.find_spec(name)]
    print("uvicorn with", " and ".join(fast) or "h11 and asyncio", end="\n\n", flush=True)
    measure(kinds, given.peers, given.rounds)
    _table(kinds)


if __name__ == "__main__":
    main()
