"""Whole runs of a machine, drawn by Hypothesis: made by the real runner, against adversaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic_core import to_jsonable_python

from ..agents.llm import LLMAgent
from ..agents.map import Map
from ..agents.nested import Nested
from ..agents.parallel import Parallel
from ..amounts import FREE, Price
from ..define.definition import Definition
from ..define.machine import AnyMachine, C, Machine
from ..define.states import State
from ..define.worst import machines_in
from ..limits import Limits
from ..resilience.retry import Retry
from ..run.result import RunResult
from ..run.runner import Runner
from ..store.memory import MemoryStore
from .adversaries import ATTACKS, AdversarialModel, Attack
from .agents import AdversarialAgent, AdversarialTools
from .clock import virtual_time
from .strategies import contexts, tapes, values
from .tape import Tape

_OWN = (LLMAgent, Nested, Parallel, Map)
"""Agents that have no effects of their own."""


def runs(
    machine: type[Machine[C, Any]],
    *,
    attacks: Sequence[Attack] = ATTACKS,
    limits: Limits | None = None,
    price: Price = FREE,
) -> SearchStrategy[RunResult[C]]:
    """Draw whole runs, made by the real runner on virtual time: any context, any agents, a model that misbehaves.

    LLM agents are the machine's own, on an adversarial model, and so are those that run machines inside them.
    Adversaries stand in for all others, inside too, and for the tools of models, so that nothing in the machine has
    effects, and no dependencies are needed.

    Args:
        machine: the machine.
        attacks: what the model may do.
        limits: instead of the machine's.
        price: what tokens cost.
    """

    @st.composite
    def drawn(draw: st.DrawFn) -> RunResult[C]:
        context, tape = draw(contexts(machine)), draw(tapes())
        return attacked(machine, context, tape, _pool(draw, machine), attacks=attacks, limits=limits, price=price)

    return drawn()


def attacked(
    machine: type[Machine[C, Any]],
    context: C,
    tape: Tape,
    pool: Mapping[str, Sequence[Any]],
    *,
    attacks: Sequence[Attack] = ATTACKS,
    limits: Limits | None = None,
    price: Price = FREE,
) -> RunResult[C]:
    """Return the whole run that a tape decides; `runs` draws them.

    Args:
        machine: the machine.
        context: what the run starts on.
        tape: decides what adversaries do.
        pool: by field, what may be written.
        attacks: what the model may do.
        limits: instead of the machine's.
        price: what tokens cost.
    """
    model = AdversarialModel(tape, attacks=attacks, machine=machine, values=pool, price=price)
    agents = _adversaries(machine.definition, tape, pool)
    runner: Runner[C, Any] = Runner(
        machine, model=model, limits=limits, agents=agents, retry=Retry(jitter_s=0), store=MemoryStore()
    )
    deps = None if machine.definition.deps is None else object()

    async def whole() -> RunResult[C]:
        result = await runner.run(context, deps=deps, run_id="drawn")
        while result.status == "waiting":  # for the approval of a tool: adversaries ask nobody
            is_yes, question = bool(tape.below(2)), tape.pick(result.waiting)
            result = await runner.resume("drawn", is_yes, question=question, deps=deps)
        return result

    with virtual_time() as loop:
        return loop.run(whole())


def _adversaries(definition: Definition, tape: Tape, pool: Mapping[str, Sequence[Any]]) -> dict[State, Any]:
    """Return who acts in each state of a machine, and of all that run inside it.

    Args:
        pool: by field, what may be written.
    """
    stand_in, agents = AdversarialAgent(tape, values=pool), dict[State, Any]()
    for _, machine in [("", definition), *machines_in(definition)]:
        for state in machine.states.values():
            if isinstance(state.agent, LLMAgent) and state.spec.tools:
                agents[state] = AdversarialTools(state.agent, tape)
            else:
                agents[state] = state.agent if isinstance(state.agent, _OWN) else stand_in
    return agents


def _pool(draw: st.DrawFn, machine: AnyMachine) -> dict[str, list[Any]]:
    """Draw a few values for each field that some agent writes, as a model would write them."""
    context = machine.definition.context
    names = sorted({name for state in machine.definition.states.values() for name in state.spec.written_names})
    few = st.fixed_dictionaries({name: st.lists(values(context, name), min_size=1, max_size=3) for name in names})
    return {name: [to_jsonable_python(value) for value in drawn] for name, drawn in draw(few).items()}
