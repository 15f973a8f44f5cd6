"""What the kernel records: every record of a step as a whole, with its stamp, and nothing besides."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace
from support.desk import Support
from support.random_machines import Asks, Facts
from support.recorded import CODE, DESK, FIRST, RESERVED, last, started

from fsm_orch import Final, Limits, Machine, State, Usage, Visit, guard
from fsm_orch.amounts import Price
from fsm_orch.kernel import inputs
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.potential import Potential
from fsm_orch.kernel.reasons import LandingReason
from fsm_orch.kernel.records import (
    Answered,
    Asked,
    AttemptFailed,
    CallDenied,
    CallReleased,
    CallReserved,
    CallSettled,
    GuardRaised,
    HandedOff,
    Landed,
    Record,
    Refused,
    RunFinished,
    RunStarted,
    Stamp,
    VisitStarted,
    Wanted,
)
from fsm_orch.kernel.requests import AskHuman
from fsm_orch.kernel.step import step


def desk(*inputs: Input) -> tuple[Record, ...]:
    return last(DESK, *inputs, query="x").records


TO_BILLING = inputs.Replied(handoff="to_billing", at=1)
BILLING = replace(FIRST, at=1, state="billing", agent="LLMAgent", hops=1, reserved=1_000, remaining=9_000, ahead=4_400)


def test_a_start_is_recorded_before_and_after_its_grant() -> None:
    """A run starts with nothing held and all of its worst case ahead; its first visit holds the grant."""
    assert desk() == (
        RunStarted(
            stamp=replace(FIRST, reserved=0, remaining=10_000, ahead=6_800),
            machine="Support",
            digest=Support.definition.digest,
            limits=DESK.limits,
        ),
        VisitStarted(stamp=FIRST, visits=1, granted=700, legal=("to_billing", "resolved")),
    )


def test_a_run_without_a_trace_is_its_own() -> None:
    """The trace of a run is its own id if none is given."""
    stepped = step(DESK, None, replace(started(DESK, query="x"), trace_id=None))

    assert {record.stamp.trace_id for record in stepped.records} == {"r"}


def test_a_call_is_recorded_with_what_it_reserves() -> None:
    """The stamp of an admitted call shows the ledger after it."""
    assert desk(RESERVED) == (
        CallReserved(
            stamp=replace(FIRST, at=1, reserved=150, remaining=9_850, ahead=6_650),
            call=1,
            input_tokens=50,
            output_tokens=100,
        ),
    )


def test_a_refused_call_is_recorded_with_its_reason() -> None:
    """A call that is not admitted leaves the grant as it was."""
    assert desk(replace(RESERVED, input_tokens=601)) == (
        CallDenied(stamp=replace(FIRST, at=1), call=1, reason="call_limits"),
    )


def test_a_charge_is_recorded_with_its_money() -> None:
    """A settled call tells its usage, tokens and micro-dollars."""
    compiled = CompiledMachine(
        Support.definition, limits=DESK.limits, prices={"triage": Price(Fraction(1, 4), Fraction(2))}
    )
    usage = Usage(requests=1, input_tokens=30, output_tokens=10)

    stepped = last(compiled, RESERVED, inputs.CallSettled(call=1, usage=usage, at=2), query="x")

    assert stepped.records == (
        CallSettled(
            stamp=replace(FIRST, at=2, settled=40, reserved=0, remaining=9_960, ahead=6_760),
            call=1,
            usage=usage,
            tokens=40,
            cost=28,
            overrun=0,
            seconds=1.0,
        ),
    )


def test_a_freed_call_is_recorded() -> None:
    """A released call leaves nothing held and nothing charged."""
    assert desk(RESERVED, inputs.CallReleased(call=1, at=2)) == (
        CallReleased(stamp=replace(FIRST, at=2, reserved=0, remaining=10_000, ahead=6_800), call=1, seconds=1.0),
    )


def test_an_overrun_is_recorded_with_its_landing() -> None:
    """A call beyond its reservation is charged, and the landing says why in words."""
    overrun = replace(FIRST, at=2, settled=151, reserved=0, remaining=9_849, ahead=6_649)
    human = replace(overrun, state="human", agent=None, hops=1, ahead=0)
    usage = Usage(requests=1, input_tokens=151)

    assert desk(RESERVED, inputs.CallSettled(call=1, usage=usage, at=2)) == (
        CallSettled(stamp=overrun, call=1, usage=usage, tokens=151, cost=0, overrun=1, seconds=1.0),
        Landed(
            stamp=replace(human, ahead=6_649),
            source="triage",
            target="human",
            reason="overrun",
            detail="a call used more than it had reserved",
        ),
        RunFinished(stamp=human, landing="overrun"),
    )


def test_a_handoff_is_recorded_before_the_visit_it_leads_to() -> None:
    """The handoff is stamped where it led, before the grant of the visit that follows."""
    assert desk(TO_BILLING) == (
        HandedOff(
            stamp=replace(BILLING, reserved=0, remaining=10_000, ahead=6_800),
            handoff="to_billing",
            source="triage",
            target="billing",
            messages=0,
            written=(),
        ),
        VisitStarted(stamp=BILLING, visits=1, granted=1_000, legal=("back", "to_verify", "done")),
    )


def test_each_visit_is_counted_for_its_own_state() -> None:
    """The second visit of a state is its second, whatever came between."""
    records = desk(
        TO_BILLING, inputs.Replied(handoff="back", changes={"invoice": None, "answer": None}, at=1), TO_BILLING
    )

    assert [(r.stamp.hops, r.visits) for r in records if isinstance(r, VisitStarted)] == [(3, 2)]


def test_an_end_is_recorded() -> None:
    """A run that ends where it was meant to has no landing, and nothing ahead."""
    answered = replace(FIRST, at=1, state="answered", agent=None, hops=1, reserved=0, remaining=10_000, ahead=0)

    assert desk(inputs.Replied(handoff="resolved", at=1))[-1:] == (RunFinished(stamp=answered, landing=None),)


def test_a_cancellation_is_recorded_with_its_detail() -> None:
    """The caller's words are those of the landing."""
    (landed, finished) = desk(inputs.Cancelled(detail="the user left", at=1))

    assert isinstance(landed, Landed)
    assert (landed.source, landed.target, landed.reason, landed.detail) == (
        "triage",
        "human",
        "cancelled",
        "the user left",
    )
    assert finished == RunFinished(
        stamp=replace(FIRST, at=1, state="human", agent=None, hops=1, reserved=0, remaining=10_000, ahead=0),
        landing="cancelled",
    )


def test_a_refusal_is_recorded_with_what_was_proposed() -> None:
    """A refused reply tells the handoff it named and why it was refused; what was held goes back for the repair."""
    assert desk(inputs.Replied(handoff="nowhere", at=1)) == (
        Refused(
            stamp=replace(FIRST, at=1, reserved=0, remaining=10_000, ahead=6_800),
            handoff="nowhere",
            reason="unknown_handoff",
            detail="'nowhere' does not leave 'triage'",
            is_repaired=True,
        ),
    )


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (inputs.Replied(at=1), "no_handoff", "Choose one of: to_billing, resolved."),
        (
            inputs.Replied(handoff="x" * 65, at=1),
            "unknown_handoff",
            f"{'x' * 64!r} does not leave 'triage'",
        ),
        (
            inputs.Replied(handoff="resolved", changes={"query": "y", "answer": "z"}, at=1),
            "undeclared_write",
            "answer, query: not declared by this agent, which writes []",
        ),
    ],
)
def test_a_refusal_says_what_is_open(reply: inputs.Replied, reason: str, detail: str) -> None:
    """A refusal names the exits or fields that there are, and at most 64 characters of what was named."""
    (refused,) = desk(reply)

    assert isinstance(refused, Refused)
    assert (refused.handoff, refused.reason, refused.detail) == (reply.handoff, reason, detail)


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({}, "missing_field", "answer, invoice: every reply writes every declared field"),
        ({"invoice": 1, "answer": ""}, "wrong_type", "invoice: Input should be a valid string"),
    ],
)
def test_a_refusal_names_the_fields_that_do_not_fit(changes: dict[str, Any], reason: str, detail: str) -> None:
    """A reply that lacks fields, or writes what the context refuses, is told which."""
    (refused,) = desk(TO_BILLING, inputs.Replied(handoff="done", changes=changes, at=1))

    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == (reason, detail)


# --- code, failures and guards --------------------------------------------------------------------------------


@guard
def divides(facts: Facts) -> bool:
    return 6 // facts.count > 1


answers: list[bool] = []


@guard
def moody(facts: Facts) -> bool:
    return answers.pop()


def work(visit: Visit[Facts]) -> None:
    """Stand for any code; the tests feed its replies by hand."""


class Sums(Machine[Facts]):
    """Code that may fail in every way."""

    reckon = State(work, initial=True, writes=(Facts.count,), attempts=3)
    wonder = State(Asks(writes=()), timeout_s=5)
    mull = State(work)
    done = Final()
    human = Final(fallback=True)

    go = reckon.to(done, guard=divides)
    onward = reckon.to(wonder, guard=~divides)
    refused = reckon.on_refusal(mull)
    over = wonder.to(mull)
    end = mull.to(done, guard=moody)

    limits = Limits(hops=5, tokens=100, deadline_s=60)


SUMS = CompiledMachine(Sums.definition)
TO_WONDER = inputs.Replied(changes={"count": 6}, at=1)
WONDER = replace(CODE, state="wonder", agent="Asks", hops=1)


def landed(at: Stamp, reason: LandingReason, detail: str) -> tuple[Landed, RunFinished]:
    """Give the records of a landing from the state of a stamp."""
    human = replace(at, state="human", agent=None, hops=at.hops + 1)
    return (
        Landed(stamp=human, source=at.state, target="human", reason=reason, detail=detail),
        RunFinished(stamp=human, landing=reason),
    )


def test_a_guard_that_raises_is_recorded_where_it_was_passed_over() -> None:
    """Each guard that raised while a default was looked for is named, and the landing says that none held."""
    stepped = last(SUMS, inputs.Replied(changes={"count": 0}, at=1))

    assert stepped.records == (
        GuardRaised(stamp=CODE, handoff="go", detail="ZeroDivisionError in divides"),
        GuardRaised(stamp=CODE, handoff="onward", detail="ZeroDivisionError in ~divides"),
        *landed(CODE, "no_handoff", "no guard of 'reckon' holds"),
    )
    assert stepped.configuration.visit is None


@pytest.mark.parametrize(
    ("count", "raised", "why"),
    [(0, True, "ZeroDivisionError in divides"), (6, False, "the guard of 'go' does not hold")],
)
def test_a_closed_guard_is_recorded_with_the_edge_that_is_taken(count: int, raised: bool, why: str) -> None:
    """A proposed handoff whose guard raised or does not hold is refused by name, and the failure edge follows."""
    answers[:] = [True]
    mull = replace(CODE, state="mull", hops=1)

    assert last(SUMS, inputs.Replied(handoff="go", changes={"count": count}, at=1)).records == (
        *([GuardRaised(stamp=CODE, handoff="go", detail=why)] if raised else []),
        Refused(stamp=CODE, handoff="go", reason="guard", detail=f"'go' is not legal now: {why}", is_repaired=False),
        HandedOff(stamp=mull, handoff="refused", source="reckon", target="mull", messages=0, written=()),
        VisitStarted(stamp=mull, visits=1, granted=0, legal=("end",)),
    )


def test_a_guard_that_changed_its_answer_is_recorded() -> None:
    """A guard that held when it was asked and not when the run moved is refused as impure."""
    answers[:] = [False, True, True]  # the last is asked for first: menu, objection, move
    detail = "the guard of 'end' changed its answer: guards are pure"
    mull = replace(CODE, state="mull", hops=2)

    stepped = last(SUMS, TO_WONDER, inputs.Replied(at=1), inputs.Replied(handoff="end", at=1))

    assert stepped.records == (
        Refused(stamp=mull, handoff="end", reason="guard", detail=detail, is_repaired=False),
        *landed(mull, "refusal", detail),
    )


def test_every_attempt_is_recorded() -> None:
    """Of three attempts two are retried, each under its own number; the third ends the visit."""
    failed = inputs.Failed(reason="error", detail="ValueError", at=1)
    steps = [last(SUMS, *[failed] * count) for count in (1, 2, 3)]

    assert [stepped.records[0] for stepped in steps] == [
        AttemptFailed(stamp=CODE, reason="error", detail="ValueError", is_retried=is_retried)
        for is_retried in (True, True, False)
    ]
    assert [due(stepped.configuration) for stepped in steps] == [
        (Act((), 0, "reckon", 2),),
        (Act((), 0, "reckon", 3),),
        (),
    ]
    assert steps[-1].records[1:] == landed(CODE, "failure", "ValueError")


def test_a_late_reply_is_recorded_as_a_timeout() -> None:
    """What came after the visit's time is told so."""
    stamp = replace(WONDER, at=7)

    assert last(SUMS, TO_WONDER, inputs.Replied(at=7)).records == (
        AttemptFailed(stamp=stamp, reason="timeout", detail="the reply came after the visit's time", is_retried=False),
        *landed(stamp, "timeout", "the reply came after the visit's time"),
    )


def test_the_deadline_needs_no_detail() -> None:
    """A landing at the deadline says all in its reason."""
    assert last(SUMS, inputs.Replied(at=60)).records == landed(replace(CODE, at=60), "deadline", "")


def test_a_round_is_recorded_with_what_is_asked() -> None:
    """What is asked for is told by its number, kind and name, and each ask by a record of its end; no value is."""
    asked = inputs.Asked(requests=(AskHuman(question="May I?"),), need=1, at=1)
    answered = inputs.Answered(ask=1, id="a", value="secret", who="Ann", at=2)

    assert last(SUMS, TO_WONDER, asked).records == (
        Asked(stamp=WONDER, asks=(Wanted(ask=1, kind="human", name=""),), need=1, is_race=False),
    )
    assert last(SUMS, TO_WONDER, asked, answered).records == (
        Answered(stamp=replace(WONDER, at=2), ask=1, end="answered", ok=True, who="Ann", tokens=0, cost=0),
    )


def test_what_may_still_be_charged_counts_the_visits_that_are_left() -> None:
    """A potential that charges for visits falls with every visit that is made, from the first record on."""
    worst, to_come = {"triage": 1_400, "billing": 2_000}, {"triage": [0] * 4, "billing": [0] * 4}
    potential = Potential(worst, to_come, {"triage": 100, "billing": 300}, {"triage": 3, "billing": 2})
    compiled = CompiledMachine(Support.definition, limits=DESK.limits, potential=potential)

    records = [*last(compiled, query="x").records, *last(compiled, TO_BILLING, query="x").records]

    first, second = 1_400 + 2 * 100 + 2 * 300, 2_000 + 2 * 100 + 300
    assert [(r.kind, r.stamp.reserved + r.stamp.ahead) for r in records] == [
        ("run_started", first),
        ("visit_started", first),
        ("handed_off", first),
        ("visit_started", second),
    ]


def test_a_visit_that_leads_nowhere_lands_and_says_where() -> None:
    """Where nothing is legal on entry, the landing names the state."""
    answers[:] = [False]
    records = last(SUMS, TO_WONDER, inputs.Replied(at=1)).records

    assert records[-2:] == landed(replace(CODE, state="mull", hops=2), "no_handoff", "nothing is legal in 'mull'")
