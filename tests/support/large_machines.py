"""A machine of sixty states, as large as a picture of one is looked at, and a run of it of more than 200 records."""

from __future__ import annotations

import types
from typing import Any

from support.asking import Claim

from fsm_orch import Final, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State

STATES = 60


def _machine() -> Any:
    """Return a machine that goes on from each state, and from some further on, or back."""
    states = [
        State(LLMAgent(f"Do step {i}.", reads=Claim.query, max_input_tokens=600, max_output_tokens=50), max_visits=2)
        for i in range(STATES)
    ]
    states[0].initial = True
    done, human = Final(), Final(fallback=True)
    goals: list[State | Final] = [*states, done]
    handoffs = {f"next_{i}": state.to(goals[i + 1], "the step is done") for i, state in enumerate(states)}
    handoffs |= {f"skip_{i}": states[i].to(states[i + 7], "the next are done too") for i in range(0, STATES - 7, 6)}
    handoffs |= {f"back_{i}": states[i].to(states[i - 5], "it is to be done again") for i in range(9, STATES, 11)}
    namespace = {
        "__doc__": "Take sixty steps.",
        **{f"step_{i}_of_the_work": state for i, state in enumerate(states)},
        **{"done": done, "human": human},
        **handoffs,
        "limits": Limits(hops=STATES + 10, tokens=200_000),
    }
    return types.new_class("Sixty", (Machine[Claim],), exec_body=lambda body: body.update(namespace))


def sixty() -> Runner[Claim, None]:
    """Return a runner that takes each step, with one of them back."""
    way = [f"next_{i}" for i in range(20)] + ["back_20"] + [f"next_{i}" for i in range(15, STATES)]
    return Runner(_machine(), model=ScriptedModel([{"handoff": name} for name in way]), store=MemoryStore())
