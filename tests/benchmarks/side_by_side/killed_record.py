"""Kill one task at five moments, with what each library offers to go on with it: `killed.json`, and a table.

    python tests/benchmarks/side_by_side/killed_record.py

It makes an environment of its own, as `side_record.py` does, whose task, server and plain programs it takes; one that
KILLED_PEERS names is taken instead. `durable_*.py` are the programs that keep their runs.

Each run is begun in a process that is killed (SIGKILL) at a moment, and another process is asked for the same run, by
its id. Both have one server, which counts, and one file, in which the tool notes what it has done in the world, and the
key of its use, by whatever name a library gives it to a tool.

Not measured: Temporal, which openai-agents and pydantic-ai offer too. Its server is not on PyPI: the SDK downloads it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from side_peers import record_with_peers
from side_record import HERE, counted, server, taken
from side_record import PINNED as WITHOUT

FILE = HERE / "killed.json"
PINNED = (*WITHOUT, "pydantic-ai-slim[dbos]==2.68.0", "dbos==3.4.0", "dbos-openai-agents==0.3.0")
PROGRAMS = {
    "durable_openai_agents_session": ("openai-agents, `SQLiteSession`", "with_openai_agents", True),
    "durable_openai_agents_dbos": ("openai-agents, DBOS", "with_openai_agents", False),
    "durable_langgraph": ('LangGraph, saver, `durability="sync"`', "with_langgraph", True),
    "durable_pydantic_ai": ("pydantic-ai, DBOS", "with_pydantic_ai", False),
    "durable_fsm_orch": ("fsm_orch, `SqlStore`", "with_fsm_orch", True),
    "durable_fsm_orch_once": ("fsm_orch, `SqlStore`, `asks=1`", "with_fsm_orch", True),
    "durable_fsm_orch_again": ("fsm_orch, `SqlStore`, `Tool(repeatable=True)`", "with_fsm_orch", True),
}
"""Each program: what it is called, the one that keeps nothing, and whether it is built on that one or stands alone."""
MOMENTS = {
    "held": "in the call of the specialist",
    "before": "in the tool, before its effect",
    "after": "in the tool, after its effect and before its result is kept",
    "last": "in the last call, before its reply is kept",
    "end": "after the last reply",
}


class Playing:
    """A process that does the task with a program."""

    def __init__(self, program: str, url: str, database: Path, what: str, **env: str) -> None:
        line = [sys.executable, str(HERE / "killed_play.py"), program, f"{url}/v1", str(database), what]
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **env}
        )

    def hear(self) -> dict[str, Any]:
        """Return what came of it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                came: dict[str, Any] = json.loads(line)
                return came
        return {"raised": "nothing", "said": "the process has ended"}

    def kill(self) -> None:
        """Kill it, if it has not done so itself, and check that it is dead by that."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        self.process.stdout.close()


def killed(program: str, moment: str, folder: Path) -> dict[str, Any]:
    """Begin a run in a process that is killed at a moment, ask another for it, and return what both took."""
    sent, database = folder / f"{program}-{moment}", folder / f"{program}-{moment}.db"
    with server(moment if moment in ("held", "last") else "good") as url:
        dies = {"SIDE_DIES": moment} if moment in ("before", "after") else {}
        first = Playing(program, url, database, "begin", SIDE_SENT=str(sent), **dies)
        before = {"calls": 0, "tokens": 0}
        if moment in ("end", "never"):
            came, before = first.hear(), taken(url)
        elif dies:
            first.process.wait()
            before = taken(url)
        else:
            while before["calls"] < {"held": 2, "last": 3}[moment]:
                time.sleep(0.1)
                more = taken(url)
                before = {key: before[key] + more[key] for key in before}
        first.kill()
        if moment != "never":
            second = Playing(program, url, database, "again", SIDE_SENT=str(sent))
            came = second.hear()
            second.kill()
        after = taken(url)
        both = {key: before[key] + after[key] for key in ("calls", "tokens")}
        sends = sent.read_text(encoding="utf-8").splitlines() if sent.exists() else []
        return {**came, **both, "tool": len(sends), "keys": len(set(sends))}


def lines(program: str) -> int:
    """Return the lines that keeping runs, and going on with them, adds to a program."""
    _, plain, is_on_it = PROGRAMS[program]
    whole = counted((HERE / f"{program}.py").read_text(encoding="utf-8"))
    return whole if is_on_it else whole - counted((HERE / f"{plain}.py").read_text(encoding="utf-8"))


def record() -> dict[str, Any]:
    """Return all that is recorded."""
    with tempfile.TemporaryDirectory() as made:
        moments = (*MOMENTS, "never")
        did = {name: {moment: killed(name, moment, Path(made)) for moment in moments} for name in PROGRAMS}
    return {"did": did}


def table(found: dict[str, Any]) -> str:
    """Return a recording as a table of Markdown."""
    rows = [["killed", *MOMENTS.values(), "lines more"], ["---"] * (len(MOMENTS) + 2)]
    rows += [
        [label, *(_went_on(did[moment], did["never"]) for moment in MOMENTS), str(lines(program))]
        for (program, (label, _, _)), did in zip(PROGRAMS.items(), found["did"].values(), strict=True)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _went_on(came: dict[str, Any], never: dict[str, Any]) -> str:
    """Return how a run went on, in words."""
    twice = came["tokens"] - never["tokens"]
    paid = f", {twice:,} tokens more" if twice else ""
    end = "" if came.get("answer") == never["answer"] else f": `{came.get('raised', came.get('answer'))}`"
    tool = f"tool {came['tool']}" + (f", keys {came['keys']}" if came["tool"] > 1 else "")
    return f"{came['calls']} calls{paid}, {tool}{end}"


if __name__ == "__main__":
    record_with_peers(__file__, PINNED, "KILLED_PEERS", FILE, record, table)
