"""Small edits of a definition: the same machine with one thing changed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...define.definition import Definition
from ...define.graph import shortest_path
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.states import Final, Handoff, State
from ...define.subject import Atom
from ...limits import Limits
from ..bounds.words import limits_as_written


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change of a machine."""

    words: str
    """What a user would do, as an imperative."""
    max_visits: tuple[str, int] | None = None
    """A state, and its visits at most."""
    limits: Limits | None = None
    dropped: str | None = None
    """A handoff."""
    guarded: tuple[str, Guard[Any]] | None = None
    """A handoff, and the guard it gets besides its own."""

    def apply(self, definition: Definition) -> Definition:
        """Make the changed definition; its states and handoffs are copies, the given ones stay as they are."""
        states = {name: self._state(state) for name, state in definition.states.items()}
        handoffs = tuple(self._handoff(h, states) for h in definition.handoffs if h.name != self.dropped)
        for state in states.values():
            state.handoffs = tuple(h for h in handoffs if state in h.sources)
            routes = tuple(states.get(getattr(route, "name", ""), route) for route in state.spec.routes)
            state.spec = dataclasses.replace(state.spec, routes=routes)
        parts: dict[str, Atom] = {**states, **{handoff.name: handoff for handoff in handoffs}}
        return dataclasses.replace(
            definition,
            states=states,
            handoffs=handoffs,
            limits=self.limits or definition.limits,
            policies=tuple(_of_parts(policy, parts) for policy in definition.policies),
        )

    def _state(self, state: State) -> State:
        made = copy.copy(state)
        made._states = (made,)
        if self.max_visits is not None and self.max_visits[0] == state.name:
            made.max_visits = self.max_visits[1]
        return made

    def _handoff(self, handoff: Handoff, states: dict[str, State]) -> Handoff:
        made = copy.copy(handoff)
        made.sources = tuple(states[source.name] for source in handoff.sources)
        made.target = handoff.target if isinstance(handoff.target, Final) else states[handoff.target.name]
        if self.guarded is not None and self.guarded[0] == handoff.name:
            made.guard = self.guarded[1] if handoff.guard is None else handoff.guard & self.guarded[1]
        return made


def _of_parts(policy: Policy, parts: Mapping[str, Atom]) -> Policy:
    """Have a policy speak of other parts of the same names."""

    def of(atoms: tuple[Atom, ...]) -> tuple[Atom, ...]:
        return tuple(atom if isinstance(atom, Guard) else parts.get(atom.name, atom) for atom in atoms)

    return dataclasses.replace(policy, subject=of(policy.subject), other=of(policy.other))


def fewer_visits(definition: Definition, state: str, *, at_most: int | None = None) -> Iterator[Edit]:
    """Give edits that visit a state less often, and so often at most, the smallest change first."""
    declared = definition.states[state].max_visits
    most = (definition.limits.hops if declared is None else declared) - 1
    for visits in range(most if at_most is None else min(at_most, most), 0, -1):
        verb = f"add `max_visits={visits}` to" if declared is None else f"set `max_visits={visits}` on"
        yield Edit(words=f"{verb} `{state}`", max_visits=(state, visits))


def fewer_hops(definition: Definition) -> Iterator[Edit]:
    """Give edits that allow fewer hops, the smallest change first; every handoff can still be taken in some run."""
    start, needed = definition.initial.name, 1
    for handoff in definition.handoffs:
        for source in handoff.sources:
            way = shortest_path(definition.successors, start, lambda node, end=source.name: node == end)  # type: ignore[misc]
            needed = max(needed, len(way or ()) + isinstance(handoff.target, State))
    for hops in range(definition.limits.hops - 1, needed - 1, -1):
        limits = definition.limits.model_copy(update={"hops": hops})
        yield Edit(words=f"lower the limit, `{limits_as_written(definition.limits, hops=hops)}`", limits=limits)


def more_tokens(definition: Definition, tokens: int) -> Edit:
    """Give the edit that raises the limit of tokens."""
    limits = definition.limits.model_copy(update={"tokens": tokens})
    return Edit(words=f"raise the limit, `{limits_as_written(definition.limits, tokens=tokens)}`", limits=limits)


def guard_with(handoff: Handoff, guard: Guard[Any]) -> Edit:
    """Give the edit that opens a handoff only where a guard holds too."""
    whole = repr(guard) if handoff.guard is None else f"{handoff.guard!r} & {guard!r}"
    return Edit(words=f"give `{handoff.name}` the guard `guard={whole}`", guarded=(handoff.name, guard))


def drop(handoff: Handoff) -> Edit:
    """Give the edit that removes a handoff."""
    return Edit(words=f"remove the handoff `{handoff.name}`", dropped=handoff.name)
