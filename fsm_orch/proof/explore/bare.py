"""The bare graph of a machine: policies that hold on all of its paths, whatever guards answer and agents do.

On this graph guards answer anything at every moment, tools are used as often as may be, and nothing runs out. Every
run's hops and uses are one of its paths, since guards, limits and failures only take paths away. So a policy that holds
on all its paths holds for all runs. One that does not may hold all the same, and is left to the exploration.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ...define.definition import Definition
from ...define.policies import Policy
from ...define.states import Final, Handoff, State
from ...define.subject import Atom
from ...define.used import Used, use_name
from ...limits import Limits
from .automata import Automaton, Holds, automaton
from .uses import spoken_of

_MOST_GUARDS = 6
"""A policy of more guards is left to the exploration: each doubles what may be answered at a moment."""


def holds(definition: Definition, policy: Policy, limits: Limits) -> bool:
    """Return whether a policy holds on every path of the graph; False if that is not certain."""
    if policy.pattern == "bounded_existence" and _times(definition, policy, limits) <= policy.times:
        return True
    return len(set(policy.guards)) <= _MOST_GUARDS and not any(_Graph(definition, policy, limits).breaks())


def _times(definition: Definition, policy: Policy, limits: Limits) -> int:
    """Return how often the subject of a policy can happen at most, by the visits that there are."""
    return sum(_most(definition, atom, limits.hops) for atom in policy.subject)


def _most(definition: Definition, atom: Atom, hops: int) -> int:
    match atom:
        case State():
            return hops if atom.max_visits is None else min(atom.max_visits, hops)
        case Handoff():
            # a visit ends with one hop at most, and the first visit of the initial state began without one
            begun = isinstance(atom.target, State) and atom.target is definition.initial
            left = sum(_most(definition, source, hops) for source in atom.sources)
            return min(left, _most(definition, atom.target, hops) - begun)
        case Final():
            return 1
        case Used(state=place):
            state = definition.states[place.name]
            return _most(definition, state, hops) * state.spec.asks
        case _:  # a guard, which may hold after every hop, and at the start
            return hops + 1


class _Graph:
    """The bare graph in product with the automaton of a policy."""

    def __init__(self, definition: Definition, policy: Policy, limits: Limits) -> None:
        self._definition = definition
        self._automaton: Automaton = automaton(policy)
        guards = tuple(dict.fromkeys(policy.guards))
        self._answers: list[Holds] = [
            dict(zip(guards, answers, strict=True)).__getitem__
            for answers in product((False, True), repeat=len(guards))
        ]
        self._uses = {state: [use_name(state, tool) for tool in tools] for state, tools in spoken_of((policy,)).items()}
        self._edges: dict[str, list[Handoff]] = {name: [] for name in definition.states}
        for source, handoff in definition.edges:
            if handoff.kind != "timeout" or definition.states[source].may_time_out(limits):
                self._edges[source].append(handoff)

    def breaks(self) -> Iterator[bool]:
        """Yield, for each place of the product that some path reaches, whether the policy is broken there."""
        follower, definition = self._automaton, self._definition
        start = definition.initial.name
        front = list(dict.fromkeys((start, follower.start(start, holds)) for holds in self._answers))
        seen = set(front)
        while front:
            place, at = front.pop()
            yield follower.is_broken(at, ended=place in definition.finals, landed=False)
            for after in self._after(place, at):
                if after not in seen:
                    seen.add(after)
                    front.append(after)

    def _after(self, place: str, at: int) -> Iterator[tuple[str, int]]:
        """Yield every place that a hop leads to, with the state of the automaton there."""
        if place in self._definition.finals:
            return
        follower, fallback = self._automaton, self._definition.fallback.name
        for holds in self._answers:
            for use in self._uses.get(place, ()):
                yield place, follower.use(at, use, holds)
            for handoff in self._edges[place]:
                target = handoff.target.name
                yield target, follower.hop(at, handoff.name, target, holds)
            # a landing excuses, unless the policy is strict; then it is an end like any other
            if follower.policy.strict:
                yield fallback, follower.landed(at, fallback, holds)
