"""All findings together: their order, and what the example machines have to say."""

from dataclasses import replace

import pytest
from figures import desks
from support.desk import Support

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, guard
from fsm_orch.define import codes
from fsm_orch.proof import findings
from fsm_orch.proof.report import prove
from machines import helpdesk, incident, shop


@pytest.mark.parametrize(
    "machine",
    [shop.ShopFloor, incident.FrontDesk, helpdesk.ByKeyword, helpdesk.ByModel, desks.Hybrid],
    ids=lambda machine: machine.__name__,
)
def test_the_examples_have_nothing_to_mend(machine):
    """The machines that we show have neither errors nor warnings."""
    found = prove(machine.definition)

    assert found.is_sound(strict=True), found.findings
    assert found.exploration.is_complete


def test_errors_come_first():
    """Findings are sorted by weight, and within a weight as they were found."""
    tight = replace(Support.definition, limits=Limits(hops=6, tokens=2_000))
    found = prove(tight, require_slack=True)

    levels = [finding.level for finding in found.findings]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert found.findings[0].code == "FSM305"
    assert not found.is_sound()
    assert [f.code for f in found.findings if f.level == "warning"] == ["FSM203", "FSM304", "FSM304"]
    assert prove(Support.definition).is_sound()
    assert not prove(Support.definition).is_sound(strict=True)


class Order(Context):
    number: int
    is_paid: bool = False


@guard
def is_paid(order: Order) -> bool:
    return order.is_paid


class Far(Machine[Order]):
    """A state that is one hop too far, and one that is not."""

    look = State(print, initial=True)
    near = State(print)
    far = State(print)
    sent, human = Final(), Final(fallback=True)
    to_near = look.to(near)
    to_far = near.to(far)
    sooner = look.to(sent)
    done = far.to(sent)
    limits = Limits(hops=2)


def test_what_no_run_can_afford_is_said_once():
    """A handoff into a state that no run can afford is no second finding: the state is one, with the reason."""
    findings = prove(Far).findings

    assert [("FSM301", Far.far.where)] == [(finding.code, finding.where) for finding in findings]


def declare(kind, *args, **options):
    """Declare a part, so that all of them stand on this one line."""
    return kind(*args, **options)


class OneLine(Machine[Order]):
    """A note and an error at the line of a handoff that no run takes; a dear state at that of another."""

    route = declare(State, LLMAgent("Route."), initial=True)
    look, far, unseen = (declare(State, print) for _ in range(3))
    sent, human = declare(Final), declare(Final, fallback=True)
    to_look = declare(route.to, look, "always")
    paid = declare(look.to, unseen, guard=is_paid)
    broken = declare(look.to, human, guard=is_paid & ~is_paid)
    unpaid = declare(look.to, sent)
    to_far = declare(unseen.to, far)
    seen = declare(unseen.to, sent)
    done = declare(far.to, sent)
    limits = Limits(hops=3)


def test_a_finding_hides_none_about_another_part_of_its_line():
    """A handoff that no run takes is found unless there is an error or warning about this handoff, or its target."""
    found = [(finding.code, finding.about) for finding in prove(OneLine).findings]

    assert {("FSM503", "route"), ("FSM204", "broken"), ("FSM301", "far"), ("FSM205", "paid")} <= set(found)
    assert [about for code, about in found if code == "FSM205"] == ["paid"]


def test_a_note_hides_no_warning(monkeypatch):
    """A note about a handoff that no run takes is told beside it."""
    note = codes.finding("FSM503", where=OneLine.paid.where, problem="so so", about="paid", level="note")
    monkeypatch.setattr(findings, "_OF_DEFINITIONS", (lambda definition: iter([note]),))

    found = [(finding.code, finding.about) for finding in prove(OneLine).findings]

    assert {("FSM205", "paid"), ("FSM503", "paid")} <= set(found)


@guard
def is_misspelt(order: Order) -> bool:
    return order.is_payed


def test_what_follows_from_another_finding_is_not_said_beside_it():
    """A dead end behind a mistaken guard, and a limit that no run uses up as none gets far enough, are not told."""

    class Misspelt(Machine[Order]):
        look = State(print, initial=True, writes=Order.is_paid)
        sent, human = Final(), Final(fallback=True)
        done = look.to(sent, guard=is_misspelt)

    class Turning(Machine[Order]):
        look, ask, far = State(print, initial=True, max_visits=2), State(print), State(print)
        sent, human = Final(), Final(fallback=True)
        to_ask = look.to(ask)
        again, back = ask.to(far), ask.to(look)
        soon, done = look.to(sent), far.to(sent)
        limits = Limits(hops=2)

    short = replace(Far.definition, limits=Limits(hops=2, tokens=5_000))

    assert [finding.code for finding in prove(Misspelt).findings] == ["FSM204"]
    assert [finding.code for finding in prove(short).findings] == ["FSM301"]
    assert {"FSM301"} == {finding.code for finding in prove(Turning).findings if finding.level != "note"}
