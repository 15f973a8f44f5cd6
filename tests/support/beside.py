"""A machine that asks a human inside it while something else is at work, and workers that drive it."""

from __future__ import annotations

import asyncio
from typing import Any

from support.asking import Pair

from fsm_orch import Final, HumanAgent, Machine, MemoryStore, Nested, Parallel, Runner, RunResult, State, Visit

LEASE_S = 6.0
"""A beat every two seconds."""
WHEN = list[tuple[str, float]]()
"""What was done, and when."""


def now() -> float:
    """Return the time of the loop."""
    return round(asyncio.get_running_loop().time(), 6)


def note(visit: Visit[Pair]) -> None:
    """Note when it acts."""
    WHEN.append((visit.key, now()))


async def takes_nine(visit: Visit[Pair]) -> Any:
    """Take nine seconds."""
    try:
        await asyncio.sleep(9)
    except asyncio.CancelledError:
        WHEN.append(("stopped", now()))
        raise
    return {Pair.two: "slowly"}


class Asks(Machine[Pair]):
    """A human is asked, and what follows notes when."""

    ask = State(HumanAgent("What says the first?", reads=Pair.query, writes=Pair.one), initial=True, expires_s=100)
    noting = State(note)
    done, human = Final(), Final(fallback=True)
    said, over = ask.to(noting), ask.on_timeout(human)
    noted = noting.to(done)


class Beside(Machine[Pair]):
    """A human is asked inside it, while something else takes nine seconds."""

    ask = State(
        Parallel(Nested(Asks, writes=Pair.one), State(takes_nine, writes=Pair.two, timeout_s=60)),
        initial=True,
        timeout_s=60,
    )
    done, human = Final(), Final(fallback=True)
    on, failed = ask.to(done), ask.on_failure(human)


def worker(store: MemoryStore, **options: Any) -> Runner[Pair, None]:
    """Return a runner on a worker of its own."""
    return Runner(Beside, store=store.beside(lease_s=LEASE_S), **options)


async def begun(runner: Runner[Pair, None], seconds: float) -> asyncio.Task[RunResult[Pair]]:
    """Begin a run, and wait."""
    task = asyncio.ensure_future(runner.run(Pair(query="x"), run_id="r"))
    await asyncio.sleep(seconds)
    return task
