"""The first run of a process, cold and after `await runner.warm()`, with real models; medians over fresh processes.

    python tests/benchmarks/warm.py [PROCESSES [MODEL...]]

Each first run is in a process of its own, since what it waits for is done once a process. The server on a socket is the
stub of the tests, which answers at once: so what is left is this library, the SDK and the connection. `later` is the
median of the runs after the first in the same process. The local model is made without its name, so that its weights
are loaded when it is first asked; by name, `local:smollm2`, they are loaded when the runner is made.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
MODELS = ("openai", "anthropic", "local", "local by name")
LATER = 5


async def measure(name: str, url: str, *, is_warm: bool) -> dict[str, float]:
    """Return the milliseconds of making a runner, of `warm`, of the first run, and of later ones."""
    from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, State

    class Query(Context):
        text: str
        answer: str | None = None

    class Desk(Machine[Query]):
        """Route, and answer."""

        route = State(LLMAgent("Who owns the question?", reads=Query.text, max_output_tokens=60), initial=True)
        billing = State(LLMAgent("Say it in a word.", reads=Query.text, writes=Query.answer, max_output_tokens=60))
        technical = State(LLMAgent("Say it in one word.", reads=Query.text, writes=Query.answer, max_output_tokens=60))
        done, human = Final(), Final(fallback=True)
        to_billing = route.to(billing, "invoices and payments")
        to_technical = route.to(technical, "devices and errors")
        answered = (billing | technical).to(done, "it is answered")
        not_known = (billing | technical).to(human, "it is not known")
        limits = Limits(hops=4, tokens=40_000, deadline_s=60)

    took = dict[str, float]()

    def timed(what: str, began: float) -> None:
        took[what] = (time.perf_counter() - began) * 1_000

    began = time.perf_counter()
    runner = Runner(Desk, model=_model(name, url))
    timed("made", began)
    began = time.perf_counter()
    if is_warm:
        await runner.warm()
    timed("warm", began)
    times = list[float]()
    for number in range(1 + LATER):
        began = time.perf_counter()
        await runner.run(Query(text=f"My invoice {number} is wrong"))
        times.append((time.perf_counter() - began) * 1_000)
    return took | {"first": times[0], "later": median(times[1:])}


def _model(name: str, url: str) -> object:
    from support.provider import KEY

    if name == "openai":
        from fsm_orch.models.openai import ResponsesModel

        return ResponsesModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1")
    if name == "anthropic":
        from fsm_orch.models.anthropic import MessagesModel

        return MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=url)
    if name == "local":
        from fsm_orch.models.local import LocalModel

        return LocalModel()
    return "local:smollm2"


def once(name: str, url: str, *, is_warm: bool) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--once", name, url, *(["--warm"] if is_warm else [])]
    paths = os.pathsep.join([str(ROOT), str(ROOT.parent)])
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": paths})
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def main(processes: int, names: Sequence[str]) -> None:
    """Print a table, in milliseconds."""
    from support.provider import Provider

    print(f"{processes} processes each, medians in ms; load {os.getloadavg()[0]:.1f}")
    print(f"{'model':<14} {'':<5} {'made':>7} {'warm':>7} {'first':>7} {'later':>7} {'first, cold : warm':>19}")
    with Provider() as provider:
        for name in names:
            rows = {True: list[dict[str, float]](), False: list[dict[str, float]]()}
            for _ in range(processes):  # by turns, so that a busy moment is both's
                for is_warm, found in rows.items():
                    found.append(once(name, provider.url, is_warm=is_warm))
            first = {is_warm: median(row["first"] for row in found) for is_warm, found in rows.items()}
            for is_warm in (False, True):
                figures = [median(row[what] for row in rows[is_warm]) for what in ("made", "warm", "first", "later")]
                ratio = f"{first[False] / first[True]:.1f}" if is_warm else ""
                shown = " ".join(f"{figure:>7.1f}" for figure in figures)
                print(f"{name:<14} {'warm' if is_warm else 'cold':<5} {shown} {ratio:>19}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        print(json.dumps(asyncio.run(measure(*sys.argv[2:4], is_warm="--warm" in sys.argv))))
    else:
        main(int(sys.argv[1]) if sys.argv[1:2] else 9, sys.argv[2:] or MODELS)
