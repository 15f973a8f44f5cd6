"""Rules about states and final states: one start, one fallback, each in one machine, bounds that make sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.declared import case, load, machine, module, shows

from fsm_orch import DefinitionError

MINE = """
class Mine(Machine[Ticket]):
    start = State(work, initial=True)
    finish = Final()
    human = Final(fallback=True)
    end = start.to(finish)
"""


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case("one state is the initial one", "no initial states in M", a="State(work)", found="FSM101"),
        case(
            "no other state is initial as well",
            "2 initial states ('a', 'b') in M",
            "b = State(work, initial=True); to_b = b.to(done)",
            found="FSM101",
        ),
        case(
            "no other final state is a fallback as well",
            "2 fallbacks ('human', 'other') in M",
            "other = Final(fallback=True)",
            found="FSM102",
        ),
        module(
            "one final state is the fallback",
            "no fallbacks in M",
            "class M(Machine[Ticket]):  # FSM101 FSM102\n    pass",
        ),
        case(
            "a target belongs to this machine",
            "handoff 'away' joins <Final finish>, which is not an attribute of M",
            "away = a.to(Mine.finish)  # FSM118",
            before=MINE,
        ),
        case(
            "a source belongs to this machine",
            "handoff 'away' joins <State start>, which is not an attribute of M",
            "away = (Mine.start | a).to(human)  # FSM118",
            before=MINE,
        ),
        case(
            "a state has one name",
            "one State under several names: M.a, M.b",
            a="b = State(work, initial=True)  # FSM118",
            found="FSM101",
        ),
        case(
            "a state is in one machine",
            "one State under several names: First.a, M.a",
            a="shared",
            before="""
            shared = State(work, initial=True)  # FSM118

            class First(Machine[Ticket]):
                a = shared
                done = Final()
                human = Final(fallback=True)
                end = a.to(done)
            """,
        ),
        *(
            case(
                f"a bound counts, or is a time: {given}",
                f"'a' has {told}",
                a=f"State(work, initial=True, {given})  # FSM123",
            )
            for given, told in (
                ("max_visits=0", "max_visits=0, timeout_s=None"),
                ("max_visits=1.5", "max_visits=1.5, timeout_s=None"),
                ("max_visits=True", "max_visits=True, timeout_s=None"),
                ("max_visits='2'", "max_visits='2', timeout_s=None"),
                ("attempts=0", "max_visits=None, timeout_s=None, attempts=0"),
                ("timeout_s=0", "max_visits=None, timeout_s=0"),
                ("timeout_s=-0.5", "max_visits=None, timeout_s=-0.5"),
                ("timeout_s=float('inf')", "max_visits=None, timeout_s=inf"),
                ("timeout_s=float('nan')", "max_visits=None, timeout_s=nan"),
                ("calls=-1", "max_visits=None, timeout_s=None, attempts=1, calls=-1"),
                ("calls=1.5", "max_visits=None, timeout_s=None, attempts=1, calls=1.5"),
            )
        ),
        case(
            "a function that declares calls can be awaited",
            "'a' declares calls=2 for work, a plain def, at",
            a="State(work, initial=True, calls=2)  # FSM125",
        ),
    ],
)
def test_states_that_are_no_machine(problem: str, source: str, path: Path) -> None:
    """States that do not make a machine are found at the line that declares them."""
    shows(path, source, problem)


@pytest.mark.parametrize("target", ["'done'", "None", "Final", "end", "a | a"])
def test_a_target_is_a_state_or_a_final(target: str, path: Path) -> None:
    """A handoff to anything but a state or a final state is refused with a sentence that says what problem."""
    with pytest.raises((DefinitionError, TypeError), match=r"(joins|leads to|target)"):
        load(path, machine(f"bad = a.to({target})"))
