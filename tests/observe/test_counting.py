"""Counting, record by record: money, waits, seconds, approvals, and the places of machines inside."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from support.approvals import PayBack
from support.each_kind import MACHINES
from support.random_machines import Facts

from fsm_orch import Final, Machine, Nested, State, Usage, Visit
from fsm_orch.kernel import records
from fsm_orch.kernel.reasons import AskEnd
from fsm_orch.kernel.records import Stamp, Wanted
from fsm_orch.observe import places
from fsm_orch.observe.prometheus import Metrics

NEST = MACHINES["parallel in a nested machine"]


def stamp(state: str, *path: int, run_id: str = "r") -> Stamp:
    return Stamp(
        run_id=run_id, thread_id=None, trace_id="r", at=1.5, state=state, agent="A", hops=2, path=path, settled=9,
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


def used_tool(name: str, end: AskEnd) -> tuple[Any, ...]:
    """Return the records of one use of a tool, which came to some end."""
    at = stamp("buy")
    asked = records.Asked(stamp=at, asks=(Wanted(ask=1, kind="tool", name=name),), need=1, is_race=False)
    return asked, records.Answered(stamp=at, ask=1, end=end, ok=False, who=None, tokens=0, cost=0)


@pytest.mark.parametrize("end", get_args(AskEnd))
def test_only_what_a_human_says_is_an_answer(end: AskEnd) -> None:
    """A tool that none approves is no question, one that was declined is answered, and silence is no answer."""
    machine = MACHINES["a tool that needs approval"]
    of = {"machine": machine.definition.name, "agent": "buy"}
    names = ("agent_questions_total", "agent_answers_total")
    asked, free = (after(machine, *used_tool(name, end)) for name in ("book", "look_up"))
    alone = stamp("approve")
    human = after(PayBack, records.Answered(stamp=alone, ask=0, end=end, ok=True, who=None, tokens=0, cost=0))

    assert [1.0, float(end == "declined")] == [asked.get_sample_value(each, of) for each in names]
    assert 0.0 == free.get_sample_value("agent_questions_total", of)
    pays = {"machine": "PayBack", "agent": "approve"}
    assert float(end in ("answered", "declined")) == human.get_sample_value("agent_answers_total", pays)


def test_what_came_to_be_known_later_counts_where_it_was_spent() -> None:
    """Tokens and dollars beyond a reservation are those of the state that asked, wherever the run is by then."""
    of = {"machine": "Support", "agent": "triage"}
    over = records.Overspent(stamp=stamp("billing"), source="triage", visit=0, call=1, tokens=7, cost=500_000)
    held = after(MACHINES["a desk"], over)

    assert (7.0, 0.5) == tuple(held.get_sample_value(f"agent_{each}_total", of) for each in ("tokens", "cost_usd"))


def test_a_call_of_which_little_is_known_is_unknown() -> None:
    """Its usage, and the name of its model, which older journals do not have."""
    at = stamp("triage")
    held = after(
        MACHINES["a desk"],
        records.CallSettled(stamp=at, call=1, usage=None, tokens=9, cost=0, overrun=0, seconds=1.0),
    )

    of = {"machine": "Support", "agent": "triage", "outcome": "unknown"}
    assert 1.0 == held.get_sample_value("agent_calls_total", of)
    assert 1.0 == held.get_sample_value("agent_call_seconds_count", {"machine": "Support", "model": places.UNKNOWN})


def test_waits_are_counted_where_there_were_any() -> None:
    """Of a call, and of an attempt that made none; what did not wait is not among those that did."""
    at, of = stamp("billing"), {"machine": "Support", "agent": "triage", "why": "gate"}
    moved: dict[str, Any] = {"handoff": "x", "source": "triage", "target": "billing", "messages": 0, "written": ()}
    call: dict[str, Any] = {"stamp": stamp("triage"), "call": 1, "input_tokens": 1, "output_tokens": 1}
    held = after(
        MACHINES["a desk"],
        records.HandedOff(stamp=at, **moved, waited_s=0.5),
        records.HandedOff(stamp=at, **moved),
        records.CallReserved(**call),
    )

    assert (0.5, 1.0) == tuple(held.get_sample_value(f"agent_wait_seconds_{each}", of) for each in ("sum", "count"))


def test_a_guard_that_raised_is_counted_by_its_handoff() -> None:
    """At the state whose handoff it guards."""
    held = after(MACHINES["a desk"], records.GuardRaised(stamp=stamp("triage"), handoff="to_billing", detail="x"))

    of = {"machine": "Support", "agent": "triage", "handoff": "to_billing"}
    assert 1.0 == held.get_sample_value("agent_guard_errors_total", of)


def nothing(visit: Visit[Facts]) -> None:
    """Do nothing."""


class Inner(Machine[Facts]):
    """Does nothing, inside."""

    work = State(nothing, initial=True)
    done, human = Final(), Final(fallback=True)
    end = work.to(done)


class Twice(Machine[Facts]):
    """Has two machines inside, whose states have the same names."""

    one = State(Nested(Inner), initial=True)
    two = State(Nested(Inner))
    done, human = Final(), Final(fallback=True)
    on, end = one.to(two), two.to(done)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(1, 3))
def test_the_newest_runs_that_are_under_way_are_remembered(began: list[str], most: int) -> None:
    """A run that has ended takes no room, and of one that is forgotten nobody says that it is somewhere else."""
    remembered, now = list[str](), list[Any]()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(places, "_MOST_RUNS", most)
        for run_id in began:
            if run_id in remembered:
                remembered.remove(run_id)
                now.append(records.RunFinished(stamp=stamp("done", run_id=run_id), landing=None))
                continue
            remembered = [*remembered, run_id][-most:]
            asks = (Wanted(ask=4, kind="part", name="Inner"),)
            now.append(records.Asked(stamp=stamp("two", run_id=run_id), asks=asks, need=1, is_race=False))
        for run_id in "abcd":
            at = stamp("work", 4, run_id=run_id)
            now.append(records.VisitStarted(stamp=at, visits=1, granted=0, legal=()))
        held = after(Twice, *now)

    found = {
        place: held.get_sample_value("agent_visits_total", {"machine": "Twice", "agent": place}) or 0
        for place in ("one.Inner.work", "two.Inner.work", places.UNKNOWN)
    }
    count = len(remembered)
    assert {"one.Inner.work": 0, "two.Inner.work": count, places.UNKNOWN: 4 - count} == found
