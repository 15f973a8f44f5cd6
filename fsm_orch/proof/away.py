"""What a run does if an agent is away: nobody may enter its state now, or whoever is in it has failed.

It does so while hops, visits, money and time last; else it lands, as everywhere. All other agents are taken for
available. A machine inside that lands has failed, to the agent around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ..define.definition import Definition
from ..define.states import Handoff, State
from ..define.wording import number_of

_FEW = 3
"""The most exits that are named in a line."""


class Turned(NamedTuple):
    """What a run does in a state with a handoff to one that nobody may enter.

    A model or a human there chooses among what remains. Code that would go there has failed: it takes no other exit.
    """

    source: State
    remain: tuple[Handoff, ...]
    """The other exits of a model, or of a human; one with a guard remains where that holds."""
    edge: Handoff | None
    """The failure edge of code, or of a model that chooses nothing; None: it lands."""
    may_land: bool
    """Whether it may land before it is asked, since no other exit is sure to be left. Then no failure edge is taken."""


class Away(NamedTuple):
    """What a run does if the agent of a state is away."""

    place: str
    """The state: `billing`, or `fly.fares.find` in a machine inside."""
    machine: str
    """The machine that it is a state of."""
    edge: Handoff | None
    """The failure edge of a run that is in it, or starts there; None: it lands."""
    before: tuple[Turned, ...]
    """What a run does that is in a state before it."""


def away(definition: Definition, inside: str = "") -> tuple[Away, ...]:
    """Return what a run does if an agent is away, for each agent in the tree of a machine.

    Args:
        inside: where the machine is in the tree around it, with a dot behind it.
    """
    return tuple(_away(definition, inside))


def _away(definition: Definition, inside: str) -> Iterator[Away]:
    for name, state in definition.states.items():
        before = tuple([_turned(source, state) for source in definition.states.values() if _leads(source, state)])
        yield Away(f"{inside}{name}", definition.name, _edge(state, "failure", state), before)
        for part in state.spec.parts:
            yield from _away(part.definition, f"{inside}{name}.{part.name}.")


def _leads(source: State, state: State) -> bool:
    return any(way.target is state for way in source.exits)


def _turned(source: State, state: State) -> Turned:
    others = tuple([way for way in source.exits if way.target is not state])
    return Turned(
        source=source,
        remain=others if source.spec.proposes else (),
        edge=_edge(source, "refusal", state),
        may_land=all(way.guard is not None for way in others),
    )


def _edge(source: State, kind: Literal["failure", "refusal"], shut: State) -> Handoff | None:
    """Return the failure edge of a state; None if there is none, or it leads to where nobody may enter."""
    edges = source.failure_edges
    edge = edges.get(kind, edges.get("failure"))
    return None if edge is None or edge.target is shut else edge


# --- in words ---


def in_lines(found: Iterable[Away]) -> list[tuple[str, str]]:
    """Return states, and what a run does if the agent of one of them is away; states of which the same is said are one.

    What is not said of a state before it is that the run lands.
    """
    told: dict[str, list[str]] = {}
    for each in found:
        told.setdefault(_in_words(each), []).append(each.place)
    return [(", ".join(places), words) for words, places in told.items()]


def _in_words(found: Away) -> str:
    lands = f"{found.machine} lands" if "." in found.place else "landing"
    own = _way(found.edge, lands)
    before: dict[str, list[str]] = {}
    for turned in found.before:
        before.setdefault(_turned_in_words(turned, lands), []).append(turned.source.name)
    said = [f"from {', '.join(names)}: {words}" for words, names in before.items() if words != own]
    return "; ".join([own, *said])


def _turned_in_words(turned: Turned, lands: str) -> str:
    if turned.remain:
        return _remaining(turned.remain) + (f", else {lands}" if turned.may_land else "")
    if turned.edge is None:
        return lands
    return _way(turned.edge, lands) + (f", or {lands}" if turned.may_land else "")


def _way(edge: Handoff | None, lands: str) -> str:
    return lands if edge is None else f"{edge.target.name} (on {edge.kind})"


def _remaining(exits: tuple[Handoff, ...]) -> str:
    if len(exits) > _FEW:
        return f"{number_of(len(exits), 'other exit')} remain"
    sure = [way.target.name for way in exits if way.guard is None]
    maybe = [way.target.name for way in exits if way.guard is not None]
    said = [f"{', '.join(sure)} {'remains' if len(sure) == 1 else 'remain'}"] if sure else []
    return ", ".join([*said, *([f"{', '.join(maybe)} may remain"] if maybe else [])])
