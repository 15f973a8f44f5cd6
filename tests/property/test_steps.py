"""The kernel under any inputs at all, sensible or not: theorems, purity, rounds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from support.anything import any_input, compiled, started
from support.lanes import in_both_lanes
from support.random_machines import PLANS

from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.codec import input_from_json, to_json
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold, journal_digest, step
from fsm_orch.testing import Tape, TheoremChecker, tapes


def played(compiled: CompiledMachine, tape: Tape, inputs: int = 40) -> tuple[TheoremChecker, list[Input]] | None:
    """Play inputs off a tape under a checker, leaving out those the kernel does not admit; None if none starts."""
    checker = TheoremChecker(compiled)
    journal: list[Input] = [started(compiled, tape)]
    try:
        checker.follow(journal[0])
    except StepError:
        return None
    at = 0.0
    for _ in range(inputs):
        assert checker.now is not None
        if checker.now.status == "finished":
            break
        at += tape.pick([0.0, 0.1, 0.5, 3.0, -0.2, 11.0])
        event = any_input(tape, compiled, checker.now, at)
        try:
            checker.follow(event)
        except StepError:
            continue
        journal.append(event)
    return checker, journal


@in_both_lanes(few=100, many=800, most=3_000)
def test_theorems_hold_under_any_inputs(examples: int) -> None:
    """Whatever is fed to the kernel, it is refused or T1 to T6 hold after it, in children too."""

    @settings(max_examples=examples)
    @given(PLANS, tapes())
    def hold(plan: Tape, tape: Tape) -> None:
        machine = compiled(plan)
        outcome = played(machine, tape)
        if outcome is None:
            return
        checker, journal = outcome

        assert checker.now == fold(machine, journal)

    hold()


@in_both_lanes(few=50, many=500)
def test_a_journal_survives_json(examples: int) -> None:
    """A journal written as JSON and read back folds to the same configuration."""

    @settings(max_examples=examples)
    @given(PLANS, tapes())
    def survives(plan: Tape, tape: Tape) -> None:
        machine = compiled(plan)
        outcome = played(machine, tape)
        if outcome is None:
            return
        checker, journal = outcome

        read_back = [input_from_json(to_json(event)) for event in journal]

        assert checker.now == fold(machine, read_back)
        assert journal_digest(journal) == journal_digest(read_back)

    survives()


@in_both_lanes(few=50, many=500)
def test_step_is_pure(examples: int) -> None:
    """The same input on the same configuration gives the same step, and leaves the configuration as it was."""

    @settings(max_examples=examples)
    @given(PLANS, tapes())
    def is_pure(plan: Tape, tape: Tape) -> None:
        machine = compiled(plan)
        outcome = played(machine, tape, inputs=12)
        if outcome is None or outcome[0].now is None or outcome[0].now.status == "finished":
            return
        now = outcome[0].now
        shown = repr(now)
        event = any_input(tape, machine, now, now.at)

        try:
            first, second = step(machine, now, event), step(machine, now, event)
        except StepError:
            return

        assert first == second
        assert shown == repr(now)

    is_pure()


def told(now: Configuration) -> tuple[Any, ...]:
    """Tell where a run stands, but for its money and why it was landed."""
    return now.status, now.state, now.context, now.messages, now.visits, now.hops, now.visit


@in_both_lanes(few=50, many=500)
def test_what_comes_late_leads_where_a_cancellation_leads(examples: int) -> None:
    """Wherever a run stands, waiting too, usage that comes late lands it: no exploration has to play that."""

    @settings(max_examples=examples)
    @given(PLANS, tapes())
    def leads(plan: Tape, tape: Tape) -> None:
        machine, tokens = compiled(plan), 1 + tape.below(200)
        outcome = played(machine, tape, inputs=12)
        if outcome is None or outcome[0].now is None or outcome[0].now.status == "finished":
            return
        now = outcome[0].now

        late = inputs.Overspent(source=now.state, visit=0, call=1, tokens=tokens, at=now.at)
        landed = step(machine, now, late).configuration
        cancelled = step(machine, now, inputs.Cancelled(at=now.at)).configuration

        assert told(cancelled) == told(landed)
        assert "overrun" == landed.landing
        assert cancelled.ledger.settled.tokens + tokens == landed.ledger.settled.tokens
        assert cancelled.ledger.overrun.tokens + tokens == landed.ledger.overrun.tokens

    leads()
