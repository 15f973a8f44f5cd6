"""What observers cost: CPU time that each adds to a hop, against the hop of a bare asyncio loop over the same stub.

    python tests/benchmarks/observers.py                     # all of them
    python tests/benchmarks/observers.py prometheus structlog

A run takes 51 hops with a model's call each, which makes 104 spans. Runs without an observer, runs with each, and the
bare loop take turns, in one process and in a drawn order; each figure is the median of the rounds. `ratio` is what an
observer adds a hop to a hop of the bare loop. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import Any

import orjson
import structlog
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, TraceIdRatioBased
from speed import ROUNDS, Query, Ring, Stub, bare, cpu, report

from fsm_orch import Runner
from fsm_orch.observe import Observer, Tracer
from fsm_orch.observe.log import log_records
from fsm_orch.observe.otel import trace_runs
from fsm_orch.observe.prometheus import Metrics

HOPS = 51


class Dropped(SpanExporter):
    """Encodes spans as for the wire, and sends them nowhere."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


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


def sampled(sampler: Sampler, *, is_exported: bool = False) -> Tracer:
    """Trace with the SDK."""
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    if is_exported:
        provider.add_span_processor(BatchSpanProcessor(Dropped(), schedule_delay_millis=100))
    return trace_runs(provider)


OBSERVERS: dict[str, Callable[[], Observer | Tracer]] = {
    "nothing": nothing,
    "prometheus": prometheus,
    "structlog": log,
    "otel_no_sdk": trace_runs,
    "otel_off": partial(sampled, ALWAYS_OFF),
    "otel_1_percent": partial(sampled, TraceIdRatioBased(0.01), is_exported=True),
    "otel_recorded": partial(sampled, ALWAYS_ON),
    "otel_exported": partial(sampled, ALWAYS_ON, is_exported=True),
}
"""By name; `exported` holds the thread that encodes spans too."""


async def measured(names: list[str]) -> None:
    """Print what some observers cost."""
    none = Runner(Ring, model=Stub())
    runners = {name: Runner(Ring, model=Stub(), observers=[OBSERVERS[name]()]) for name in names}
    plays: dict[str, Callable[[], Awaitable[Any]]] = {
        name: partial(runner.run, Query(text="hi")) for name, runner in {"none": none, **runners}.items()
    }
    plays["bare"] = lambda: bare(HOPS)
    await cpu(plays["none"], 6)
    rounds, turns, chance = [], list(plays.items()), Random(0)
    for _ in range(2 * ROUNDS):
        chance.shuffle(turns)  # else one would always come after the thread that exports, or with cold caches
        rounds.append({name: await cpu(play, 6) / HOPS * 1e6 for name, play in turns})
    plain = statistics.median(each["bare"] for each in rounds)
    without = statistics.median(each["none"] for each in rounds)
    report("hop", us_without_observer=without, us_bare=plain)
    for name in names:
        adds = statistics.median(each[name] - each["none"] for each in rounds)
        report(name, us_added_a_hop=adds, ratio=adds / plain)


if __name__ == "__main__":
    asyncio.run(measured(sys.argv[1:] or list(OBSERVERS)))
