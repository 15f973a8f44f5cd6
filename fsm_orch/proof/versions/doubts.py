"""What is not played of two versions: a *doubt* stays with every run that may have come by it.

The explorer leaves out what makes no difference to one machine: what was spent, when, and which states were shut.
Between two it may, and where it may, nothing is called continued.

Gates are not played, in either version: a gate is a runner's, so any state may be shut at any time. What a run does
then, a run without gates does too, if a reply that was refused as shut says nonsense, and a machine that landed where
all was shut is cancelled (`tests/property/test_shut_doors.py`). That is one run for both versions if they refuse the
same replies, and land in the same places. They refuse the same: a handoff that leads elsewhere in one is lost already,
where it is played. Where they land is for the exits of a state to say: see `landings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import Final
from ...kernel.engine import CompiledMachine, CompiledState
from ...kernel.renames import NO_RENAMES, Renames


def doubts(old: CompiledMachine, new: CompiledMachine, renames: Renames, *, may_run_out: bool) -> Mapping[str, str]:
    """Return, by state of the old version, what of its visits is not played.

    Args:
        may_run_out: whether the ledger may deny something in some run, of either version.
    """
    both = dict(_in_both(old, new, renames))
    dear = {
        name: f"entering {name!r} reserves another sum now, which a run that has spent much may not have"
        for name, (state, other) in both.items()
        if may_run_out and state.grant != other.grant
    }
    slow = {
        name: f"a visit of {name!r} has {other.visit_s:g} s now, and had {state.visit_s:g}"
        for name, (state, other) in both.items()
        if _time(state) != _time(other)
    }
    # what its exits reserve decides what is legal in a state
    near = {name: dear[at] for name in old.states for at in (*old.definition.successors[name], name) if at in dear}
    return {**near, **slow}


def landings(
    old: CompiledMachine,
    new: CompiledMachine,
    renames: Renames,
    alias: Mapping[Guard[Any], Guard[Any]],
    *,
    is_inside: bool,
) -> Mapping[str, str]:
    """Return, by state of the old version, why a run may land there in one version alone.

    Args:
        alias: leaves of guards of the new version, with those of the old one that answer alike.
        is_inside: whether it runs in a visit of another, to which its end is not all the same.
    """
    return {
        name: f"{name!r} has other exits now, and a run lands there that can enter nothing behind them"
        for name, (state, other) in _in_both(old, new, renames)
        if _may_land(old=_ways(state, renames, {}), new=_ways(other, NO_RENAMES, alias), is_inside=is_inside)
    }


def _in_both(
    old: CompiledMachine, new: CompiledMachine, renames: Renames
) -> Iterator[tuple[str, tuple[CompiledState, CompiledState]]]:
    for name, state in old.states.items():
        if renames.state(name) in new.states:
            yield name, (state, new.states[renames.state(name)])


class _Ways(NamedTuple):
    """The exits of a state, as two versions can be compared by them."""

    open: frozenset[object]
    """The target of each under its new name, with its guard."""
    always: bool
    """Whether one of them always stays open: it leads to an end, and has no guard."""


def _ways(state: CompiledState, renames: Renames, alias: Mapping[Guard[Any], Guard[Any]]) -> _Ways:
    return _Ways(
        frozenset((renames.state(way.target.name), _closed_by(state, way.guard, alias)) for way in state.exits),
        any(isinstance(way.target, Final) and way.guard is None for way in state.exits),
    )


def _may_land(*, old: _Ways, new: _Ways, is_inside: bool) -> bool:
    """Return whether a run may land in a state in one version alone, for what gates or the ledger close.

    It lands where all exits are closed. A run that has ended in the old version strands nobody, so an exit that is
    added does no harm; but the machine around a part goes on.
    """
    lands_in_new = not new.always and not old.open <= new.open
    return lands_in_new or (is_inside and not old.always and not new.open <= old.open)


def _closed_by(state: CompiledState, guard: Guard[Any] | None, alias: Mapping[Guard[Any], Guard[Any]]) -> object:
    # a guard that reads what the agent has yet to write closes nothing, so what that is counts too
    return None if guard is None else (_told(guard, alias), state.spec.written_names)


def _told(guard: Guard[Any], alias: Mapping[Guard[Any], Guard[Any]]) -> object:
    """Return a guard as something that equals that of another version if it answers as that does."""
    if guard.connective is None:
        return alias.get(guard, guard)
    return guard.connective, tuple([_told(part, alias) for part in guard.parts])


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
