"""Small machines as plans, and each small change that somebody makes to one: two versions that a tape decides."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from support.random_machines import GUARDS, Facts, is_a, is_b, is_small

from fsm_orch import Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit, at_most, never
from fsm_orch.define.policies import Policy
from fsm_orch.testing import Tape

ENDS = ("done", "other", "human")
WRITABLE: tuple[Any, ...] = (Facts.a, Facts.b, Facts.note)


@dataclasses.dataclass(frozen=True)
class Place:
    """A state as it is planned."""

    kind: str
    writes: tuple[int, ...] = ()
    visits: int = 2
    calls: int = 1
    room: int = 100
    attempts: int = 1
    is_repeatable: bool = False
    is_entry: bool = False
    timeout_s: float | None = None


class Way(NamedTuple):
    """A handoff as it is planned: to a state by its number, or to one of the ends behind them."""

    source: int
    target: int
    guard: int
    kind: str = "to"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A machine as it is planned."""

    places: tuple[Place, ...]
    ways: tuple[Way, ...]
    promises: tuple[tuple[int, int, int], ...] = ()
    hops: int = 6
    tokens: int = 10_000


def drawn(tape: Tape) -> Plan:
    """Draw a plan. Each state leads to the next, and to one more."""
    count = 1 + tape.below(3)
    ways = [Way(n, n + 1, tape.below(len(GUARDS))) for n in range(count)]
    ways += [_way(tape, count) for _ in range(1 + tape.below(3))]
    ways += [Way(0, count, 0), Way(0, count + 1, 0)]
    promises = tuple(_promise(tape, count) for _ in range(tape.below(3)))
    places = tuple(_place(tape) for _ in range(count))
    return Plan(places, tuple(ways), promises, 4 + tape.below(3), tape.pick([10_000, 10_000, 900]))


def changed(tape: Tape, plan: Plan) -> Plan:
    """Return a plan with one change."""
    return tape.pick(CHANGES)(tape, plan)


def _place(tape: Tape) -> Place:
    writes = tuple(n for n in range(len(WRITABLE)) if tape.chance(3))
    return Place(tape.pick(["code", "code", "llm", "human"]), writes, 1 + tape.below(2), 1 + tape.below(2))


def _way(tape: Tape, count: int) -> Way:
    kind = tape.pick(["to", "to", "to", "on_failure", "on_timeout", "on_refusal"])
    return Way(tape.below(count), tape.below(count + 2), tape.below(len(GUARDS)) if kind == "to" else 0, kind)


def _promise(tape: Tape, count: int) -> tuple[int, int, int]:
    return tape.below(4), tape.below(count), tape.below(count)


def _in_a_place(**values: Callable[[Tape, Place], Any]) -> Callable[[Tape, Plan], Plan]:
    def change(tape: Tape, plan: Plan) -> Plan:
        number = tape.below(len(plan.places))
        was = plan.places[number]
        now = dataclasses.replace(was, **{name: value(tape, was) for name, value in values.items()})
        return dataclasses.replace(plan, places=(*plan.places[:number], now, *plan.places[number + 1 :]))

    return change


def _more(tape: Tape, plan: Plan) -> Plan:
    at = tape.below(len(plan.ways) + 1)
    ways = (*plan.ways[:at], _way(tape, len(plan.places)), *plan.ways[at:])
    return dataclasses.replace(plan, ways=ways)


def _fewer(tape: Tape, plan: Plan) -> Plan:
    at = tape.below(len(plan.ways))
    return dataclasses.replace(plan, ways=plan.ways[:at] + plan.ways[at + 1 :])


def _guarded(tape: Tape, plan: Plan) -> Plan:
    at = tape.below(len(plan.ways))
    way = plan.ways[at]._replace(guard=tape.below(len(GUARDS)), kind="to")
    return dataclasses.replace(plan, ways=(*plan.ways[:at], way, *plan.ways[at + 1 :]))


def _added(tape: Tape, plan: Plan) -> Plan:
    """Add a state behind the others, with a way to it and one from it."""
    count = len(plan.places)
    ways = [way._replace(target=way.target + 1 if way.target >= count else way.target) for way in plan.ways]
    ways += [Way(tape.below(count), count, tape.below(len(GUARDS))), Way(count, count + 1, 0)]
    return dataclasses.replace(plan, places=(*plan.places, _place(tape)), ways=tuple(ways))


def _promised(tape: Tape, plan: Plan) -> Plan:
    return dataclasses.replace(plan, promises=(*plan.promises, _promise(tape, len(plan.places))))


EXITS = [_more, _fewer, _guarded]
"""The changes of what leads out of states."""
CHANGES: list[Callable[[Tape, Plan], Plan]] = [
    _more,
    _more,
    _fewer,
    _guarded,
    _added,
    _promised,
    _in_a_place(visits=lambda tape, _: 1 + tape.below(3)),
    _in_a_place(calls=lambda tape, _: 1 + tape.below(3)),
    _in_a_place(room=lambda tape, _: tape.pick([80, 100, 150])),
    _in_a_place(attempts=lambda tape, _: 1 + tape.below(2)),
    _in_a_place(kind=lambda tape, _: tape.pick(["code", "llm", "human"])),
    _in_a_place(is_repeatable=lambda _, was: not was.is_repeatable),
    _in_a_place(is_entry=lambda _, was: not was.is_entry),
    _in_a_place(timeout_s=lambda tape, _: tape.pick([None, 4.0])),
    _in_a_place(writes=lambda tape, _: tuple(n for n in range(len(WRITABLE)) if tape.chance(3))),
    lambda tape, plan: dataclasses.replace(plan, hops=4 + tape.below(4)),
    lambda tape, plan: dataclasses.replace(plan, tokens=tape.pick([10_000, 900, 600])),
]


def work(visit: Visit[Facts]) -> None:
    """Stand for any code."""


def _state(place: Place, number: int) -> State:
    writes = tuple(WRITABLE[each] for each in place.writes)
    common: dict[str, Any] = {"initial": number == 0, "max_visits": place.visits, "timeout_s": place.timeout_s}
    common["entry"] = place.is_entry and number > 0
    if place.kind == "llm":
        bounds: dict[str, Any] = {"max_input_tokens": place.room, "max_output_tokens": 20, "calls": place.calls}
        return State(LLMAgent(f"Agent {number}.", writes=writes, reads=Facts.a, **bounds), **common)
    if place.kind == "human":
        return State(HumanAgent("What now?", writes=writes, reads=Facts.a), **common)
    return State(work, writes=writes, attempts=place.attempts, repeatable=place.is_repeatable, **common)


def built(plan: Plan, *, state: str = "s") -> type[Machine[Facts]]:
    """Build a machine from its plan.

    Args:
        state: what states are called, before their number.

    Raises DefinitionError: if it does not build.
    """
    states = [_state(place, number) for number, place in enumerate(plan.places)]
    goals: list[Any] = [*states, Final(), Final(sets={Facts.answer: "other"}), Final(fallback=True)]
    body: dict[str, Any] = {"__doc__": "A small machine.", **{f"{state}{n}": each for n, each in enumerate(states)}}
    body |= dict(zip(ENDS, goals[len(states) :], strict=True))
    for way in dict.fromkeys(plan.ways):
        # named by what it is, so that the same one is called the same in both versions
        goal = way.target if way.target < len(states) else ENDS[way.target - len(states)]
        name = f"{way.kind}_{way.source}_{goal}_{way.guard if GUARDS[way.guard] is not None else 0}"
        if name not in body:
            leave, to = states[way.source], goals[way.target]
            body[name] = leave.to(to, "when it fits", guard=GUARDS[way.guard]) if way.kind == "to" else (
                getattr(leave, way.kind)(to)
            )  # fmt: skip
    body["policies"] = tuple(_policy(states, *promise) for promise in plan.promises)
    body["limits"] = Limits(hops=plan.hops, tokens=plan.tokens)
    return types.new_class("Small", (Machine[Facts],), exec_body=lambda namespace: namespace.update(body))


def _policy(states: list[State], kind: int, one: int, other: int) -> Policy:
    if kind == 0 or one == other:
        return at_most(1 + kind % 2, states[one])
    if kind == 1:
        return never(states[one]).when((is_a, ~is_b, is_a & is_small)[other % 3])
    return never(states[one]).before(states[other]) if kind == 2 else never(states[one]).after(states[other])
