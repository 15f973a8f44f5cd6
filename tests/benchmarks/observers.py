"""What observers cost: CPU time that each adds to a hop, against the hop of a bare asyncio loop over the same stub.

    python tests/benchmarks/observers.py

A run takes 51 hops with a model's call each. Runs without an observer, runs with each, and the bare loop take turns, in
one process; each figure is the median of the rounds. `ratio` is what an observer adds a hop to a hop of the bare loop.
Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import structlog
from speed import ROUNDS, Query, Ring, Stub, bare, cpu, report

from fsm_orch import Runner
from fsm_orch.observe import Observer
from fsm_orch.observe.log import log_records
from fsm_orch.observe.prometheus import Metrics

HOPS = 51


def nothing() -> Observer:
    """Observe, and do nothing."""
    return lambda record: None


def prometheus() -> Observer:
    """Count for Prometheus."""
    return Metrics().of(Ring)


def log() -> Observer:
    """Write a line of JSON a record, to where nobody reads it."""
    out = structlog.wrap_logger(
        structlog.BytesLogger(open(os.devnull, "wb")),  # noqa: SIM115 - it is written to until the program ends
        processors=[structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.BoundLogger,
    )
    return log_records(out)


OBSERVERS: dict[str, Callable[[], Observer]] = {"nothing": nothing, "prometheus": prometheus, "structlog": log}
"""By name. OpenTelemetry's is to come here."""


async def measured(names: list[str]) -> None:
    """Print what some observers cost."""
    none = Runner(Ring, model=Stub())
    runners = {name: Runner(Ring, model=Stub(), observers=[OBSERVERS[name]()]) for name in names}
    plays: dict[str, Callable[[], Awaitable[Any]]] = {
        name: partial(runner.run, Query(text="hi")) for name, runner in {"none": none, **runners}.items()
    }
    plays["bare"] = lambda: bare(HOPS)
    rounds = [{name: await cpu(play, 6) / HOPS * 1e6 for name, play in plays.items()} for _ in range(ROUNDS + 1)][1:]
    plain = statistics.median(each["bare"] for each in rounds)
    without = statistics.median(each["none"] for each in rounds)
    report("hop", us_without_observer=without, us_bare=plain)
    for name in names:
        adds = statistics.median(each[name] - each["none"] for each in rounds)
        report(name, us_added_a_hop=adds, ratio=adds / plain)


if __name__ == "__main__":
    asyncio.run(measured(sys.argv[1:] or list(OBSERVERS)))
