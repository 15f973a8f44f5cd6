"""The ready suite and its theorem checker: a sound machine passes, a broken kernel or an impure guard is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec import structs
from support.desk import Support, Ticket
from support.handfed import Manager, Parent
from support.spoilt import FAULTS, LIMITS, Fault, lied, moved, retold, spoilt

from fsm_orch import Final, Limits, Machine, Message, State, Usage, Visit, guard
from fsm_orch.kernel import attempts, course, engine, inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine, GuardAnswer
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.records import HandedOff, VisitStarted
from fsm_orch.testing import RoutingSafety, TheoremChecker, Turn, play, theorem_checker
from machines.shop import ShopFloor

QUICK = settings(max_examples=40, stateful_step_count=30, deadline=None, database=None, derandomize=True)
HUNTING = settings(
    QUICK,
    max_examples=400,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestSupport = pytest.mark.slow(RoutingSafety(Support).TestCase)
TestSupport.settings = QUICK


@pytest.mark.parametrize("machine", [ShopFloor])
def test_a_machine_of_ours_is_safe(machine: type[Machine[Any, Any]]) -> None:
    """The suite passes on a machine with tools, tables and a model."""
    run_state_machine_as_test(RoutingSafety(machine), settings=QUICK)


@pytest.mark.parametrize("machine", [Parent, Manager])
def test_a_tree_of_machines_is_safe(machine: type[Machine[Any, Any]]) -> None:
    """The suite speaks for every agent of the tree, asks for tools, parts and humans, and answers for them."""
    run_state_machine_as_test(RoutingSafety(machine), settings=QUICK)


def test_the_suite_is_named_for_its_machine() -> None:
    """What a report shows tells which machine it is about."""
    assert ("SupportSafety", "Routing safety of Support.") == (
        RoutingSafety(Support).__name__,
        RoutingSafety(Support).__doc__,
    )


MOOD = {"calls": 0}


@guard
def moody(ticket: Ticket) -> bool:
    MOOD["calls"] += 1
    return MOOD["calls"] % 3 != 0


def work(visit: Visit[Ticket]) -> None: ...


class Moody(Machine[Ticket]):
    """A machine whose guard is not pure."""

    ask = State(work, initial=True)
    answered = Final()
    human = Final(fallback=True)
    done = ask.to(answered, guard=moody)


def test_a_guard_that_is_not_pure_is_found() -> None:
    """Hypothesis or the theorem checker sees that it answers otherwise the second time."""
    with pytest.raises(BaseException, match=r"(?i)T1|replay|flaky|inconsistent"):
        run_state_machine_as_test(RoutingSafety(Moody), settings=HUNTING)


@pytest.mark.parametrize(
    ("place", "name", "fault", "theorem"),
    [
        # or, past the last hop, its own tables end
        (attempts, "objection", lambda *args, **options: None, "T[1235]|list index out of range"),
        (course, "overwritten", lambda context, values: context, "T[56]"),
    ],
)
def test_a_broken_kernel_is_found(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, fault: Any, theorem: str
) -> None:
    """A kernel that forgets a rule breaks a theorem, which is named."""
    monkeypatch.setattr(place, name, fault)

    # About one example in two hundred shows the first; which are drawn depends on what else is imported.
    with pytest.raises(BaseException, match=theorem):
        run_state_machine_as_test(RoutingSafety(Support), settings=settings(HUNTING, max_examples=3_000))


JOURNAL: list[Input] = [
    inputs.CallReserved(call=1, input_tokens=600, output_tokens=100, at=1),
    inputs.CallSettled(call=1, usage=Usage(requests=1, input_tokens=10, output_tokens=5), at=2),
    inputs.Replied(handoff="to_billing", at=3),
    inputs.CallReserved(call=1, input_tokens=800, output_tokens=200, at=4),
    inputs.CallReleased(call=1, at=5),
    inputs.Replied(
        handoff="to_verify",
        changes={"invoice": "I7", "answer": None},
        messages=(Message(role="assistant", content="Wait."),),
        at=6,
    ),
    inputs.Replied(changes={"verified": False}, at=7),
]
"""A run of `Support` from its start to the door of a refund, which stays shut."""


def followed(limits: Limits = LIMITS) -> TheoremChecker:
    """Return a checker that has followed `JOURNAL`."""
    compiled = CompiledMachine(Support.definition, limits=limits)
    checker = TheoremChecker(compiled)
    checker.follow_all([started(compiled, {"query": "Refund me."}, run_id="r"), *JOURNAL])
    return checker


def test_a_sound_run_passes() -> None:
    """With nothing spoilt, the run in which the faults below are found breaks no theorem."""
    now = followed().now

    assert now is not None
    assert ("human", "no_handoff", 3) == (now.state, now.landing, now.hops)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_in_a_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with a step is named with its theorem."""
    fault = FAULTS[name]
    monkeypatch.setattr(theorem_checker, "step", spoilt(fault))

    with pytest.raises(AssertionError, match=f"{fault.theorem}: {fault.said}"):
        followed()


UNKEPT = {
    "unwritten": Fault(
        "T6",
        r"'to_verify' wrote \(\)",
        lambda now, event, done: lied(done, HandedOff, written=()),
    ),
    "unread": Fault(
        "T6",
        r"'refund' reads \['invoice'\], which no visit has written",
        lambda now, event, done: retold(done, VisitStarted, elsewhere),
    ),
    "lost": Fault(
        "T6",
        "the context is .* and what was committed",
        lambda now, event, done: moved(done, context=now.context) if now and done.configuration.visit else done,
    ),
    "silent": Fault(
        "T6",
        "messages came or went without a handoff",
        lambda now, event, done: moved(done, messages=()),
    ),
}
"""Faults that only a whole run shows."""


def elsewhere(record: VisitStarted) -> tuple[VisitStarted]:
    return (structs.replace(record, stamp=structs.replace(record.stamp, state="refund")),)


@pytest.mark.parametrize("name", UNKEPT)
def test_what_is_not_committed_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """T6 speaks of what was written on the whole way."""
    fault = UNKEPT[name]
    monkeypatch.setattr(theorem_checker, "step", spoilt(fault))

    with pytest.raises(AssertionError, match=f"{fault.theorem}: {fault.said}"):
        followed()


def test_a_closed_guard_that_is_passed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1 asks the guard again, on the context that was committed."""
    monkeypatch.setattr(engine, "_ask_guard", lambda handoff, context: GuardAnswer(holds=True))

    with pytest.raises(AssertionError, match="T1: 'approved' was taken though its guard did not hold"):
        followed()


def test_a_rise_of_what_is_ahead_is_found() -> None:
    """A record that says that more is ahead than before breaks T3."""
    result = play(Support, Ticket(query="?"), [Turn(Support.triage, Support.resolved, tokens=(10,))])
    started = result.journal[0]
    assert isinstance(started, inputs.Started)
    follower = TheoremChecker(CompiledMachine(Support.definition))
    follower.follow(started)
    follower.most = 5

    with pytest.raises(AssertionError, match=r"T3: settled \+ reserved \+ ahead rose from 5 to"):
        follower.follow(result.journal[1])
