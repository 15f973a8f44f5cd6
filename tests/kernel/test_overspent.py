"""What a call used beyond its reservation, known late: it is charged, and lands the run as a cancellation would."""

from __future__ import annotations

from typing import Any

import pytest
from support.desk import Support
from support.handfed import Asks, ask, cancel, inside, part, run, use
from support.random_machines import Facts, Twins

from fsm_orch import Final, Limits, Machine, State
from fsm_orch.amounts import Amount
from fsm_orch.define.parts import ToolSpec
from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.begin import started as begun
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.step import step
from fsm_orch.kernel.tree import levels, machine_at
from fsm_orch.limits import CallLimits
from fsm_orch.testing import TheoremChecker


def late(tokens: Any = 40, cost: Any = 0, *, at: float = 1.0, path: tuple[int, ...] = ()) -> inputs.Overspent:
    return inputs.Overspent(source="triage", visit=0, call=1, tokens=tokens, cost=cost, path=path, at=at)


@pytest.mark.parametrize("cost", [0, 40])
def test_it_is_charged_and_recorded(cost: int) -> None:
    """The record says of which call it is, and the ledger holds it as overrun."""
    checker = TheoremChecker(CompiledMachine(Support.definition))
    checker.follow(begun(checker.compiled, {"query": "x"}, run_id="r"))

    done = checker.follow(late(40, cost))

    overspent, landed, finished = done.records
    assert isinstance(overspent, records.Overspent)
    assert ("triage", 0, 1, 40, cost) == tuple(getattr(overspent, name) for name in overspent.__struct_fields__[1:])
    assert ("landed", "run_finished") == (landed.kind, finished.kind)
    assert (Amount(40), Amount(40, cost)) == (done.configuration.ledger.overrun, done.configuration.ledger.settled)


def test_nothing_is_ahead_of_a_run_that_used_more_than_all() -> None:
    """Where more was charged than its bound, a run has nothing ahead, not less than nothing."""
    machine = CompiledMachine(Support.definition, limits=Limits(tokens=50_000))
    now = step(machine, None, begun(machine, {"query": "x"}, run_id="r")).configuration

    [overspent, *_] = step(machine, now, late(now.ceiling)).records

    assert (now.ceiling, 0) == (overspent.stamp.settled, overspent.stamp.ahead)
    assert overspent.stamp.remaining > 0


@pytest.mark.parametrize(("cost_usd", "landing"), [(None, None), ("1", "overrun")])
def test_money_without_a_limit_lands_no_run(cost_usd: str | None, landing: str | None) -> None:
    """A call that was only dearer than its reservation breaks no promise where money is not limited; it is charged."""
    checker = TheoremChecker(CompiledMachine(Support.definition, limits=Limits(cost_usd=cost_usd)))
    checker.follow(begun(checker.compiled, {"query": "x"}, run_id="r"))

    now = checker.follow(late(0, 9)).configuration

    assert (landing, 9) == (now.landing, now.ledger.settled.cost)


@pytest.mark.parametrize(
    ("tokens", "cost"), [(0, 0), (-1, 5), (5, -1), (2.5, 0), (float("nan"), 0), (True, 0), (10**30, 0)]
)
def test_what_is_no_amount_is_refused(tokens: Any, cost: Any) -> None:
    """Nothing, less than nothing, or what is no whole number is a damaged journal."""
    machine = CompiledMachine(Support.definition)
    now = step(machine, None, begun(machine, {"query": "x"}, run_id="r")).configuration

    with pytest.raises(StepError, match="call 1 overspent what is no number of tokens"):
        step(machine, now, late(tokens, cost))


def test_nothing_is_charged_after_the_end() -> None:
    """A run that has ended takes it no more than anything else."""
    checker = TheoremChecker(CompiledMachine(Support.definition))
    checker.follow_all([begun(checker.compiled, {"query": "x"}, run_id="r"), inputs.Cancelled(at=0.5)])

    with pytest.raises(StepError, match="had finished"):
        checker.follow(late())


TWINS = Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=100, max_output_tokens=50))


class Inner(Machine[Facts, object]):
    """A machine that runs inside a visit."""

    work = State(TWINS, initial=True)
    done, human = Final(), Final(fallback=True)
    go = work.to(done)


class Outer(Machine[Facts]):
    """A machine that may run another inside its visit."""

    work = State(Asks(parts=(part(Inner),), tools=(ToolSpec(name="wait"),)), initial=True)
    done, human = Final(), Final(fallback=True)
    go = work.to(done)


class Outermost(Machine[Facts]):
    """A machine that may run that."""

    work = State(Asks(parts=(part(Outer),)), initial=True)
    done, human = Final(), Final(fallback=True)
    go = work.to(done)


def parent() -> TheoremChecker:
    """Return a run in whose visit a part is under way."""
    machine = CompiledMachine(Outer.definition)
    checker = TheoremChecker(machine)
    checker.follow_all([begun(machine, {}, run_id="r"), ask(run("inner"), use("wait"))])
    return checker


def test_a_part_that_lives_is_charged() -> None:
    """What came late of a part's call is charged to its share, and lands the part alone."""
    now = parent().follow(late(40, path=(1,))).configuration

    assert now.visit is not None
    assert {"state": "human", "landing": "overrun"} == now.visit.asks[1].value
    assert ("running", 40) == (now.status, now.ledger.settled.tokens)


def test_a_part_of_a_part_is_charged() -> None:
    """What came late finds its way down, by one number of its path at each machine."""
    machine = CompiledMachine(Outermost.definition)
    checker = TheoremChecker(machine)
    asked = ask(run("inner"), use("wait"))
    checker.follow_all([begun(machine, {}, run_id="r"), ask(run("outer")), inside(1, asked)])

    now = checker.follow(late(40, path=(1, 1))).configuration

    middle = levels(machine, now, (1,))[-1].now
    assert middle is machine_at(now, (1,))
    assert middle.visit is not None
    assert (0, 40) == (now.ledger.settled.tokens, middle.ledger.settled.tokens)
    assert "finished" == middle.visit.asks[1].end


@pytest.mark.parametrize("path", [(1,), (2,), (2, 1)])
def test_the_nearest_that_lives_is_charged(path: tuple[int, ...]) -> None:
    """Of a part that has ended, or never was, the machine above it is charged, and lands."""
    checker = parent()
    if path == (1,):
        checker.follow(inside(1, cancel()))

    now = checker.follow(late(40, path=path)).configuration

    assert ("overrun", 40) == (now.landing, now.ledger.overrun.tokens)
