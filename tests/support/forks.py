"""Runs that are forked: one of a desk, one of any machine, and what their journals say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.desk import Ticket, runner

from fsm_orch import (
    Context,
    MemoryStore,
    Runner,
    RunResult,
    ScriptedModel,
)
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input


async def parent(*script: Any, query: str = "please", **options: Any) -> MemoryStore:
    """Return a store with a run `p` of the desk."""
    store = MemoryStore(**options)
    await runner(*script, store=store).run(Ticket(query=query), run_id="p")
    return store


async def started(machine: Any, context: Context, *script: Any, **options: Any) -> tuple[Any, RunResult[Any]]:
    """Return a runner with a run `p` that has come as far as it goes by itself, and what it came to."""
    it: Any = Runner(machine, model=ScriptedModel(script), **{"store": MemoryStore(), **options})
    return it, await it.run(context, run_id="p")


def settled_of(journal: Sequence[Input]) -> int:
    """Return the tokens that the calls of a journal were charged, by their own words."""
    said = [event.usage for event in journal if isinstance(event, inputs.CallSettled)]
    return sum(usage.input_tokens + usage.output_tokens for usage in said if usage is not None)


async def at_of(it: Any, kind: type[Input], nth: int = 1) -> int:
    """Return after how many inputs of the run `p` the nth one of a kind has come."""
    places = [n for n, event in enumerate(await it.store.load("p"), start=1) if isinstance(event, kind)]
    return places[nth - 1]
