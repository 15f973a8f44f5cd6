"""Small edits of a definition, each of which makes the same machine with one thing changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...define.definition import Definition
from ...define.guards import Guard, as_written, both
from ...define.least import least_hops, least_visits
from ...define.policies import Policy
from ...define.sealed import remade
from ...define.states import Final, Handoff, State
from ...define.subject import Atom
from ...define.used import Used
from ...limits import Limits
from ..bounds.words import limits_as_written


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change of a machine; exactly one of its fields besides the words is set, or `guarded` and `otherwise`."""

    words: str
    """What the user has to do, as an imperative."""
    max_visits: tuple[str, int] | None = None
    """The name of a state, and its new `max_visits`."""
    limits: Limits | None = None
    """The new limits of runs."""
    dropped: str | None = None
    """The name of a handoff to remove."""
    guarded: tuple[str, Guard[Any]] | None = None
    """The name of a handoff, and the whole of its new guard."""
    otherwise: str | None = None
    """The name of a new handoff without a guard, the last, from where the guarded one leaves to the fallback."""

    def apply(self, definition: Definition) -> Definition:
        """Return the changed definition."""
        # States, handoffs and policies refer to one another, so all of them are copied and joined again. Changing the
        # given ones would change the user's machine.
        states = {name: self._state(state) for name, state in definition.states.items()}
        handoffs = tuple(self._handoff(h, states) for h in definition.handoffs if h.name != self.dropped)
        handoffs += tuple(
            remade(h, name=self.otherwise, target=definition.fallback, description="", guard=None)
            for h in handoffs
            if self.otherwise is not None and self.guarded is not None and h.name == self.guarded[0]
        )
        for state in states.values():
            routes = tuple(states.get(getattr(route, "name", ""), route) for route in state.spec.routes)
            state.spec = dataclasses.replace(state.spec, routes=routes)
        parts: dict[str, Atom] = {**states, **{handoff.name: handoff for handoff in handoffs}}
        changed = dataclasses.replace(
            definition,
            states=states,
            handoffs=handoffs,
            limits=self.limits or definition.limits,
            policies=tuple(_of_parts(policy, parts) for policy in definition.policies),
        )
        changed.seal()
        return changed

    def _state(self, state: State) -> State:
        if self.max_visits is not None and self.max_visits[0] == state.name:
            return remade(state, max_visits=self.max_visits[1])
        return remade(state)

    def _handoff(self, handoff: Handoff, states: dict[str, State]) -> Handoff:
        made = remade(
            handoff,
            sources=tuple(states[source.name] for source in handoff.sources),
            target=handoff.target if isinstance(handoff.target, Final) else states[handoff.target.name],
        )
        if self.guarded is not None and self.guarded[0] == handoff.name:
            made.guard = self.guarded[1]
        return made


def _of_parts(policy: Policy, parts: Mapping[str, Atom]) -> Policy:
    """Return a policy that speaks of other states and handoffs with the same names."""

    def of(atoms: tuple[Atom, ...]) -> tuple[Atom, ...]:
        return tuple(map(one, atoms))

    def one(atom: Atom) -> Atom:
        if isinstance(atom, Used):
            state = parts[atom.state.name]
            return Used(state, atom.tool) if isinstance(state, State) else atom
        return atom if isinstance(atom, Guard) else parts.get(atom.name, atom)

    return dataclasses.replace(policy, subject=of(policy.subject), other=of(policy.other))


def fewer_visits(definition: Definition, state: str) -> Iterator[Edit]:
    """Yield edits that lower `max_visits` of a state, the smallest change first, down to what some cycle needs."""
    declared = definition.states[state].max_visits
    most = (definition.limits.hops if declared is None else declared) - 1
    for visits in range(most, least_visits(definition, state) - 1, -1):
        verb = f"add `max_visits={visits}` to" if declared is None else f"set `max_visits={visits}` on"
        yield Edit(words=f"{verb} `{state}`", max_visits=(state, visits))


def fewer_hops(definition: Definition) -> Iterator[Edit]:
    """Yield edits that lower the limit of hops, the smallest change first, down to what the longest way needs."""
    for hops in range(definition.limits.hops - 1, least_hops(definition) - 1, -1):
        limits = definition.limits.model_copy(update={"hops": hops})
        yield Edit(words=f"lower the limit, `{limits_as_written(definition.limits, hops=hops)}`", limits=limits)


def more_tokens(definition: Definition, tokens: int) -> Edit:
    """Return the edit that sets the limit of tokens."""
    limits = definition.limits.model_copy(update={"tokens": tokens})
    return Edit(words=f"raise the limit, `{limits_as_written(definition.limits, tokens=tokens)}`", limits=limits)


def guard_with(handoff: Handoff, guard: Guard[Any]) -> Edit:
    """Return the edit that gives a handoff a guard in addition to its own."""
    whole = both(handoff.guard, guard)
    return Edit(words=f"give `{handoff.name}` the guard `guard={as_written(whole)}`", guarded=(handoff.name, whole))


def guard_or_else(definition: Definition, handoff: Handoff, guard: Guard[Any]) -> Edit:
    """Return the edit that gives the only exit of one state a guard, and the state another exit for all else."""
    edit, (source,), end = guard_with(handoff, guard), handoff.sources, definition.fallback.name
    name = f"not_{handoff.name}"
    words = f"{edit.words}, and `{source.name}` a last exit for all else, `{name} = {source.name}.to({end})`"
    return dataclasses.replace(edit, words=words, otherwise=name)


def drop(handoff: Handoff) -> Edit:
    """Return the edit that removes a handoff."""
    return Edit(words=f"remove the handoff `{handoff.name}`", dropped=handoff.name)
