"""Spans of random machines and random journals: each is ended, within what it lies in, and a refold makes the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextvars import copy_context
from itertools import chain

from hypothesis import given, settings
from opentelemetry.sdk.trace import ReadableSpan
from support.lanes import in_both_lanes
from support.nests import nest, tape, world
from support.otlp import Noted, noting, shape
from support.random_machines import PLANS, Facts, drawn

from fsm_orch import MemoryStore, Runner, StartError
from fsm_orch.errors import StepError
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Started
from fsm_orch.kernel.records import Record
from fsm_orch.kernel.step import step
from fsm_orch.observe.otel import trace_runs
from fsm_orch.testing import AdversarialModel, Tape, tapes, virtual_time

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def played(seed: int, most: int = 150) -> tuple[Started, list[Sequence[Record]]]:
    """Play a random nest; return how it began, and the records of each input."""
    choices = tape(seed)
    compiled = CompiledMachine(nest(choices, is_tight=seed % 3 == 0).definition)
    first = started(compiled, {"count": choices.below(9)}, run_id="r", thread_id="t", trace_parent=CALLER)
    stepped = step(compiled, None, first)
    made, at = [stepped.records], 0.0
    for _ in range(most):
        now = stepped.configuration
        if now.status == "finished":
            break
        at += choices.pick([0.0, 0.0, 0.1, 0.5, 2.0]) if not now.is_waiting else 0.0
        try:
            stepped = step(compiled, now, world(choices, compiled, now, at))
        except StepError:
            continue
        made.append(stepped.records)
    return first, made


def traced(first: Started, made: Sequence[Sequence[Record]], *, after: int = 0) -> Noted:
    """Return the spans that are made where a run is driven from one of its inputs on, by the clock of its records."""
    provider, noted = noting()
    now = 0.0
    tracer = trace_runs(provider, clock_ns=lambda: int(1e18 + now * 1e9))
    before = tuple(chain.from_iterable(made[:after]))

    def told() -> None:
        nonlocal now
        trace = tracer.trace(first, before, is_stored=after > 0)
        for record in chain.from_iterable(made[after:]):
            now = record.stamp.at
            trace(record)
        trace.leave()

    copy_context().run(told)  # a call's span becomes current where it is told, which in a run is its agent's context
    return noted


def again(noted: Noted) -> list[ReadableSpan]:
    """Return the spans of what was open before."""
    return [span for span in noted.ended if (span.attributes or {}).get("fsm.resumed")]


@in_both_lanes(few=40, many=200)
def test_spans_of_random_nests_end_within_what_they_lie_in(examples: int) -> None:
    """Whole, or cut anywhere and gone on with: all that begins ends in its place, and no span is made of nothing."""
    kinds = Counter[str]()
    for seed in range(examples):
        first, made = played(seed)
        whole = traced(first, made)
        whole.check()
        opened = Counter(span.name for span in whole.ended)
        kinds.update(name.partition(" ")[0] for name in opened)
        cut = 1 + seed * 7919 % len(made)
        one, two = traced(first, made[:cut]), traced(first, made, after=cut)

        one.check()
        two.check()
        resumed = again(two)
        assert cut == 1 or all(span.links[0].context.span_id == int(CALLER[36:52], 16) for span in resumed)
        # of a run of which only the beginning is stored the second is a child of its caller, and no one goes on
        doubled = two.ended if not resumed else []
        if not doubled:
            assert opened == Counter(s.name for s in (*one.ended, *two.ended)) - Counter(s.name for s in resumed), seed

    assert {"invoke_workflow", "invoke_agent", "chat", "execute_tool", "ask_human"} == set(kinds)


@in_both_lanes(few=60, many=300)
def test_a_refold_makes_the_spans_that_the_run_made(examples: int) -> None:
    """What a real run traced while it was driven is, but for ids and times, what its records make afterwards."""

    @settings(max_examples=examples, deadline=None)
    @given(PLANS, tapes())
    def same(plan: Tape, choices: Tape) -> None:
        machine, limits = drawn(plan)
        provider, live = noting()
        try:
            runner = Runner(
                machine,
                model=AdversarialModel(choices),
                limits=limits,
                store=MemoryStore(),
                observers=[trace_runs(provider)],
            )
        except StartError:
            return
        result = loop.run(runner.run(Facts(), deps=choices))
        live.check()

        first = result.journal[0]
        assert isinstance(first, Started)
        folded = traced(first, [runner.replay(result.journal).records])

        folded.check()
        assert shape(live.ended) == shape(folded.ended)

    loop: asyncio.Runner
    with virtual_time() as loop:
        same()
