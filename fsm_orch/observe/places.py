"""Where records were made: the places of their states in the tree of machines, told from the records themselves."""

from __future__ import annotations

from collections import Counter, OrderedDict

from ..define.definition import Definition
from ..kernel.effects import Path
from ..kernel.records import Asked, Stamp

UNKNOWN = "unknown"
"""The place of a state that several machines of the tree have, in a run whose beginning was not seen here."""

_MOST_RUNS = 10_000
"""Runs whose parts are remembered: those that wait go on elsewhere, perhaps, and nobody tells of their end here."""


class Places:
    """Where the parts of runs stand in the tree of one machine.

    A record says by number which ask runs its machine, and `Asked` says which part that is. Of a run that was taken
    over, whose `Asked` another process has seen, a state is known by its name and depth, if the tree has one such.
    """

    def __init__(self, definition: Definition) -> None:
        self._parts = OrderedDict[str, dict[Path, str]]()
        names = [(place.count("."), place.rpartition(".")[2]) for place in definition.places]
        once = Counter(names)
        self._only = {name: place for name, place in zip(names, definition.places, strict=True) if once[name] == 1}

    def note(self, record: Asked, place: str) -> None:
        """Note which parts a state at some place runs."""
        parts = {wanted.ask: wanted.name for wanted in record.asks if wanted.kind == "part"}
        if not parts:
            return
        stamp = record.stamp
        held = self._parts.setdefault(_root(stamp), {})
        held |= {(*stamp.path, ask): f"{place}.{name}." for ask, name in parts.items()}
        if len(self._parts) > _MOST_RUNS:
            self._parts.popitem(last=False)

    def forget(self, run_id: str) -> None:
        """Forget a run that has ended."""
        self._parts.pop(run_id, None)

    def of(self, stamp: Stamp, state: str) -> str:
        """Return the place of a state of the machine that a record is about."""
        path = stamp.path
        if not path:
            return state
        inside = self._parts.get(_root(stamp), {}).get(path)
        if inside is not None:
            return inside + state
        return self._only.get((2 * len(path), state), UNKNOWN)


def _root(stamp: Stamp) -> str:
    """Return the id of the run; a machine inside it has `RUN:HOPS.ASK`, with another of these for each level."""
    return stamp.run_id.rsplit(":", len(stamp.path))[0]
