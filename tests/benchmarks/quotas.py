"""Quotas under runs that spend what they may: nobody passes 1 M tokens an hour, and what that costs in throughput.

    python tests/benchmarks/quotas.py [RUNS] [memory] [sqlite] [postgresql]

Ten tenants have a million tokens each. With room for all, the same runs are driven with quotas and without, in turns of
one process, so that the ratio holds on a busy machine; then all are driven where there is room for half of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.servers import postgres

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Response,
    Runner,
    ScriptedModel,
    State,
    Usage,
)
from fsm_orch.errors import Overloaded
from fsm_orch.models.base import Request
from fsm_orch.resilience import Quota
from fsm_orch.store import Store
from fsm_orch.store.sql import SqlStore

TENANTS, QUOTA, AT_ONCE, TURNS = 10, 1_000_000, 200, 4
CALL = {"calls": 1, "max_input_tokens": 400, "max_output_tokens": 600}
MOST = 2_000
"""What a run may cost."""


class Query(Context):
    """What is asked."""

    text: str


class Spends(Machine[Query]):
    """Two calls."""

    first = State(LLMAgent("Spend.", reads=Query.text, **CALL), initial=True)  # type: ignore[arg-type]
    second = State(LLMAgent("Spend more.", reads=Query.text, **CALL))  # type: ignore[arg-type]
    spent, kept = Final(), Final(fallback=True)
    on, done = first.to(second), second.to(spent)
    limits = Limits(tokens=MOST, deadline_s=3_600, visit_s=3_600)


def all_of_it(request: Request) -> Response:
    """Return a reply that was billed all that its call may cost."""
    read = sum(len(message.content.encode()) for message in request.messages)
    return Response(text="{}", usage=Usage(requests=1, input_tokens=read, output_tokens=request.max_output_tokens))


async def driven(store: Store | None, runs: int, tokens: int | None) -> dict[str, Any]:
    """Return what came of many runs of ten tenants, so many at once.

    Args:
        tokens: of the quota of each; None: there is none.
    """
    quotas = () if tokens is None else Quota(tokens=tokens, name=f"hourly {tokens}")
    runner = Runner(
        Spends, model=ScriptedModel([all_of_it] * 2 * runs), store=store, quotas=quotas, wall_clock=time.time
    )
    charged, refused, left, began = Counter[str](), 0, iter(range(runs)), time.perf_counter()
    query = Query(text="x" * 250)

    async def several() -> None:
        nonlocal refused
        for number in left:
            tenant = f"tenant{number % TENANTS}"
            try:
                ended = await runner.run(query, tenant=tenant)
            except Overloaded:
                refused += 1
            else:
                charged[tenant] += ended.charged_tokens

    await asyncio.gather(*(several() for _ in range(AT_ONCE)))
    return {"seconds": time.perf_counter() - began, "most": max(charged.values()), "refused": refused}


async def compared(store: Store | None, runs: int) -> dict[str, Any]:
    """Return how fast runs are with quotas and without, with room for all."""
    took = {"with": 0.0, "without": 0.0}
    for turn in range(2 * TURNS):
        # who begins takes turns too
        kind = "with" if (turn + turn // 2) % 2 else "without"
        came = await driven(store, runs // (2 * TURNS), 10**9 if kind == "with" else None)
        took[kind] += came["seconds"]
    each = runs // 2
    return {
        "runs_s_without": round(each / took["without"]),
        "runs_s_with": round(each / took["with"]),
        "ratio": round(took["without"] / took["with"], 2),
    }


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[Store]:
    """Open an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "memory":
            yield MemoryStore(runs=1_000_000)
            return
        if kind == "postgresql":
            postgres().empty()
        store = SqlStore(postgres().url if kind == "postgresql" else f"sqlite:///{folder}/runs.db")
        yield store
        store.close()


async def measured(kind: str, runs: int, tokens: int = QUOTA) -> dict[str, Any]:
    """Return all figures of one kind of store."""
    async with opened(kind) as store:
        ratio = await compared(store, runs)
        tight = await driven(store, runs, tokens)
    return {
        "store": kind,
        "runs": runs,
        **ratio,
        "quota": tokens,
        "most_of_a_tenant": tight["most"],
        "refused": tight["refused"],
        "attempts_s": round(runs / tight["seconds"]),
    }


if __name__ == "__main__":
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), 10_000)
    for name in [word for word in sys.argv[1:] if not word.isdigit()] or ["memory", "sqlite", "postgresql"]:
        print(json.dumps(asyncio.run(measured(name, count))), flush=True)
