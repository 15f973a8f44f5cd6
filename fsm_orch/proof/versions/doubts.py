"""What both versions are asked before any run of them is played: what a start loses, and what is not played.

The explorer leaves out what makes no difference to one machine: what was spent, and when. Between two it may. Where it
may, nothing is called continued: such a *doubt* stays with every run that has been in that state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...define.context import Context, starting_fields
from ...define.definition import Definition
from ...define.dialect import dialect_of
from ...define.guards import Guard
from ...define.states import Final
from ...kernel.engine import CompiledMachine, CompiledState
from ..explore.validation import UNCLEAR, default_of, has_validators
from .rebinding import Renames


def lost_at_start(old: type[Context], new: type[Context]) -> str | None:
    """Return why the new version cannot begin on what a run of the old one began with; None if it can."""
    if old is new:
        return None
    return next(_lost(old, new), None)


def _lost(old: type[Context], new: type[Context]) -> Iterator[str]:
    given, known, may_come = starting_fields(old).journaled, old.__pydantic_fields__, starting_fields(new).given
    for name, field in new.__pydantic_fields__.items():
        if field.is_required() and name not in known:
            yield f"its context does not fit: {name}: Field required"
        elif field.is_required() and not known[name].is_required():
            yield f"its context does not fit where it was begun without {name}: Field required"
    for name in known:
        if name in given and name not in new.__pydantic_fields__:
            yield f"its context does not fit: {name}: it has no such field any more"
        elif name in given and name not in may_come:
            yield f"its context does not fit: {name}: only agents write it now"
        elif name in new.__pydantic_fields__ and not _is_same_default(old, new, name):
            yield f"{name} begins with another default"


def _is_same_default(old: type[Context], new: type[Context], name: str) -> bool:
    one, other = old.__pydantic_fields__[name], new.__pydantic_fields__[name]
    if one.is_required() or other.is_required():
        return True
    if one.default_factory is not None or other.default_factory is not None:
        return one.default_factory is other.default_factory
    mine, theirs = default_of(old, name), default_of(new, name)
    return mine is not UNCLEAR and bool(type(mine) is type(theirs) and mine == theirs)


def fits(old: type[Context], new: type[Context]) -> str | None:
    """Return which values of the old context may not be ones of the new; None if all are."""
    if old is new:
        return None
    if has_validators(old) or has_validators(new):
        return f"the validators of {new.__name__} may refuse, or change, what those of the old version did not"
    if _settings(old) != _settings(new):
        return f"the settings of {new.__name__} are others now, which may refuse a value, or change it"
    both = [name for name in old.__pydantic_fields__ if name in new.__pydantic_fields__]
    changed = [name for name in both if _is_other(old, new, name)]
    return f"{', '.join(changed)}: of another type now, which may refuse a value" if changed else None


def _settings(context: type[Context]) -> object:
    """Return all that is said of a context besides its fields."""
    told = dialect_of(context)
    return {key: value for key, value in told["types"][told["name"]].items() if key != "fields"}


def _is_other(old: type[Context], new: type[Context], name: str) -> bool:
    one, other = old.__pydantic_fields__[name], new.__pydantic_fields__[name]
    if one.rebuild_annotation() == other.rebuild_annotation():
        return False
    alone = [_dialect(context, name) for context in (old, new)]
    return alone[0] != alone[1]


def _dialect(context: type[Context], name: str) -> object:
    told = dialect_of(context)
    own = next(field for field in told["types"][told["name"]]["fields"] if field["name"] == name)
    what = {key: value for key, value in own.items() if key not in ("default", "required", "mark")}
    return what, {key: value for key, value in told["types"].items() if key != told["name"]}


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
