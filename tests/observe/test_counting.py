"""Counting, record by record: money, waits, seconds, approvals, and the places of machines inside."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from support.each_kind import MACHINES

from fsm_orch import Usage
from fsm_orch.kernel import records
from fsm_orch.kernel.records import Stamp, Wanted
from fsm_orch.observe.prometheus import Metrics

NEST = MACHINES["parallel in a nested machine"]


def stamp(state: str, *path: int) -> Stamp:
    return Stamp(
        run_id="r", thread_id=None, trace_id="r", at=1.5, state=state, agent="A", hops=2, path=path, settled=9,
        reserved=0, remaining=0, ahead=0,
    )  # fmt: skip


def after(machine: Any, *made: Any) -> CollectorRegistry:
    """Return what is counted after some records."""
    registry = CollectorRegistry()
    observe = Metrics(registry).of(machine)
    for record in made:
        observe(record)
    return registry


def test_money_waits_and_seconds_are_in_base_units() -> None:
    """Costs are dollars, waits and calls are seconds, and each histogram has one more."""
    at, of = stamp("triage"), {"machine": "Support", "agent": "triage"}
    call: dict[str, Any] = {"call": 1, "model": "openai:gpt"}
    used = Usage(requests=1, input_tokens=5, output_tokens=2)
    held = after(
        MACHINES["a desk"],
        records.CallReserved(stamp=at, **call, input_tokens=9, output_tokens=9, waited_s=0.25),
        records.CallSettled(stamp=at, **call, usage=used, tokens=7, cost=2_500_000, overrun=0, seconds=3.0),
        records.RunFinished(stamp=at, landing=None),
    )

    assert 2.5 == held.get_sample_value("agent_cost_usd_total", of)
    assert 0.25 == held.get_sample_value("agent_wait_seconds_sum", {**of, "why": "gate"})
    model = {"machine": "Support", "model": "openai:gpt"}
    assert 3.0 == held.get_sample_value("agent_call_seconds_sum", model)
    assert 1.5 == held.get_sample_value("agent_request_seconds_sum", {"machine": "Support"})


def test_the_use_of_a_tool_that_is_approved_is_a_question() -> None:
    """It is asked once, and answered once: when a human has approved it, and not when it was used."""
    machine = MACHINES["a tool that needs approval"].definition
    name, tool = next(
        (name, tool.name) for name, state in machine.states.items() for tool in state.spec.tools if tool.approval
    )
    at = stamp(name)
    asked = records.Asked(stamp=at, asks=(Wanted(ask=1, kind="tool", name=tool),), need=1, is_race=False)
    said = records.Approved(stamp=at, ask=1, who=None)
    used = records.Answered(stamp=at, ask=1, end="answered", ok=True, who=None, tokens=0, cost=0)

    held = after(MACHINES["a tool that needs approval"], asked, said, used)

    of = {"machine": machine.name, "agent": name}
    names = ("agent_questions_total", "agent_answers_total")
    assert [1.0, 1.0] == [held.get_sample_value(each, of) for each in names]


def test_states_of_machines_inside_have_their_own_places() -> None:
    """A visit inside counts at the place that the round named, and nowhere else."""
    place = next(each for each in NEST.definition.places if "." in each)
    state, part, inside = place.split(".")[:3]
    asked = records.Asked(stamp=stamp(state), asks=(Wanted(ask=4, kind="part", name=part),), need=1, is_race=False)
    visit = records.VisitStarted(stamp=stamp(inside, 4), visits=1, granted=0, legal=())

    held = after(NEST, asked, visit)

    of = {"machine": NEST.definition.name, "agent": f"{state}.{part}.{inside}"}
    assert 1.0 == held.get_sample_value("agent_visits_total", of)
