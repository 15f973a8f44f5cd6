"""Renames: inputs in the words of another version of their machine, in which states or handoffs bear other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from ..messages import Message
from .inputs import GatesSeen, Input, Overspent, Replied, Started

V = TypeVar("V")


class Renames(Struct, frozen=True, omit_defaults=True):
    """What is called otherwise in the new version of a machine: by its old name, the new one.

    Names inside parts stay as they are.
    """

    states: Mapping[str, str] = field(default_factory=dict)
    """States and final states."""
    handoffs: Mapping[str, str] = field(default_factory=dict)

    def state(self, name: str) -> str:
        """Return what a state is called in the new version."""
        return self.states.get(name, name)

    def handoff(self, name: str) -> str:
        """Return what a handoff is called in the new version."""
        return self.handoffs.get(name, name)

    def place(self, place: str) -> str:
        """Return where `state`, `state.part` or what is deeper inside is in the new version."""
        state, dot, inside = place.partition(".")
        return f"{self.state(state)}{dot}{inside}"

    def placed(self, by_place: Mapping[str, V]) -> dict[str, V]:
        """Return what is told by place, by where it is in the new version."""
        return {self.place(place): value for place, value in by_place.items()}

    def said(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return messages under the new names of the agents that wrote them, which find their own by these."""
        if not any(message.agent in self.states for message in messages):
            return messages
        return tuple([replace(m, agent=None if m.agent is None else self.state(m.agent)) for m in messages])


NO_RENAMES = Renames()


def renamed(event: Input, renames: Renames = NO_RENAMES) -> Input:
    """Return an input under the names of the new version.

    What a human was asked, and what humans, tools and agents have said, stays as it was said.
    """
    if event.path:
        return event
    if isinstance(event, Started):
        return _started(event, renames)
    if isinstance(event, Replied) and (event.handoff is not None or event.messages):
        handoff = None if event.handoff is None else renames.handoff(event.handoff)
        return replace(event, handoff=handoff, messages=renames.said(event.messages))
    if isinstance(event, Overspent):
        return replace(event, source=renames.state(event.source))
    if isinstance(event, GatesSeen):
        return replace(event, shut=tuple(map(renames.place, event.shut)))
    return event


def _started(first: Started, renames: Renames) -> Started:
    return replace(
        first,
        state=None if first.state is None else renames.state(first.state),
        messages=renames.said(first.messages),
        shut=tuple(map(renames.place, first.shut)),
        prices=renames.placed(first.prices),
        models=renames.placed(first.models),
        shares=renames.placed(first.shares),
    )
