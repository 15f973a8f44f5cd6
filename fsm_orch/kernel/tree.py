"""The tree of machines of a run: each level is a configuration in the visit of the one above it."""

from __future__ import annotations

from typing import NamedTuple

from .asks import clock, part_of
from .configuration import Configuration
from .effects import Path
from .engine import CompiledMachine


class Level(NamedTuple):
    """A machine of the tree, and where it stands."""

    compiled: CompiledMachine
    now: Configuration
    behind: float
    """By how many seconds its time is behind that of the run, as long as it does not wait for a human."""


def levels(compiled: CompiledMachine, now: Configuration, path: Path) -> tuple[Level, ...]:
    """Return the machines on a path from the run down, as far as they live; the run itself comes first."""
    found = [Level(compiled, now, 0.0)]
    for number in path:
        above = found[-1]
        ask = None if above.now.visit is None else above.now.visit.asks.get(number)
        if ask is None or ask.child is None:
            break
        _, since = clock(above.now, ask, ask.child)
        found.append(Level(part_of(above.compiled, above.now, ask).compiled, ask.child, above.behind + since))
    return tuple(found)
