"""Whole runs of a machine, drawn by Hypothesis: made by the real runner, against adversaries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Generic

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic_core import to_jsonable_python

from ..agents.human import HumanAgent
from ..agents.llm import LLMAgent
from ..agents.map import Map
from ..agents.nested import Nested
from ..agents.parallel import Parallel
from ..amounts import FREE, Price
from ..define.definition import Definition
from ..define.machine import AnyMachine, C, Machine
from ..define.states import State
from ..define.worst import machines_in
from ..errors import AnswerError
from ..limits import Limits
from ..resilience.gate import Gate
from ..resilience.retry import Retry
from ..run.result import RunResult
from ..run.runner import Runner
from ..run.waiting import Question
from ..store.base import Store
from ..store.memory import MemoryStore
from .adversaries import ATTACKS, AdversarialModel, Attack
from .agents import AdversarialAgent, AdversarialTools
from .clock import virtual_time
from .gates import gates_of
from .strategies import contexts, tapes, values
from .tape import Tape
from .values import by_schema, fields_of
from .witness import Witness, WitnessedModel, witnessed

_OWN = (LLMAgent, HumanAgent, Nested, Parallel, Map)
"""Agents that have no effects of their own."""
_PATIENCE = 8
"""How often a human tries to give an answer that fits."""


def runs(
    machine: type[Machine[C, Any]],
    *,
    attacks: Sequence[Attack] = ATTACKS,
    limits: Limits | None = None,
    price: Price = FREE,
) -> SearchStrategy[RunResult[C]]:
    """Draw whole runs, made by the real runner on virtual time: any context, any agents, a model that misbehaves.

    LLM agents are the machine's own, on an adversarial model, and so are those that run machines inside them, and those
    that ask humans, who answer whatever fits. Adversaries stand in for all others, inside too, and for the tools of
    models, so that nothing in the machine has effects, and no dependencies are needed. Some runs have gates, which shut
    and open.

    Args:
        machine: the machine.
        attacks: what the model may do.
        limits: instead of the machine's.
        price: what tokens cost.
    """

    @st.composite
    def drawn(draw: st.DrawFn) -> RunResult[C]:
        context, tape = draw(contexts(machine)), draw(tapes())
        return attacked(machine, context, tape, draw(pools(machine)), attacks=attacks, limits=limits, price=price)

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
    world = World(machine, tape, pool, MemoryStore(), attacks=attacks, limits=limits, price=price)
    with virtual_time() as loop:
        return loop.run(world.run(context))


class World(Generic[C]):
    """The world of a run on virtual time: its models, agents, tools, gates and humans do what a tape decides.

    Args:
        machine: the machine.
        tape: decides.
        pool: by field, what may be written.
        store: keeps the journal.
        attacks: what the model may do.
        limits: instead of the machine's.
        price: what tokens cost.
        witness: sees what is done; None: nobody does.
        gates: what stands before its agents; None: what the tape decides.
        run_id: names its run; None: `RUN`.
    """

    def __init__(
        self,
        machine: type[Machine[C, Any]],
        tape: Tape,
        pool: Mapping[str, Sequence[Any]],
        store: Store,
        *,
        attacks: Sequence[Attack] = ATTACKS,
        limits: Limits | None = None,
        price: Price = FREE,
        witness: Witness | None = None,
        gates: Mapping[State, Gate] | None = None,
        run_id: str | None = None,
    ) -> None:
        self._tape, self._pool, self._run_id = tape, pool, run_id or RUN
        model: Any = AdversarialModel(tape, attacks=attacks, machine=machine, values=pool, price=price)
        agents = adversaries(machine.definition, tape, pool)
        if witness is not None:
            model, agents = WitnessedModel(model, witness), agents | witnessed(machine.definition, agents, witness)
        retry = Retry(jitter_s=0)
        self.runner: Runner[C, Any] = Runner(
            machine,
            model=model,
            limits=limits,
            agents=agents,
            gates=gates_of(machine.definition, tape) if gates is None else gates,
            retry=retry,
            store=store,
            wall_clock=_now,
        )
        self._deps = None if machine.definition.deps is None else object()

    async def run(self, context: C) -> RunResult[C]:
        """Run to the end."""
        return await self._ended(await self.runner.run(context, deps=self._deps, run_id=self._run_id))

    async def resume(self) -> RunResult[C]:
        """Go on with what is stored, to the end."""
        return await self._ended(await self.runner.resume(self._run_id, deps=self._deps))

    async def _ended(self, result: RunResult[C]) -> RunResult[C]:
        while result.status == "waiting":
            result = await self._answered(self._tape.pick(result.waiting))
        return result

    async def _answered(self, question: Question) -> RunResult[C]:
        """Answer a question: late, or by what fits its form; if nothing seems to, have the run landed."""
        until = question.expires_at
        if until is not None and (_now() >= until or self._tape.chance(6)):
            await asyncio.sleep(max(0.0, until - _now()))
            return await self.runner.expire(self._run_id, deps=self._deps)
        for _ in range(_PATIENCE):
            try:
                return await self.runner.resume(
                    self._run_id, self.answer_to(question), question=question, deps=self._deps
                )
            except AnswerError:
                continue
        assert self.runner.store is not None
        await self.runner.store.ask_cancel(self._run_id)
        landed = await self.runner.resume(self._run_id, deps=self._deps)
        assert landed.status == "finished", f"a cancellation was asked for, and it still waits for {question.key!r}"
        return landed

    def answer_to(self, question: Question) -> Any:
        """Return what a human answers."""
        if question.tool is not None:
            return bool(self._tape.below(2))
        return {
            name: self._tape.pick(self._pool[name]) if self._pool.get(name) else by_schema(part, self._tape)
            for name, part in fields_of(question.form)
        } or "some text"


RUN = "drawn"
"""The id of a run in such a world, if nobody says."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def adversaries(definition: Definition, tape: Tape, pool: Mapping[str, Sequence[Any]]) -> dict[State, Any]:
    """Return who acts in each state of a machine, and of all that run inside it, so that nothing has an effect.

    Args:
        definition: of the machine.
        tape: decides what they do.
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


def pools(machine: AnyMachine) -> SearchStrategy[dict[str, list[Any]]]:
    """Draw a few values for each field that some agent writes, as a model would write them."""
    context = machine.definition.context
    names = sorted({name for state in machine.definition.states.values() for name in state.spec.written_names})
    few = st.fixed_dictionaries({name: st.lists(values(context, name), min_size=1, max_size=3) for name in names})
    return few.map(lambda drawn: {name: [to_jsonable_python(value) for value in some] for name, some in drawn.items()})
