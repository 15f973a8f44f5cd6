"""The tree of machines of a run: each level is a configuration in the visit of the one above it."""

from __future__ import annotations

from typing import NamedTuple

from .asks import clock
from .configuration import Configuration
from .effects import Path
from .engine import CompiledMachine
from .requests import RunPart


class Level(NamedTuple):
    """A machine of the tree, and where it stands."""

    compiled: CompiledMachine
    now: Configuration
    part: str
    """Its name in the machine above it; empty for the run itself."""
    behind: float
    """By how many seconds its time is behind that of the run, as long as it does not wait for a human."""


def machine_at(now: Configuration, path: Path) -> Configuration | None:
    """Return where the machine at the end of a path stands; None if it is gone."""
    for number in path:
        ask = None if now.visit is None else now.visit.asks.get(number)
        if ask is None or ask.child is None:
            return None
        now = ask.child
    return now


def levels(compiled: CompiledMachine, now: Configuration, path: Path) -> tuple[Level, ...]:
    """Return the machines on a path from the run down, as far as they live; the run itself comes first."""
    behind, found = 0.0, [Level(compiled, now, "", 0.0)]
    for number in path:
        ask = None if now.visit is None else now.visit.asks.get(number)
        if ask is None or ask.child is None:
            break
        assert isinstance(ask.request, RunPart)
        part = ask.request.part
        behind += clock(now, ask, ask.child)[1]
        compiled, now = compiled.parts[now.state][part].compiled, ask.child
        found.append(Level(compiled, now, part, behind))
    return tuple(found)
