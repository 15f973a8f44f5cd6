"""Any inputs at all, sensible or not, for random machines and nests of them."""

from __future__ import annotations

from typing import Any

from support.nests import nest, world
from support.random_machines import drawn

from fsm_orch import Message, Usage
from fsm_orch.kernel import begin, inputs
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.reasons import Refusal
from fsm_orch.kernel.requests import RunPart
from fsm_orch.testing import Tape


def compiled(plan: Tape) -> CompiledMachine:
    """Compile a random machine, or a nest of machines; its limits need not admit a start."""
    if plan.chance(2):
        return CompiledMachine(nest(plan, 1 + plan.below(2), is_tight=plan.chance(2)).definition)
    machine, limits = drawn(plan)
    return CompiledMachine(machine.definition, limits=limits)


def started(compiled: CompiledMachine, tape: Tape) -> inputs.Started:
    """Return the input that begins a run, in any of its starts."""
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
