"""A journal as another version of its machine reads it: the same inputs, under the digest and the names of that one.

A run keeps what it started with, its limits, prices and shares. Stored bytes never change: it is read so, not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from ...define.definition import Definition
from ...define.worst import machines_in, shares_of
from ...errors import StepError
from ...kernel.inputs import Input, Overspent, Replied, Started
from ...kernel.terms import read_prices, terms
from ...messages import Message

V = TypeVar("V")


class Renames(Struct, frozen=True):
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

    def said(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return messages under the new names of the agents that wrote them, which find their own by these."""
        if not any(message.agent in self.states for message in messages):
            return messages
        return tuple([replace(m, agent=None if m.agent is None else self.state(m.agent)) for m in messages])


NO_RENAMES = Renames()


def rebound(definition: Definition, event: Input, renames: Renames = NO_RENAMES) -> Input:
    """Return an input of a run as another version of its machine reads it.

    What the run keeps is all that decides the fold: two workers fold it alike, on whatever models they run it.

    Args:
        definition: the other version.

    Raises StepError: if a price in it is none.
    """
    if isinstance(event, Started):
        return _started(definition, event, renames)
    if event.path:
        return event
    if isinstance(event, Replied) and (event.handoff is not None or event.messages):
        handoff = None if event.handoff is None else renames.handoff(event.handoff)
        return replace(event, handoff=handoff, messages=renames.said(event.messages))
    if isinstance(event, Overspent):
        return replace(event, source=renames.state(event.source))
    return event


def rebound_all(definition: Definition, journal: Iterable[Input], renames: Renames = NO_RENAMES) -> tuple[Input, ...]:
    """Return the journal of a run as another version of its machine reads it.

    Args:
        definition: the other version.

    Raises StepError: if a price in it is none.
    """
    return tuple([rebound(definition, event, renames) for event in journal])


def _started(definition: Definition, first: Started, renames: Renames) -> Started:
    """Return the start of a run on another version: a part that only this one has is moved what this one says.

    A price is only kept of what makes calls; what has none in the journal costs nothing in the books, as ever.
    """
    calling = set(calls_in(definition))
    prices = {place: rate for place, rate in _placed(first.prices, renames).items() if place in calling}
    kept = _placed(first.shares, renames)
    try:
        new = terms({}, shares_of(definition, read_prices(prices))).shares
    except ValueError as error:
        raise StepError(f"run {first.run_id} was not started at prices: {error}") from None
    return replace(
        first,
        digest=definition.digest,
        state=None if first.state is None else renames.state(first.state),
        messages=renames.said(first.messages),
        prices=prices,
        models=_placed(first.models, renames),
        shares={place: kept.get(place, share) for place, share in new.items()},
    )


def _placed(by_place: Mapping[str, V], renames: Renames) -> dict[str, V]:
    return {renames.place(place): value for place, value in by_place.items()}


def calls_in(definition: Definition) -> Iterator[str]:
    """Yield the place of each state whose agent makes calls, at every depth."""
    yield from (name for name, state in definition.states.items() if state.spec.calls)
    for place, inside in machines_in(definition):
        yield from (f"{place}.{name}" for name, state in inside.states.items() if state.spec.calls)
