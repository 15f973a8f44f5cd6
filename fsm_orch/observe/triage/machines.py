"""What a definition says of the hops of its runs: where a handoff is declared, and what bounds a circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...define.definition import Definition
from ...define.states import Handoff
from ...define.worst import machines_in
from ...kernel.hop import Hop
from .runs import Machine


def by_digest(definition: Definition) -> dict[str, Definition]:
    """Return a definition and those of all machines inside it, by their digests."""
    inner = {inside.digest: inside for _, inside in machines_in(definition)}
    return {**inner, definition.digest: definition}


class Known:
    """Definitions that were given, by their digests."""

    def __init__(self, given: Mapping[str, Definition]) -> None:
        self._given = given

    def of(self, machine: Machine) -> Definition | None:
        """Return the definition of a machine; of one whose first line was not read, the only one that it may be."""
        if machine.digest:
            return self._given.get(machine.digest)
        alike = [definition for definition in self._given.values() if machine.name in ("", definition.name)]
        return alike[0] if len(alike) == 1 else None


def edge_of(definition: Definition, hop: Hop) -> Handoff | None:
    """Return the handoff that a hop took; None if there is none like it."""
    return next(
        (
            handoff
            for source, handoff in definition.edges
            if (source, handoff.name, handoff.target.name) == (hop.source, hop.handoff, hop.target)
        ),
        None,
    )


def most_laps(definition: Definition, lap: Sequence[Hop]) -> int:
    """Return how often a run may go round a circle at most, by the visits of its states and by its hops.

    A run is in the state in which it enters the circle once more than it goes round. One hop is kept for landing.
    """
    hops = definition.limits.hops
    visits = [definition.states[hop.source].max_visits or hops for hop in lap]
    inside = {hop.source for hop in lap}
    entered = {*definition.starts}.union(
        *(targets for source, targets in definition.successors.items() if source not in inside)
    )
    most = max(
        (
            min([*visits[:first], visits[first] - 1, *visits[first + 1 :]])
            for first, hop in enumerate(lap)
            if hop.source in entered
        ),
        default=0,
    )
    return min(most, (hops - 1) // len(lap))
