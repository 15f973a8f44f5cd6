"""The desk and code as their records are stamped, whole."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from support.desk import Support

from fsm_orch import Limits
from fsm_orch.kernel import begin, inputs
from fsm_orch.kernel.course import Step
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.records import Stamp
from fsm_orch.kernel.step import step

DESK = CompiledMachine(Support.definition, limits=Limits(hops=4, tokens=10_000, deadline_s=60))
"""Its dearest run: triage, billing, triage, billing, at 1,400 and 2,000 tokens a visit."""

FIRST = Stamp(
    run_id="r",
    thread_id="t",
    trace_id="c",
    at=0.5,
    state="triage",
    agent="LLMAgent",
    hops=0,
    path=(),
    settled=0,
    reserved=700,
    remaining=9_300,
    ahead=6_100,
    machine="Support",
)
"""How every record of the first visit is stamped, before its first call."""


def started(compiled: CompiledMachine, **context: Any) -> inputs.Started:
    """Start a run on a thread and a trace, half a second in."""
    return replace(begin.started(compiled, context, run_id="r", thread_id="t", trace_id="c"), at=0.5)


def last(compiled: CompiledMachine, *inputs: Input, **context: Any) -> Step:
    """Give the last step of a run of these inputs."""
    stepped = step(compiled, None, started(compiled, **context))
    for event in inputs:
        stepped = step(compiled, stepped.configuration, event)
    return stepped


RESERVED = inputs.CallReserved(call=1, input_tokens=50, output_tokens=100, at=1)

CODE = Stamp(
    run_id="r",
    thread_id="t",
    trace_id="c",
    at=1,
    state="reckon",
    agent="work",
    hops=0,
    path=(),
    settled=0,
    reserved=0,
    remaining=100,
    ahead=0,
    machine="Sums",
)
"""How a record of code is stamped, that costs nothing."""
