"""Definitions made of numbers, built without a class: any number of states, and nothing in them that could run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from fsm_orch import Context, Final, Limits, Reply, State, Visit
from fsm_orch.amounts import FREE
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.definition import Definition
from fsm_orch.define.parts import Part
from fsm_orch.define.states import EdgeKind
from fsm_orch.limits import CallLimits


class Nothing(Context):
    """The context of these machines, without fields."""


class Asker:
    """An agent that is explored, and never run."""

    def __init__(self, **spec: Any) -> None:
        self.spec = AgentSpec(name="Asker", canonical={}, **spec)

    async def act(self, visit: Visit[Any, Any]) -> Any:
        raise NotImplementedError


def least(state: State) -> int:
    """Return the tokens without which no run could enter a state and leave it, so that its machine would not build."""
    onward = [h.target.spec.grant(FREE).tokens if isinstance(h.target, State) else 0 for h in state.exits]
    return state.spec.grant(FREE).tokens + min(onward, default=0)


class Idle:
    """An agent that is never called; only its numbers count."""

    def __init__(self, calls: int, grant: int, parts: tuple[Part, ...] = (), **spec: Any) -> None:
        caps = CallLimits(max_input_tokens=grant - grant // 4, max_output_tokens=grant // 4)
        spec = {"kind": "llm" if calls else "code", "asks": sum(part.most for part in parts), **spec}
        self.spec = AgentSpec(name="Idle", calls=calls, call_limits=caps, parts=parts, canonical={}, **spec)

    async def act(self, visit: Visit[Any, Any]) -> Reply:
        raise NotImplementedError


@dataclass(frozen=True)
class Stop:
    """A state in numbers."""

    grant: int
    calls: int = 1
    max_visits: int | None = None
    timeout_s: float | None = None
    runs: Mapping[str, tuple[Definition, int]] = field(default_factory=dict)
    """By name, the machines that a visit may run inside it, and how often each."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """What else its agent declares."""


Edge = tuple[str, str] | tuple[str, str, EdgeKind]


def road(
    stops: Mapping[str, Stop | int], edges: Iterable[Edge], *, hops: int = 8, tokens: int = 10_000, **limits: Any
) -> Definition:
    """Return a definition. Its first state is the initial one, and every state has an exit to a final state.

    Args:
        limits: further limits of its runs.
    """
    states: dict[str, State] = {}
    for name, given in stops.items():
        stop = given if isinstance(given, Stop) else Stop(given)
        parts = tuple(Part(name=part, definition=inner, most=most) for part, (inner, most) in stop.runs.items())
        agent = Idle(stop.calls, stop.grant, parts, **stop.spec)
        states[name] = State(agent, initial=not states, max_visits=stop.max_visits, timeout_s=stop.timeout_s)
    finals = {"done": Final(), "human": Final(fallback=True)}
    for name, part in [*states.items(), *finals.items()]:
        part.name = name
    handoffs = [
        _edge(states[source], states[target], *kind)
        for source, target, *kind in edges  # type: ignore[arg-type]
    ]
    handoffs += [state.to(finals["done"]) for state in states.values()]
    for number, handoff in enumerate(handoffs):
        handoff.name = f"h{number}"
    return Definition(
        name="Road",
        doc="A machine made of numbers.",
        where="here",
        context=Nothing,
        states=states,
        finals=finals,
        handoffs=tuple(handoffs),
        limits=Limits(hops=hops, tokens=tokens, **limits),
    )


def nested(random: Random, *, depth: int) -> Definition:
    """Draw a machine that may run others inside its visits, so many deep, with limits that nothing comes up to."""
    stops: dict[str, Stop | int] = {}
    for number in range(random.randint(1, 3)):
        calls, visits = random.choice([0, 0, 1, 2]), random.choice([1, 1, 2])
        runs = {
            f"part{n}": (nested(random, depth=depth - 1), random.choice([1, 1, 1, 2]))
            for n in range(random.choice([0, 1, 2, 2]) if depth else 0)
        }
        stops[f"s{number}"] = Stop(random.choice([10, 40, 100]), calls, visits, runs=runs)
    names = [*stops]
    edges: list[Edge] = list(pairwise(names))
    edges += [(random.choice(names), random.choice(names)) for _ in range(random.choice([0, 1]))]
    return road(stops, dict.fromkeys(edges), hops=random.randint(2, 5), tokens=10**6)


def _edge(source: State, target: State, kind: EdgeKind = "handoff"):
    make = {"handoff": source.to, "failure": source.on_failure, "timeout": source.on_timeout}
    return make.get(kind, source.on_refusal)(target)


def drawn(random: Random, *, states: int, hops: int, degree: int = 3) -> Definition:
    """Draw a definition in which every state can be reached, and many states can run out of visits."""
    names = [f"s{number}" for number in range(states)]
    visits = [1, 1, 2, 2, 3, None]
    stops = {
        name: Stop(
            random.choice([0, 10, 100, 500, 700, 1_000, 1_152, 2_304]),
            random.randint(0, 3),
            random.choice(visits),
            random.choice([None, 0.1, 2.5, 20.0]),
        )
        for name in names
    }
    edges: dict[tuple[str, str], EdgeKind] = {
        (random.choice(names[:number]), names[number]): "handoff" for number in range(1, states)
    }
    kinds: list[EdgeKind] = ["handoff", "handoff", "handoff", "failure", "timeout", "refusal"]
    for _ in range(random.randint(0, states * degree)):
        edges.setdefault((random.choice(names), random.choice(names)), random.choice(kinds))
    return road(stops, [(*pair, kind) for pair, kind in edges.items()], hops=hops, tokens=random.choice([100, 9_000]))


def small(random: Random) -> Definition:
    """Draw a definition of up to 7 states, small enough to list its paths."""
    return drawn(random, states=random.randint(1, 7), hops=random.randint(1, 8))


def paths(definition: Definition) -> Iterator[tuple[str, ...]]:
    """Yield the visits of every run, one path after the other; guards, tokens and time are ignored.

    By the words of the design alone: a handoff or failure edge into a state is legal while `hops + 2` are within the
    limit and the state has a visit left.
    """
    edges = {(source, handoff.target.name) for source, handoff in definition.edges}

    def on(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        hops = len(path) - 1
        for name, state in definition.states.items():
            most = definition.limits.hops if state.max_visits is None else state.max_visits
            if (path[-1], name) in edges and path.count(name) < most and hops + 2 <= definition.limits.hops:
                yield from on((*path, name))

    yield from on((definition.initial.name,))


def charged(definition: Definition, path: Iterable[str]) -> int:
    """Return the most tokens that a path is charged."""
    specs = [definition.states[name].spec for name in path]
    return sum(s.calls * (s.call_limits.max_input_tokens + s.call_limits.max_output_tokens) for s in specs)


GAP = road(
    {"a": Stop(20, max_visits=1), "b": Stop(30, max_visits=2), "c": 20}, [("a", "b"), ("a", "c"), ("b", "b")], hops=5
)
"""The worst case is 80, but no tolls prove less than 90: half a run may go round b four times, and half to c."""


def crowd(*, states: int = 13, hops: int = 8, dear: int = 700, tokens: int = 10**6) -> Definition:
    """Return a machine of so many paths that its worst case is counted by hops alone, which is more than it can be.

    Every state leads to every other and has one visit; one of them is dear.
    """
    names = [f"s{number}" for number in range(states)]
    stops = {name: Stop(dear if name == "s1" else 10 + number, max_visits=1) for number, name in enumerate(names)}
    return road(stops, [(a, b) for a in names for b in names if a != b], hops=hops, tokens=tokens)
