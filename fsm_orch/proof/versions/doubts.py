"""What is not played of two versions: a *doubt* stays with every run that may have come by it.

The explorer leaves out what makes no difference to one machine: what was spent, and when. Between two it may, and
where it may, nothing is called continued.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import Final
from ...kernel.engine import CompiledMachine, CompiledState
from ...kernel.renames import Renames


def doubts(
    old: CompiledMachine,
    new: CompiledMachine,
    renames: Renames,
    alias: Mapping[Guard[Any], Guard[Any]],
    *,
    may_run_out: bool,
) -> Mapping[str, str]:
    """Return, by state of the old version, what of its visits, or of its exits, is not played.

    Args:
        alias: leaves of guards of the new version, with those of the old one that answer alike.
        may_run_out: whether the ledger may deny something in some run, of either version.
    """
    both = {
        name: (state, new.states[renames.state(name)])
        for name, state in old.states.items()
        if renames.state(name) in new.states
    }
    dear = {name: why for name, pair in both.items() if may_run_out and (why := _if_short(*pair, renames, alias))}
    slow = {
        name: f"a visit of {name!r} has {other.visit_s:g} s now, and had {state.visit_s:g}"
        for name, (state, other) in both.items()
        if _time(state) != _time(other)
    }
    # what its exits reserve decides what is legal in a state
    near = {name: dear[at] for name in old.states for at in (*old.definition.successors[name], name) if at in dear}
    return {**near, **slow}


def _if_short(
    mine: CompiledState, theirs: CompiledState, renames: Renames, alias: Mapping[Guard[Any], Guard[Any]]
) -> str | None:
    """Return what a state may do otherwise to a run that has little left; None if nothing."""
    if mine.grant != theirs.grant:
        return f"entering {mine.name!r} reserves another sum now, which a run that has spent much may not have"
    ways = {(renames.state(h.target.name), _told(h.guard, {})) for h in mine.exits}
    if ways != {(h.target.name, _told(h.guard, alias)) for h in theirs.exits} and not (_ends(mine) and _ends(theirs)):
        return f"{mine.name!r} has other exits now, and a run that has spent much lands there if it can pay for none"
    return None


def _told(guard: Guard[Any] | None, alias: Mapping[Guard[Any], Guard[Any]]) -> object:
    """Return a guard as something that equals that of another version if it answers as that does."""
    if guard is None:
        return None
    if guard.connective is None:
        return alias.get(guard, guard)
    return guard.connective, tuple([_told(part, alias) for part in guard.parts])


def _ends(state: CompiledState) -> bool:
    """Return whether a run can always end from a state, whatever it has left."""
    return any(isinstance(handoff.target, Final) and handoff.guard is None for handoff in state.exits)


def _time(state: CompiledState) -> tuple[float, bool]:
    return state.visit_s, state.may_time_out


def parts_of(
    definition: Definition, new: Definition, renames: Renames
) -> Iterator[tuple[str, str, Definition, Definition]]:
    """Yield each part that both have, by its state and name in the old version, with what it is in both."""
    for name, state in definition.states.items():
        other = new.states.get(renames.state(name))
        theirs = {} if other is None else {part.name: part.definition for part in other.spec.parts}
        for part in state.spec.parts:
            if part.name in theirs:
                yield name, part.name, part.definition, theirs[part.name]
