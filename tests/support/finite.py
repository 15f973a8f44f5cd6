"""Small machines, all of whose runs can be listed: cycles, guards over finite fields, failure edges, tight limits."""

from __future__ import annotations

import itertools
import random
import types
from typing import Any, Literal

from support.roads import Asker, least, road

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, State, Visit, guard
from fsm_orch.define import Guard
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.define.policies import Policy, after, at_most, eventually, never
from fsm_orch.limits import CallLimits
from fsm_orch.testing import Tape


class Traits(Context):
    """The context of these machines."""

    a: Given[bool] = False
    b: bool = False
    mood: Given[Literal["calm", "cross"] | None] = None
    answer: str | None = None

    @property
    def is_wordy(self) -> bool:
        """Whether the answer is of more than one word."""
        return " " in (self.answer or "")


FIELDS: tuple[Any, ...] = (Traits.a, Traits.b, Traits.mood, Traits.answer)


@guard
def is_a(traits: Traits) -> bool:
    return traits.a


@guard
def is_b(traits: Traits) -> bool:
    return traits.b


@guard
def is_calm(traits: Traits) -> bool:
    return traits.mood == "calm"


@guard
def needs_a_mood(traits: Traits) -> bool:
    """Raise without a mood. A guard that raises does not hold, and neither does its negation."""
    return len(traits.mood or 0) == 4  # type: ignore[arg-type]


@guard
def is_long(traits: Traits) -> bool:
    """Read a text, whose values cannot be listed."""
    return len(traits.answer or "") > 9


GUARDS: tuple[Guard[Traits], ...] = (is_a, ~is_a, is_b, is_a & is_b, ~is_b | is_calm, ~needs_a_mood, ~(is_a | is_calm))
OPAQUE: tuple[Guard[Traits], ...] = (is_long, ~is_long, is_a & is_long, is_long | is_b)


def work(visit: Visit[Traits]) -> None:
    """Stand in for an agent; it is never called."""


def _asker(tape: Tape, writes: tuple[Any, ...]) -> Asker:
    """Draw an agent that plays rounds: a human, a parallel or a map of machines, or a model with tools and machines."""
    parts = tuple(
        Part(name=f"part{number}", definition=road({"x": tape.pick([30, 60, 100])}, []), most=1 + tape.below(2))
        for number in range(1 + tape.below(2))
    )
    asks, caps = sum(part.most for part in parts), CallLimits(max_input_tokens=40, max_output_tokens=10)
    tools = (ToolSpec(name="look"),)
    kinds: list[dict[str, Any]] = [
        {"kind": "human", "asks_human": True, "asks": 1, "must_ask": True, "proposes": True},
        {"kind": "parallel", "parts": parts, "asks": asks, "must_ask": True},
        {"kind": "map", "parts": parts[:1], "asks": parts[0].most, "must_ask": True},
        {"kind": "llm", "calls": 1, "call_limits": caps, "parts": parts, "asks": asks, "must_ask": tape.chance(2)},
        {"kind": "llm", "calls": 2, "call_limits": caps, "parts": parts[:1], "asks": asks, "proposes": True},
        {
            "kind": "llm",
            "calls": 2,
            "call_limits": caps,
            "tools": tools,
            "asks": 2,
            "must_ask": True,
        },
    ]
    return Asker(writes=writes, **tape.pick(kinds))


def _clerk(tape: Tape, writes: tuple[Any, ...]) -> Asker:
    """Draw an agent that may use tools, some of which a human has to approve."""
    caps, calls = CallLimits(max_input_tokens=40, max_output_tokens=10), tape.below(3)
    tools = tuple(ToolSpec(name=name, approval=tape.chance(3)) for name in ("look", "pay")[: 1 + tape.below(2)])
    kind: Any = "llm" if calls else "code"
    return Asker(
        writes=writes,
        kind=kind,
        calls=calls,
        call_limits=caps,
        tools=tools,
        asks=1 + tape.below(2),
        must_ask=tape.chance(2),
    )


def drawn(
    seed: int,
    *,
    opaque: tuple[Guard[Traits], ...] = OPAQUE,
    most: int = 4,
    rounds: bool = False,
    tools: bool = False,
) -> type[Machine[Traits]]:
    """Return the machine of a seed; the same seed makes the same machine everywhere.

    Args:
        opaque: guards that read a text.
        most: one in so many machines has some of these guards.
        rounds: whether some of its agents play rounds.
        tools: whether some of its agents use tools, and its policies speak of them.
    """
    return build(Tape(random.Random(seed).randbytes(200)), opaque, most, rounds=rounds, tools=tools)


def build(
    tape: Tape,
    opaque: tuple[Guard[Traits], ...] = OPAQUE,
    most: int = 4,
    *,
    rounds: bool = False,
    tools: bool = False,
) -> type[Machine[Traits]]:
    """Build a machine that the tape decides. It always builds: whatever a rule demands is added."""
    count = tape.pick([2, 3, 3, 4])
    is_cyclic = tape.below(4) > 0
    guards = (*GUARDS, *opaque) if tape.below(4) % most == 0 else GUARDS
    states = [_state(tape, index, is_cyclic, rounds=rounds, tools=tools) for index in range(count)]
    uses = [state.tool(tool) for state in states for tool in state.spec.tools] if tools else []
    finals = [Final(), Final(sets={Traits.b: tape.chance(2)}), Final(fallback=True, sets={Traits.answer: "default"})]
    handoffs = _handoffs(tape, states, finals, is_cyclic, guards)
    needed = max(map(least, states))  # or it would not build
    namespace = {
        "__doc__": "A small machine.",
        **{f"s{index}": state for index, state in enumerate(states)},
        **dict(zip(("done", "other", "human"), finals, strict=True)),
        **handoffs,
        "limits": Limits(hops=count + tape.below(3), tokens=max(needed, tape.pick([10_000, 150, 200, 300, 350]))),
        "policies": _policies(tape, [*states, *finals[:2], *handoffs.values(), *uses], guards),
    }
    return types.new_class("Small", (Machine[Traits],), exec_body=lambda body: body.update(namespace))


def _state(tape: Tape, index: int, is_cyclic: bool, *, rounds: bool, tools: bool) -> State:
    writes = tuple(ref for ref in FIELDS if tape.below(4) == 0)
    visits = 1 + tape.below(2) if is_cyclic else None
    if rounds and tape.chance(2):
        expires_s = tape.pick([None, 30.0])
        return State(_asker(tape, writes), initial=index == 0, max_visits=visits, expires_s=expires_s)
    if tools and tape.below(3) > 0:
        return State(_clerk(tape, writes), initial=index == 0, max_visits=visits)
    if tape.below(3) == 0:
        return State(work, initial=index == 0, max_visits=visits, writes=writes)
    agent = LLMAgent(
        f"Agent {index}.",
        writes=writes,
        calls=1 + tape.below(2),
        max_input_tokens=tape.pick([40, 90, 140]),
        max_output_tokens=10,
    )
    return State(agent, initial=index == 0, max_visits=visits)


def _handoffs(
    tape: Tape, states: list[State], finals: list[Final], is_cyclic: bool, guards: tuple[Guard[Traits], ...]
) -> dict[str, Any]:
    """Join each state to the next, so that every state is reached and can finish, and to others by chance."""
    names, taken = itertools.count(), set()
    handoffs: dict[str, Any] = {}
    places = [*states, *finals]

    def join(source: int, target: int, guarded: int) -> None:
        chosen = guards[guarded] if guarded < len(guards) else None
        if (source, target, chosen) not in taken:
            taken.add((source, target, chosen))
            handoffs[f"h{next(names)}"] = states[source].to(places[target], "when it fits", guard=chosen)

    for index, state in enumerate(states):
        lowest = 0 if is_cyclic else index + 1
        for _ in range(tape.below(3)):
            join(index, lowest + tape.below(len(places) - lowest), tape.below(2 * len(guards)))
        join(index, index + 1, tape.below(2 * len(guards)))
        if tape.chance(2):
            edge = tape.pick([state.on_failure, state.on_timeout, state.on_refusal])
            handoffs[f"f{index}"] = edge(places[lowest + tape.below(len(places) - 1 - lowest)])
    join(len(states) - 1, len(states) + 1, tape.below(2 * len(guards)))
    return handoffs


def _policies(tape: Tape, parts: list[Any], guards: tuple[Guard[Traits], ...]) -> tuple[Policy, ...]:
    """Draw a policy of each kind."""
    atoms = [*parts, *guards[:3], *guards[-1:]]

    def some() -> list[Any]:
        """Draw an atom, sometimes joined with another, and then a different atom."""
        first = tape.below(len(atoms))
        second = (first + 1 + tape.below(len(atoms) - 1)) % len(atoms)
        joined = (first + 1 + tape.below(len(atoms) - 1)) % len(atoms)
        is_joined = tape.chance(4) and joined != second
        return [atoms[first] | atoms[joined] if is_joined and first < len(parts) else atoms[first], atoms[second]]

    (one, two), (three, four), (five, six) = some(), some(), some()
    return (
        never(one, strict=tape.chance(3)),
        never(one).before(two),
        never(three, strict=tape.chance(3)).after(four),
        at_most(1 + tape.below(2), five),
        eventually(three, strict=tape.chance(4)),
        after(six).eventually(five, strict=tape.chance(4)),
        never(five, strict=tape.chance(4)).when(tape.pick([*guards[3:-1]])),
    )
