"""All rules at once: what they say of one machine, in one error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.declared import case, load, machine, module, shows

from fsm_orch import DefinitionError
from fsm_orch.define.codes import CODES
from fsm_orch.define.rules.check import check
from fsm_orch.errors import Finding

GOOD = '''
class Good(Machine[Ticket]):
    """Do good."""

    first = State(model(), initial=True)
    second = State(work, reads=(Ticket.answer, Ticket.locale), max_visits=2)
    third = State(LLMAgent("Write.", reads=(Ticket.query,), writes=(Ticket.answer,)), max_visits=1)
    done = Final()
    human = Final(fallback=True, sets={Ticket.answer: "later", Ticket.level: 3})

    to_third = first.to(third, "when it is new")
    again = third.to(third, "when it is not good enough")
    to_second = third.to(second, "when it is written")
    high = second.to(third, guard=is_high)
    end = (second | third).to(done, "when it is done")
    lost = second.on_failure(human)

class Small(Machine[Ticket]):
    only = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = only.to(done)
'''


def test_good_machines_have_no_findings(path: Path) -> None:
    """A machine that keeps the promise builds, and has nothing to find; one state is enough."""
    module = load(path, GOOD)

    assert () == check(module.Good.definition) == check(module.Small.definition)


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        module(
            "all parts are looked at before any of them is mended",
            "2 initial states ('a', 'b') in M",
            """
            class M(Machine[Ticket]):  # FSM101 FSM102
                a = State(model(), initial=True)  # FSM105
                b = State(lambda visit: None, initial=True, max_visits=0)  # FSM113 FSM123
                done = Final(sets={Ticket.answer: 3})  # FSM120
                again = a.to(a)  # FSM117
                too = a.to(a)  # FSM106 FSM117
                a.to(done)  # FSM107
                end = b.to(done, guard=is_other)  # FSM112
                also = a.to(done, "when done")  # FSM106
            """,
        ),
        case(
            "all paths are looked at once the parts are sound",
            "no handoff leaves 'b', so a run that enters it can only be landed",
            """
            b = State(work, reads=(Ticket.answer, Ticket.level))  # FSM104 FSM110 FSM110
            c = State(work)  # FSM103
            to_b = a.to(b, "when not")
            c_end = c.to(done)
            limits = Limits(tokens=1)
            """,
            a="State(model(), initial=True)",
            found="FSM119",
        ),
        module(
            "a machine is no base of another",
            "Child subclasses the machine M",
            f"{machine()}\nclass Child(M):  # FSM115\n    b = State(work)",
        ),
        module("a machine names its context", "M names no context class", "class M(Machine):  # FSM116\n    pass"),
        module("a context is a class", "M names no context class", "class M(Machine[int]):  # FSM116\n    pass"),
    ],
)
def test_one_look_shows_every_finding(problem: str, source: str, path: Path) -> None:
    """A machine shows all its findings in one error, each at the line that declares it."""
    shows(path, source, problem)


def test_every_documented_code_has_a_case() -> None:
    """Each code that keeps a class from being built is tried by the tests of rules, and no other."""
    files = Path(__file__).parent.glob("test_rules_*.py")
    tried = {code for file in files for code in re.findall(r"FSM\d{3}", file.read_text(encoding="utf-8"))}

    assert {code.code for code in CODES.values() if code.found == "build"} == tried


@pytest.mark.parametrize(("count", "counted"), [(1, "1 finding"), (2, "2 findings")])
def test_the_error_counts_and_shows_all_findings(count: int, counted: str) -> None:
    """The message of a definition error names the subject, counts its findings and shows each."""
    code = min(CODES)
    finding = Finding(code, "x.py:3", "no initial state", "one", "mark one")

    shown = f"{code} x.py:3\n  no initial state\n  expected: one\n  fix: mark one\n"
    assert str(DefinitionError("M", [finding] * count)) == (
        f"M does not build: {counted}\n{shown * count}to learn more: fsm-orch explain {code}"
    )


@given(st.lists(st.sampled_from(sorted(CODES)), min_size=1))
def test_the_error_ends_with_how_to_learn_more(found: list[str]) -> None:
    """However many findings there are, the last line alone says how to learn more, and names each code once."""
    error = DefinitionError("M", [Finding(code, "x.py:3", "it is wrong", "better", "mend it") for code in found])

    *above, last = str(error).splitlines()
    assert f"to learn more: fsm-orch explain {' '.join(dict.fromkeys(found))}" == last
    assert "explain" not in "".join(above)
