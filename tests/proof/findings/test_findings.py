"""All findings together: their order, and what the example machines have to say."""

from dataclasses import replace

import pytest
from support.desk import Support

from fsm_orch import Context, Final, Limits, Machine, State
from fsm_orch.proof.report import prove
from machines import helpdesk, shop


@pytest.mark.parametrize(
    "machine",
    [shop.ShopFloor, helpdesk.ByKeyword, helpdesk.ByModel, helpdesk.Hybrid],
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
