"""What other libraries cost for the same work, in one process and in the same rounds as fsm_orch.

    pip install -e .
    pip install pydantic-graph apache-burr openai-agents langgraph-swarm agent-framework-core \
        agent-framework-orchestrations autogen-agentchat
    python tests/benchmarks/peers.py                        every figure of every peer, one JSON line each
    python tests/benchmarks/peers.py chain50 burr autogen   some of them

Should the peers ever refuse each other, install each in an environment of its own: what is not installed is reported
as skipped, and figures stay comparable, because every peer takes turns with fsm_orch and with the bare asyncio loop.
`ratio` is to that loop, as in `speed.py`; `to_fsm_orch` is to fsm_orch with its whole model layer.

Every peer gets the same agents, the same script for its model, and its own ordinary way to hand off; telemetry is
off, and limits that forbid 50 handoffs are lifted. After every play, also of those measured, what the library gave
back is asked how many handoffs were made and who answered. A play is a conversation from nothing: what a library
must build anew for each is part of it, and given as `build_us` too; what it can share is built before. pydantic-graph
and Burr have no model layer (their nodes ask the script themselves): hold them against `fsm_orch_code`, whose
functions do not even ask. In the others a handoff is a tool call and its result, which the next agent sees unless told
otherwise, so that prompts grow along a chain; in fsm_orch it leaves nothing in the conversation.

Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.metadata
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from peer_adapters import DESK, PEERS, RING, Peer, Script, Skipped, Task, fsm_orch
from speed import bare, report

ROUNDS = 7
CROWD_ROUNDS = 3
CROWD = 1_000
DELAY_S = 0.05
TURN_S = 0.05
"""About how long a turn lasts at least, so that the grain of the clock does not matter."""

QUIET = {
    "AUTOGEN_DISABLE_RUNTIME_TRACING": "true",
    "ENABLE_INSTRUMENTATION": "false",  # agent-framework
    "LANGSMITH_TRACING": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
"""The environment in which peers trace nothing."""


def _check(task: Task, peer: Peer, results: Iterable[Any]) -> None:
    for result in results:
        assert task.outcome == peer.outcome(result), f"{task.outcome} was to be, and {peer.outcome(result)} was"


async def turn(task: Task, peer: Peer, times: int) -> float:
    """Give the CPU seconds of one play, and check what all of them did."""
    gc.collect()  # the garbage of others is not paid here
    began = time.process_time()
    results = [await peer.play() for _ in range(times)]
    spent = (time.process_time() - began) / times
    _check(task, peer, results)
    return spent


async def bare_turn(calls: int, times: int) -> float:
    """Give the CPU seconds of one bare loop."""
    gc.collect()
    began = time.process_time()
    for _ in range(times):
        await bare(calls)
    return (time.process_time() - began) / times


def build_turn(peer: Peer, times: int) -> float:
    """Give the CPU seconds of what a play has built for itself alone."""
    began = time.process_time()
    for _ in range(times):
        peer.build()
    return (time.process_time() - began) / times


async def warm(task: Task, peer: Peer) -> int:
    """Play three times, the first for what is built lazily; give how many plays fill a turn."""
    await turn(task, peer, 1)
    return max(1, min(100, round(TURN_S / max(await turn(task, peer, 2), 1e-6))))


def _medians(rounds: Iterable[Sequence[float]]) -> Iterator[float]:
    return map(statistics.median, zip(*rounds, strict=True))


async def serial(task: Task, unit: str, peer: Peer, own: Peer) -> dict[str, float]:
    """Measure plays one after another: peer, fsm_orch and the bare loop in turns."""
    times, own_times, bare_times = await warm(task, peer), await warm(task, own), 5_000 // task.calls
    _settle()
    rounds = []
    for _ in range(ROUNDS):
        spent, ours = await turn(task, peer, times), await turn(task, own, own_times)
        plain = await bare_turn(task.calls, bare_times)
        rounds.append((spent, ours, plain, build_turn(peer, times), spent / plain, spent / ours))
    spent, ours, plain, build, ratio, to_own = _medians(rounds)
    units = task.calls if unit == "hop" else 1
    return {
        f"us_a_{unit}": spent / units * 1e6,
        f"fsm_orch_us_a_{unit}": ours / units * 1e6,
        f"bare_us_a_{unit}": plain / units * 1e6,
        "ratio": ratio,
        "to_fsm_orch": to_own,
        "build_us": build * 1e6,
    }


async def crowd_turn(play: Callable[[], Awaitable[Any]], check: Callable[[list[Any]], object]) -> tuple[float, float]:
    """Give the seconds on the wall and the CPU seconds of a crowd of plays at once, and check what they gave back."""
    gc.collect()
    began, began_cpu = time.perf_counter(), time.process_time()
    results = await asyncio.gather(*(play() for _ in range(CROWD)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    check(results)
    return seconds, cpu


async def crowd(task: Task, peer: Peer, own: Peer) -> dict[str, float]:
    """Measure plays at once: peer, fsm_orch and the bare loop in turns."""
    await warm(task, peer)
    await warm(task, own)
    _settle()
    rounds = []
    for _ in range(CROWD_ROUNDS):
        seconds, cpu = await crowd_turn(peer.play, functools.partial(_check, task, peer))
        own_seconds, own_cpu = await crowd_turn(own.play, functools.partial(_check, task, own))
        plain, _ = await crowd_turn(lambda: bare(task.calls, DELAY_S), list)
        rounds.append((seconds, own_seconds, plain, cpu, own_cpu, seconds / plain, seconds / own_seconds))
    seconds, own_seconds, plain, cpu, own_cpu, ratio, to_own = _medians(rounds)
    return {
        "seconds": seconds,
        "fsm_orch_seconds": own_seconds,
        "bare_seconds": plain,
        "ratio": ratio,
        "to_fsm_orch": to_own,
        "cpu_us_a_run": cpu / CROWD * 1e6,
        "fsm_orch_cpu_us_a_run": own_cpu / CROWD * 1e6,
    }


async def memory(script: Script, peer: Peer, runs: int = 100) -> float:
    """Give the bytes that a play under way holds, while all of them wait in the call that answers."""
    waiting, all_wait, go = 0, asyncio.Event(), asyncio.Event()

    async def wait(is_answer: bool) -> None:
        nonlocal waiting
        if not is_answer:
            return
        waiting += 1
        if waiting == runs:
            all_wait.set()
        await go.wait()

    script.wait = None
    await peer.play()
    script.wait = wait
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tasks = [asyncio.create_task(peer.play()) for _ in range(runs)]
    await all_wait.wait()
    held = (tracemalloc.get_traced_memory()[0] - before) / runs
    tracemalloc.stop()
    go.set()
    await asyncio.gather(*tasks)
    return held


def _settle() -> None:
    """Hide from the garbage collector what importing left, or a library would pay for the size of the others."""
    gc.collect()
    gc.freeze()


def handoff2(make: Callable[[Task, Script], Peer]) -> dict[str, float]:
    """One run of two model calls: triage, a handoff of its choice, an answer."""
    return asyncio.run(serial(DESK, "run", make(DESK, Script(DESK)), fsm_orch(DESK, Script(DESK))))


def chain50(make: Callable[[Task, Script], Peer]) -> dict[str, float]:
    """Fifty handoffs round five agents, and an answer."""
    return asyncio.run(serial(RING, "hop", make(RING, Script(RING)), fsm_orch(RING, Script(RING))))


def concurrent1000(make: Callable[[Task, Script], Peer]) -> dict[str, float]:
    """A thousand runs of `handoff2` at once, each call sleeping 50 ms; time on the wall, since sleep is shared."""

    async def sleep(is_answer: bool) -> None:
        await asyncio.sleep(DELAY_S)

    script = Script(DESK, sleep)
    peer = make(DESK, script)
    figures = asyncio.run(crowd(DESK, peer, fsm_orch(DESK, Script(DESK, sleep))))
    return {**figures, "kb_a_run": asyncio.run(memory(script, peer)) / 1_000}


FIGURES = {"handoff2": handoff2, "chain50": chain50, "concurrent1000": concurrent1000}


def measure(figure: str, name: str) -> None:
    """Print a figure of a peer, or why there is none."""
    distribution, make = PEERS[name]
    try:
        figures = FIGURES[figure](make)
        report(figure, peer=name, version=importlib.metadata.version(distribution), **figures)
    except (ImportError, Skipped) as exc:
        report(figure, peer=name, skipped=str(exc))


def main(wanted: list[str]) -> None:
    """Print the figures wanted of the peers wanted; naming none of either means all.

    Raises SystemExit: if one is not known.
    """
    unknown = sorted({*wanted} - {*FIGURES, *PEERS})
    if unknown:
        raise SystemExit(f"no {', '.join(unknown)}. Figures: {', '.join(FIGURES)}. Peers: {', '.join(PEERS)}")
    os.environ.update(QUIET)
    for figure in [name for name in FIGURES if name in wanted] or FIGURES:
        for peer in [name for name in PEERS if name in wanted] or PEERS:
            measure(figure, peer)


if __name__ == "__main__":
    main(sys.argv[1:])
