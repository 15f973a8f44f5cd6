"""Random machines: cycles, guards over fields that agents write, failure edges, tight limits, any kind of agent."""

from __future__ import annotations

import asyncio
import itertools
import types
from typing import Any

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, Reply, State, Visit, guard
from fsm_orch.agents import Agent, AgentSpec
from fsm_orch.define import Guard
from fsm_orch.limits import CallLimits
from fsm_orch.testing import Tape, tapes
from fsm_orch.testing.adversaries import SECRET

PLANS = tapes(min_size=30, max_size=90)
"""Tapes that decide a machine and its limits."""


class Facts(Context):
    """The context of random machines."""

    a: Given[bool] = False
    b: Given[bool] = False
    count: Given[int] = 0
    note: Given[str | None] = None
    answer: str | None = None


FIELDS: tuple[Any, ...] = (Facts.a, Facts.b, Facts.count, Facts.note)


@guard
def is_a(facts: Facts) -> bool:
    """Read one field."""
    return facts.a


@guard
def is_b(facts: Facts) -> bool:
    """Read another field."""
    return facts.b


@guard
def is_small(facts: Facts) -> bool:
    """Read a number, small in some runs only."""
    return facts.count < 2


@guard
def divides(facts: Facts) -> bool:
    """Raise if the number is 0."""
    return 6 // facts.count > 1


@guard
def answers_text(facts: Facts) -> bool:
    """Return a text where a boolean is expected; that counts as false."""
    return facts.note or facts.a  # type: ignore[return-value]  # a guard that answers a string is wrong on purpose


GUARDS: tuple[Guard[Facts] | None, ...] = (
    *[None] * 12,
    is_a,
    ~is_a,
    is_b | is_small,
    is_a & is_small,
    divides,
    ~divides,
    answers_text,
)


def _values(visit: Visit[Facts, Tape]) -> dict[Any, Any]:
    tape = visit.deps
    drawn = {Facts.a: bool(tape.below(2)), Facts.b: bool(tape.below(2)), Facts.count: tape.below(4), Facts.note: "n"}
    return {ref: drawn[ref] for ref in visit.state.spec.writes}  # type: ignore[index]


def fickle(visit: Visit[Facts, Tape]) -> Any:
    """Return what the tape decides, right or wrong."""
    tape = visit.deps
    match tape.below(40):
        case 5 | 6:
            return Reply(tape.pick(visit.exits), _values(visit))
        case 7:
            return Reply(handoff=tape.pick(visit.state.handoffs).name, changes={"a": True})
        case 8:
            return {Facts.count: "many"}
        case 9:
            raise ValueError(SECRET)
        case 10:
            return visit.context.answer
        case 11:
            return 17
        case _:
            return _values(visit)


async def slow(visit: Visit[Facts, Tape]) -> Any:
    """Do as `fickle`, after a while."""
    for _ in range(visit.deps.below(3)):
        await asyncio.sleep(0)
    if visit.deps.chance(6):
        await asyncio.sleep(visit.deps.pick([1.0, 9.0, 1e6]))
    return fickle(visit)


class Twins:
    """An agent that makes two calls at once, and perhaps leaves one of them open."""

    def __init__(self, *, calls: int, writes: tuple[Any, ...], limits: CallLimits) -> None:
        self.spec = AgentSpec(
            kind="llm",
            name="Twins",
            calls=calls,
            writes=writes,
            call_limits=limits,
            proposes=False,
            attempts=2,
            canonical={},
        )

    async def act(self, visit: Visit[Facts, Tape]) -> Reply:
        calls = [asyncio.create_task(visit.model.ask(())) for _ in range(2)]
        try:
            await asyncio.wait(calls, return_when=visit.deps.pick([asyncio.FIRST_COMPLETED, asyncio.ALL_COMPLETED]))
            for call in calls:
                if call.done():
                    call.result()
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        return Reply(changes={ref.name: value for ref, value in _values(visit).items()})


class Asks:
    """An agent that is allowed to wait for a human; in a run it just replies."""

    def __init__(self, *, writes: tuple[Any, ...]) -> None:
        self.spec = AgentSpec(
            kind="code", name="Asks", writes=writes, asks_human=True, asks=2, attempts=2, canonical={}
        )

    async def act(self, visit: Visit[Facts, Tape]) -> Reply:
        return Reply(changes={ref.name: value for ref, value in _values(visit).items()})


def build(tape: Tape) -> type[Machine[Facts, Tape]]:
    """Build a machine that the tape decides. It always builds: whatever a rule demands is added.

    Its own limits are wide, since a class whose limits are too tight does not build; `tight` draws tight ones for runs.
    """
    count = 1 + tape.below(6)
    states = [_state(tape, index) for index in range(count)]
    done, other = Final(), Final(sets={Facts.answer: "other"})
    human = Final(fallback=True, sets={Facts.answer: "default"})
    names = itertools.count()
    handoffs: dict[str, Any] = {}
    taken: set[tuple[int, int, int]] = set()

    def join(source: int, target: int, guarded: int) -> None:
        guarded = 0 if GUARDS[guarded] is None else guarded
        if (source, target, guarded) in taken:
            return
        taken.add((source, target, guarded))
        goals: list[State | Final] = [*states, done, other, human]
        handoffs[f"h{next(names)}"] = states[source].to(goals[target], "when it fits", guard=GUARDS[guarded])

    for index in range(count):
        for _ in range(tape.below(3)):
            join(index, tape.pick([*range(count)] * 3 + [count, count + 1, count + 2]), tape.below(len(GUARDS)))
        join(index, index + 1, tape.below(len(GUARDS)))  # so that every state is reached and can finish
        if tape.chance(3):
            edge = tape.pick([states[index].on_failure, states[index].on_timeout, states[index].on_refusal])
            ends: list[State | Final] = [*states, done, other]
            handoffs[f"f{index}"] = edge(tape.pick(ends))
    join(count - 1, count + 1, tape.below(len(GUARDS)))
    for state in states[1:]:
        state.entry = tape.chance(4)
    namespace = {
        "__doc__": "A random machine.",
        **{f"s{index}": state for index, state in enumerate(states)},
        **{"done": done, "other": other, "human": human},
        **handoffs,
        "limits": Limits(hops=20, tokens=10_000),
    }
    return types.new_class("Random", (Machine[Facts, Tape],), exec_body=lambda body: body.update(namespace))


def _state(tape: Tape, index: int) -> State:
    """Make a state, always with `max_visits`, since it may be on a cycle."""
    writes = tuple(ref for ref in FIELDS if tape.below(3) == 0)
    limits = CallLimits(max_input_tokens=60, max_output_tokens=tape.pick([20, 60, 100]))
    visits = 1 + tape.below(3)
    kind = tape.below(6)
    agent: Agent
    if kind <= 1:
        agent = LLMAgent(
            f"Agent {index}.",
            writes=writes,
            reads=(Facts.a,),
            calls=1 + tape.below(3),
            max_input_tokens=limits.max_input_tokens,
            max_output_tokens=limits.max_output_tokens,
        )
    elif kind == 2:
        agent = Asks(writes=writes)
    elif kind == 3:
        agent = Twins(calls=tape.pick([2, 3, 4, 1]), writes=writes, limits=limits)
    else:
        function = tape.pick([fickle, slow])
        attempts = 1 + tape.below(2)
        return State(function, initial=index == 0, max_visits=visits, writes=writes, attempts=attempts)
    return State(agent, initial=index == 0, max_visits=visits, timeout_s=tape.pick([None, 4.0]))


def tight(tape: Tape) -> Limits:
    """Draw limits that many runs do not fit into; the tamest choice, 0, is the widest."""
    return Limits(
        hops=tape.pick([12, 8, 5, 4, 3, 2, 1]),
        tokens=tape.pick([10_000, 800, 500, 320, 240, 160]),
        cost_usd=tape.pick([None, None, "0.01", "0.003"]),
        deadline_s=tape.pick([60.0, 12.0, 4.0]),
    )


def drawn(tape: Tape) -> tuple[type[Machine[Facts, Tape]], Limits]:
    """Draw a machine, and limits for its runs."""
    limits = tight(tape)  # first: a large machine uses up the tape, and an empty tape draws the widest limits
    return build(tape), limits


MACHINES = PLANS.map(build)
"""Random machines, without limits for their runs."""
