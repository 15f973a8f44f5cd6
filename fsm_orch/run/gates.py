"""The gates of a runner: which stand where in the tree of its machine, and which states are shut now."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from ..define.definition import Definition
from ..define.wording import kind_of
from ..errors import StartError
from ..kernel.tree import Level
from ..observe.load import GateLoad
from ..reported import report
from ..resilience.gate import Gate


class Gates:
    """The gates in the tree of a machine, each by the place of its state: `billing`, or `fly.fares.find` in a part."""

    def __init__(self, by_place: Mapping[str, Gate]) -> None:
        self._by_place = by_place

    def shut(self) -> frozenset[str]:
        """Return the places that nobody may enter now."""
        return frozenset([place for place, gate in self._by_place.items() if _is_shut(place, gate)])

    def loads(self) -> dict[str, GateLoad]:
        """Return how it stands at each gate, by its place."""
        shut = self.shut()
        return {place: GateLoad(place in shut, gate.waiting) for place, gate in self._by_place.items()}

    def at(self, levels: tuple[Level, ...], state: str) -> Gate | None:
        """Return the gate before a state of the last of some levels, the run first; None if there is none."""
        inside = [f"{above.now.state}.{below.part}" for above, below in pairwise(levels)]
        return self._by_place.get(".".join([*inside, state]))


def gates_of(definition: Definition, given: object) -> Gates | None:
    """Return the gates of a machine; None if none are given.

    Args:
        given: gates by state, or by the agent itself where a state is made of it, as in branches.

    Raises StartError: if a key is no state of the tree, and no agent in it.
    Raises TypeError: if it is no mapping of gates.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"gates= takes gates by state, not {kind_of(given)}: gates={{Shop.router: Gate(at_once=8)}}")
    found: dict[str, Gate] = {}
    for key, gate in given.items():
        if not isinstance(gate, Gate):
            raise TypeError(f"gates= has {kind_of(gate)} for {key!r}: give a Gate, such as Gate(at_once=8)")
        places = [place for place, state in definition.places.items() if key is state or key is state.agent]
        if not places:
            raise StartError(
                f"gates= has one for {key!r}, which is no state of {definition.name}, and no agent in it: name states "
                f"as attributes, gates={{{definition.name}.{definition.initial.name}: Gate(at_once=8)}}"
            )
        found |= dict.fromkeys(places, gate)
    return Gates(found) if found else None


def _is_shut(place: str, gate: Gate) -> bool:
    try:
        return bool(gate.is_shut)  # in here: what it says may be any object
    except Exception as error:  # of a user's own pace, place or breaker: it must not end the runs that it is to protect
        report("the gate of %r does not say whether it is shut: %s", place, type(error).__name__)
        return False
