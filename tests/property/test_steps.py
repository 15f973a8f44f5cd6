"""The kernel under any inputs at all, sensible or not: theorems, purity, rounds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from support.lanes import in_both_lanes
from support.nests import nest, world
from support.random_machines import PLANS, drawn

from fsm_orch import Message, Usage
from fsm_orch.errors import StepError
from fsm_orch.kernel import begin, inputs
from fsm_orch.kernel.codec import input_from_json, to_json
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.reasons import Refusal
from fsm_orch.kernel.requests import RunPart
from fsm_orch.kernel.step import fold, journal_digest, step
from fsm_orch.testing import Tape, TheoremChecker, tapes


def compiled(plan: Tape) -> CompiledMachine:
    """Compile a random machine, or a nest of machines; its limits need not admit a start."""
    if plan.chance(2):
        return CompiledMachine(nest(plan, 1 + plan.below(2), is_tight=plan.chance(2)).definition)
    machine, limits = drawn(plan)
    return CompiledMachine(machine.definition, limits=limits)


def started(compiled: CompiledMachine, tape: Tape) -> inputs.Started:
    return begin.started(compiled, {}, run_id="r", state=tape.pick(compiled.definition.starts))


def any_input(tape: Tape, compiled: CompiledMachine, now: Configuration, at: float) -> Input:
    """Draw an input, more often sensible than not."""
    visit = now.visit
    number = tape.pick([0, 0, 0, 0, 1, -1]) + (visit.calls + 1 if visit else 1)
    opened = tape.pick([*(visit.open if visit else ()), 1, 2, 9])
    kind = tape.below(16)
    if tape.chance(2):
        return world(tape, compiled, now, at)
    match kind:
        case 0 | 1 | 2:
            return inputs.CallReserved(
                call=number, input_tokens=tape.below(70) - 2, output_tokens=tape.below(110) - 2, at=at
            )
        case 3 | 4:
            return inputs.CallSettled(call=opened, usage=_usage(tape), at=at)
        case 5:
            return inputs.CallReleased(call=opened, at=at)
        case 6:
            return inputs.Failed(reason=tape.pick(["error", "timeout", "denied"]), at=at)
        case 7:
            return inputs.Answered(ask=number, id=tape.pick(["", "a", now.key_of(number)]), value=None, at=at)
        case 8 | 9:
            names = tape.pick([("p0",), ("p0", "p1"), ("nothing",), ()])
            requests = tuple([RunPart(part=name, context=tape.pick([{}, {"count": "x"}])) for name in names])
            return inputs.Asked(requests=requests, need=tape.below(3), is_race=tape.chance(2), at=at)
        case 14 if tape.chance(8):
            path = tape.pick([(), (), (1,), (9,), (1, 1)])
            tokens, cost = tape.pick([1, 70, 0, -1]), tape.pick([0, 0, 5, -1])
            return inputs.Overspent(source=now.state, visit=0, call=1, tokens=tokens, cost=cost, path=path, at=at)
        case 14 if tape.chance(6):
            return inputs.Cancelled(at=tape.pick([at, float("nan"), -1.0, float("inf")]))
    return _reply(tape, compiled, now, at)


def _usage(tape: Tape) -> Usage | None:
    return tape.pick(
        [
            None,
            Usage(requests=1),
            Usage(requests=1, input_tokens=tape.below(40), output_tokens=tape.below(20)),
            Usage(requests=1, input_tokens=0, output_tokens=-1),
            Usage(requests=1, input_tokens=5_000, output_tokens=0) if tape.chance(5) else None,
        ]
    )


def _reply(tape: Tape, compiled: CompiledMachine, now: Configuration, at: float) -> inputs.Replied:
    state = compiled.definition.states.get(now.state)
    drawn: dict[str, Any] = {"a": bool(tape.below(2)), "b": bool(tape.below(2)), "count": tape.below(4), "note": "n"}
    writes = state.spec.written_names if state else frozenset()
    changes = {name: value for name, value in drawn.items() if name in writes or tape.chance(30)}
    names = [handoff.name for handoff in compiled.definition.handoffs]
    return inputs.Replied(
        handoff=tape.pick([None, tape.pick(names), tape.pick(names), "nowhere", "*land*"]),
        changes=changes,
        messages=(Message(role="assistant", content="said", agent=now.state),),
        refusal=Refusal("not_json", "unreadable") if tape.chance(12) else None,
        at=at,
    )


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


@in_both_lanes(few=100, many=3_000)
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
