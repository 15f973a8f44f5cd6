"""Runs that go through shared gates, one after the other, while something happens to Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from threading import Event, Thread
from typing import Any

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State, Visit
from fsm_orch.resilience import Gate
from fsm_orch.resilience.shared import SharedGates


class Wish(Context):
    """What is wanted."""

    answer: str | None = None


async def fetch(visit: Visit[Wish]) -> dict[Any, Any]:
    """Ask a system that takes 10 ms."""
    await asyncio.sleep(0.01)
    return {Wish.answer: "here"}


class Fetches(Machine[Wish]):
    """A model that passes on, and a system that answers; whatever goes wrong lands the run."""

    route = State(LLMAgent("Route.", calls=2, max_input_tokens=200, max_output_tokens=50), initial=True)
    fetch = State(fetch, writes=Wish.answer)
    done = Final()
    human = Final(fallback=True)
    to_fetch = route.to(fetch, "fetch it")
    no_need = route.to(done, "nothing to fetch")
    fetched = fetch.to(done)
    limits = Limits(hops=4, tokens=2_000, deadline_s=600, visit_s=60)


@dataclass
class Load:
    """What has become of runs."""

    runs: list[tuple[float, float]] = field(default_factory=list)
    """When each began, and how many seconds it took."""
    failed: list[str] = field(default_factory=list)
    """What befell those that did not end as they should."""

    stalls: list[tuple[float, float]] = field(default_factory=list)
    """When this process had no turn: since when, and until when."""

    def waited(self) -> list[float]:
        """Return how many seconds each run took in which this process had turns."""
        return [
            took - sum(max(0.0, min(until, began + took) - max(since, began)) for since, until in self.stalls)
            for began, took in self.runs
        ]

    def between(self, since: float, until: float) -> list[float]:
        """Return how long those took that were under way in some time, in order."""
        return sorted(took for began, took in self.runs if began < until and began + took > since)


def gated(shared: SharedGates, **options: Any) -> Runner[Wish, None]:
    """Return a runner whose agents have all kinds of gates, wide enough for `load`."""
    model = Gate(pace=shared.pace("model", 2_000, burst=50))
    system = Gate(at_once=shared.places("system", 8, queue=64), breaker=shared.breaker("system", failures=3, open_s=1))
    gates = {Fetches.route: model, Fetches.fetch: system}
    return Runner(Fetches, model=ScriptedModel(repeat({"handoff": "to_fetch"})), gates=gates, **options)


@asynccontextmanager
async def load(runner: Runner[Wish, None], *, at_once: int = 8) -> AsyncIterator[Load]:
    """Run, so many at once, until the block is left."""
    seen, is_over = Load(), asyncio.Event()

    async def one() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            result = await runner.run(Wish())
            seen.runs.append((began, time.monotonic() - began))
            if result.state is not Fetches.done:
                seen.failed.append(f"{result.state}: {result.landing} {result.error}")

    with _stalls(seen.stalls):
        tasks = [asyncio.create_task(one()) for _ in range(at_once)]
        try:
            yield seen
        finally:
            is_over.set()
            await asyncio.gather(*tasks)


@contextmanager
def _stalls(seen: list[tuple[float, float]]) -> Iterator[None]:
    """Note when this process has no turn, until the block is left."""
    is_over = Event()

    def ticks() -> None:
        while not is_over.is_set():
            since = time.monotonic()
            is_over.wait(0.05)
            if (until := time.monotonic()) - since > 0.5:
                seen.append((since, until))

    ticking = Thread(target=ticks)  # no task: a loop that is blocked is no process without a turn
    ticking.start()
    try:
        yield
    finally:
        is_over.set()
        ticking.join()
