"""What both versions are asked before any run of them is played: what a start loses, and what is not played.

The explorer leaves out what makes no difference to one machine: what was spent, and when. Between two it may. Where it
may, nothing is called continued: such a *doubt* stays with every run that has been in that state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...define.context import Context, starting_fields
from ...define.definition import Definition
from ...define.dialect import dialect_of
from ...kernel.engine import CompiledMachine
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
    both = [name for name in old.__pydantic_fields__ if name in new.__pydantic_fields__]
    changed = [name for name in both if _is_other(old, new, name)]
    return f"{', '.join(changed)}: of another type now, which may refuse a value" if changed else None


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


def doubts(old: CompiledMachine, new: CompiledMachine, renames: Renames, *, may_run_out: bool) -> Mapping[str, str]:
    """Return, by state of the old version, what of its visits, or of its exits, is not played.

    Args:
        may_run_out: whether the ledger may deny something in some run, of either version.
    """
    dear = {
        name: f"entering {name!r} reserves another sum now, which a run that has spent much may not have"
        for name, state in old.states.items()
        if may_run_out and (other := new.states.get(renames.state(name))) and state.grant != other.grant
    }
    slow = {
        name: f"a visit of {name!r} has {other.visit_s:g} s now, and had {state.visit_s:g}"
        for name, state in old.states.items()
        if (other := new.states.get(renames.state(name))) and _time(old, name) != _time(new, other.name)
    }
    # what its exits reserve decides what is legal in a state
    near = {name: dear[at] for name in old.states for at in (*old.definition.successors[name], name) if at in dear}
    return {**near, **slow}


def _time(compiled: CompiledMachine, name: str) -> tuple[float, bool]:
    state = compiled.states[name]
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
