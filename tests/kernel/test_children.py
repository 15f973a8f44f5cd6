"""Children: machines that run inside a visit, as their parent tells of them."""

from __future__ import annotations

from msgspec.structs import replace
from support.desk import Support
from support.handfed import FORKS, child, split
from support.random_machines import Facts, Twins
from support.recorded import CODE, DESK, FIRST, RESERVED, last, started

from fsm_orch import Final, Limits, Machine, Message, State, Usage
from fsm_orch.kernel import inputs
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.records import (
    CallDenied,
    CallReserved,
    CallSettled,
    ChildRecord,
    Landed,
    RunFinished,
    RunStarted,
    VisitStarted,
)
from fsm_orch.kernel.step import step
from fsm_orch.limits import CallLimits


class Parent(Machine[Facts]):
    """Runs children inside a visit."""

    fan = State(Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=300, max_output_tokens=600)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(done)
    limits = Limits(hops=2, tokens=2_000, deadline_s=60)


PARENT = CompiledMachine(Parent.definition, children={"desk": DESK, "forks": FORKS})
FAN = replace(CODE, state="fan", agent="Twins", reserved=800, remaining=1_200, ahead=1_000)


def test_a_childs_records_are_told_by_its_parent() -> None:
    """A child has an id under its parent's, shares its thread and trace, and lives on its share."""
    message = Message(role="user", content="hello")
    inner = replace(FIRST, run_id="r:0.1", at=0, remaining=100, ahead=100)
    stepped = step(PARENT, None, replace(started(PARENT), messages=(message,)))

    stepped = step(PARENT, stepped.configuration, split(1, "desk", 800, at=1, query="x"))

    assert stepped.records == (
        CallReserved(stamp=FAN, call=1, input_tokens=800, output_tokens=0),
        ChildRecord(
            stamp=FAN,
            call=1,
            record=RunStarted(
                stamp=replace(inner, reserved=0, remaining=800, ahead=800),
                machine="Support",
                digest=Support.definition.digest,
                limits=DESK.limits,
            ),
        ),
        ChildRecord(
            stamp=FAN,
            call=1,
            record=VisitStarted(stamp=inner, visits=1, granted=700, legal=("resolved",)),
        ),
    )
    assert due(PARENT, stepped.configuration) == (Act((1,), 0, "triage", 1), Act((), 0, "fan", 1))
    assert stepped.configuration.messages == (message,)


def test_an_overrun_of_a_child_is_recorded_when_its_visit_ends() -> None:
    """A run that lands because a child spent more than its share says so in the same words as for a call of its own."""
    overrun = inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=801), at=1)
    inner = [child(1, event) for event in (RESERVED, overrun)]

    *_, told, finished = last(PARENT, split(1, "desk", 800, query="x"), *inner, inputs.Replied(at=2)).records

    assert isinstance(told, Landed)
    assert (told.reason, told.detail) == ("overrun", "a call used more than it had reserved")
    assert isinstance(finished, RunFinished)


def test_children_that_end_with_their_visit_are_recorded_one_by_one() -> None:
    """Each child is landed, then charged, before the parent goes on."""
    stepped = last(PARENT, split(1, "forks", 50), split(2, "forks", 60), inputs.Replied(at=2))

    kinds = [record.record.kind if isinstance(record, ChildRecord) else record.kind for record in stepped.records]
    assert kinds == ["landed", "run_finished", "call_settled"] * 2 + ["handed_off", "run_finished"]
    told = stepped.records[0]
    assert isinstance(told, ChildRecord)
    assert (told.call, told.stamp.run_id) == (1, "r")
    assert isinstance(told.record, Landed)
    assert (told.record.reason, told.record.detail) == ("cancelled", "its visit ended")
    assert stepped.configuration.visit is None


def test_a_refused_share_is_recorded_with_its_reason() -> None:
    """A share that is not admitted leaves the grant as it was, and is told by the number of its call."""
    stamp = replace(FAN, reserved=900, remaining=1_100, ahead=900)

    assert last(PARENT, split(1, "forks", 901, at=1)).records == (
        CallDenied(stamp=stamp, call=1, reason="call_limits"),
    )


def test_a_merged_child_is_recorded_with_what_it_used() -> None:
    """A child is charged like a call: under its number, with its usage and what it settled."""
    usage = Usage(requests=1, input_tokens=40, output_tokens=20)
    inner = [RESERVED, inputs.CallSettled(call=1, usage=usage, at=1), inputs.Replied(handoff="resolved", at=1)]
    told = [child(1, event) for event in inner]

    stepped = last(PARENT, split(1, "desk", 800, query="x"), *told, inputs.Merged(call=1, at=1))

    assert stepped.records == (
        CallSettled(
            stamp=replace(FAN, settled=60, reserved=0, remaining=1_940, ahead=1_740),
            call=1,
            usage=usage,
            tokens=60,
            cost=0,
            overrun=0,
        ),
    )
