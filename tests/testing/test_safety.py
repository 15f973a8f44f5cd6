"""The ready suite and its theorem checker: a sound machine passes, a broken kernel or an impure guard is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from support.desk import Support, Ticket

from fsm_orch import Final, Machine, State, Visit, guard
from fsm_orch.kernel import attempts, course, inputs
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.testing import RoutingSafety, TheoremChecker, Turn, play
from machines.shop import ShopFloor

QUICK = settings(max_examples=40, stateful_step_count=30, deadline=None, database=None, derandomize=True)
HUNTING = settings(
    QUICK,
    max_examples=400,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestSupport = RoutingSafety(Support).TestCase
TestSupport.settings = QUICK


@pytest.mark.parametrize("machine", [ShopFloor])
def test_a_machine_of_ours_is_safe(machine: type[Machine[Any, Any]]) -> None:
    """The suite passes on a machine with tools, tables and a model."""
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
        (attempts, "objection", lambda *args, **options: None, "T[1235]"),
        (course, "overwritten", lambda context, values: context, "T[56]"),
    ],
)
def test_a_broken_kernel_is_found(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, fault: Any, theorem: str
) -> None:
    """A kernel that forgets a rule breaks a theorem, which is named."""
    monkeypatch.setattr(place, name, fault)

    with pytest.raises(BaseException, match=theorem):
        run_state_machine_as_test(RoutingSafety(Support), settings=HUNTING)


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
