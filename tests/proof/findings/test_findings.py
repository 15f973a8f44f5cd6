"""All findings together: their codes, their order, and what the example machines have to say."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.desk import Support

import fsm_orch
from fsm_orch import Context, Final, Limits, Machine, State
from fsm_orch.proof import findings as families
from fsm_orch.proof.report import prove
from machines import helpdesk, shop

PACKAGE = Path(fsm_orch.__file__).parent
CODE = re.compile(r"FSM\d{3}")


def test_every_code_is_in_the_table():
    """Every code that is raised anywhere stands in the table once, and the table names no other."""
    raised = {
        code
        for path in PACKAGE.rglob("*.py")
        for code in re.findall(r'code="(FSM\d{3})"|"(FSM\d{3})" if|else "(FSM\d{3})"', path.read_text(encoding="utf-8"))
        for code in code
        if code
    }
    table = families.__doc__.partition("1xx, definition")[2].partition("An *error*")[0]

    assert sorted(raised) == CODE.findall(table)


def test_a_code_is_in_the_family_of_its_table():
    """The first digit of a code is the heading that it stands below."""
    table = families.__doc__.partition("found here.")[2]
    headings = re.split(r"^(\d)xx, ", table, flags=re.MULTILINE)[1:]

    for digit, codes in zip(headings[::2], headings[1::2], strict=True):
        assert {digit} == {code[3] for code in CODE.findall(codes)}


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
