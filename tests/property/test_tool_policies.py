"""Policies that speak of tools, attacked: what was proved is broken by no run, whatever agents, tools and humans do."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from support.clerks import Order, Shop
from support.finite import drawn
from support.lanes import in_both_lanes

from fsm_orch import Usage
from fsm_orch.define.policies import Policy
from fsm_orch.define.used import Used
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act, AskHuman
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.requests import UseTool
from fsm_orch.kernel.step import step
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.explore.reality import breaks

MACHINES = [Shop, *(drawn(seed, opaque=(), tools=True) for seed in range(2_000, 2_012))]


def moves(random: Random, compiled: CompiledMachine, now: Configuration) -> Input:
    """Return what happens next: anything that agents, models, tools, humans and callers may do."""
    effect, at = random.choice(due(now)), now.at + random.choice([0, 0, 0, 1, 4])
    state, visit = compiled.states[now.state], now.visit
    assert visit is not None
    if random.random() < 0.03:
        return random.choice([inputs.Cancelled(at=at), inputs.Failed(reason="timeout", at=at)])
    if not isinstance(effect, Act):
        by = "somebody" if isinstance(effect, AskHuman) else now.key_of(effect.ask)
        value = random.choice([True, True, False, "yes"])
        return inputs.Answered(ask=effect.ask, id=by, ok=random.random() < 0.8, value=value, at=at)
    if visit.open:
        call, held = next(iter(visit.open.items()))
        return inputs.CallSettled(
            call=call, usage=Usage(requests=1, input_tokens=random.choice([0, held.tokens])), at=at
        )
    if visit.calls < state.spec.calls and random.random() < 0.4:
        caps = state.spec.call_limits
        return inputs.CallReserved(
            call=visit.calls + 1, input_tokens=caps.max_input_tokens, output_tokens=caps.max_output_tokens, at=at
        )
    if state.spec.tools and random.random() < 0.6:
        asked = tuple(UseTool(name=random.choice(state.spec.tools).name) for _ in range(random.choice([1, 1, 2, 3])))
        need = random.choice([0, 0, 1, len(asked)])
        return inputs.Asked(requests=asked, need=need, is_race=need > 0 and random.random() < 0.5, at=at)
    if random.random() < 0.1:
        return inputs.Failed(reason=random.choice(["error", "denied"]), at=at)
    handoff = random.choice([None, *(exit.name for exit in state.exits)] * 3 + ["none_of_these"])
    values = {"mood": ["calm", "cross", None], "answer": ["a", None]}
    changes: dict[str, Any] = {n: random.choice(values.get(n, [True, False])) for n in state.spec.written_names}
    return inputs.Replied(handoff=handoff, changes=changes, at=at)


def journal(random: Random, compiled: CompiledMachine, context: dict[str, Any]) -> Iterator[Input]:
    """Yield the inputs of one run, to its end."""
    event: Input = started(compiled, context, run_id="r", state=random.choice(compiled.definition.starts))
    now = None
    while now is None or now.status != "finished":
        now = step(compiled, now, event).configuration
        yield event
        if now.status != "finished":
            event = moves(random, compiled, now)


def proved() -> list[tuple[CompiledMachine, dict[str, Any], list[Policy], list[Policy]]]:
    """Return each machine with a start, the policies of tools that hold of it, and those that do not."""
    found = []
    for machine in MACHINES:
        judged = [p for p in explore(machine.definition).policies if any(isinstance(a, Used) for a in p.policy.atoms)]
        holding = [each.policy for each in judged if each.verdict == "holds"]
        broken = [each.policy for each in judged if each.verdict == "violated"]
        context = {"query": "?"} if machine.definition.context is Order else {}
        found.append((CompiledMachine(machine.definition), context, holding, broken))
    return found


@in_both_lanes(few=400, many=1_500, most=20_000)
def test_no_run_breaks_what_was_proved(examples: int) -> None:
    """Adversarial runs of machines with tools break no policy that holds, and a third of those that do not."""
    random, machines, seen = Random(7), proved(), set[Any]()
    for number in range(examples):
        compiled, context, holding, broken = machines[number % len(machines)]
        events = list(journal(random, compiled, context))
        for policy in holding:
            assert not breaks(compiled, policy, events), (str(policy), events)
        seen |= {(number % len(machines), str(policy)) for policy in broken if breaks(compiled, policy, events)}

    assert sum(len(holding) for _, _, holding, _ in machines) > 15
    assert len(seen) > sum(len(broken) for _, _, _, broken in machines) / 3
