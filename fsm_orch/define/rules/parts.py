"""Rules about machines in machines: what crosses fits, what is taken was written, branches and ends come together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import Finding
from .. import codes
from ..context import first_readable, given_fields
from ..crossed import item_of, why_misfit
from ..definition import Definition
from ..graph import shortest_path
from ..parts import Part
from ..states import Final, State
from ..wording import did_you_mean, quoted
from .paths import edges_that_do_not_write

MOST_DEEP = 32
"""Machines that stand inside each other at most. A step goes down and up again, some five frames a level."""


def depth(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each state in which machines stand too deep inside each other."""
    for state in definition.states.values():
        for part in state.spec.parts:
            deep = 1 + part.definition.depth
            if deep > MOST_DEEP:
                yield codes.finding(
                    "FSM138",
                    where=state.where,
                    problem=f"{state.name!r} runs {part.name!r}: {deep} machines would stand inside each other, and "
                    f"{MOST_DEEP} is the most",
                )


def crossings(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field that cannot cross into a part, or out of it; agents of users' own say nothing."""
    for state in definition.states.values():
        for part in state.spec.parts if state.spec.kind in ("nested", "parallel", "map") else ():
            for why, fix in _misfits(definition, state, part):
                yield codes.finding(
                    "FSM136", where=state.where, problem=f"{state.name!r} runs {part.name!r}: {why}", fix=fix
                )


def _misfits(definition: Definition, state: State, part: Part) -> Iterator[tuple[str, str | None]]:
    """Yield what is wrong with what crosses, and what to do; None: what the table says."""
    context = part.definition.context
    known, may_give, around = context.__pydantic_fields__, given_fields(context), definition.context.__pydantic_fields__
    is_each = state.spec.kind == "map"
    for own in (*part.given, *part.taken.values()):
        if own not in known:
            yield f"{context.__name__} has no field {own!r}", f"name one of its fields{did_you_mean(own, known)}"
    for own in [own for own in known if own in part.given and own not in may_give]:
        yield f"{context.__name__}.{own} is not the caller's to set", f"mark it, {own}: Given[...], or do not give it"
    for own in known:
        if known[own].is_required() and own not in part.given:
            yield f"it requires {context.__name__}.{own}, which it is not given", f"give it: give={{...{own}: ...}}"
    for own, ref in part.given.items():
        if own in known and ref.name in around:
            given = around[ref.name].annotation
            held = item_of(given) if own == part.item else given
            yield from _pair(repr(ref), held, f"{context.__name__}.{own}", known[own].annotation)
    for name, own in part.taken.items():
        if own in known and name in around:
            into = around[name].annotation
            taken = f"{definition.context.__name__}.{name}"
            into = item_of(into) if is_each else into
            yield from _pair(f"{context.__name__}.{own}", known[own].annotation, taken, into)


def _pair(source: str, held: Any, target: str, wanted: Any) -> Iterator[tuple[str, str | None]]:
    if held is None or wanted is None:
        yield f"{source if held is None else target} is no tuple of items", "declare it as tuple[..., ...]"
    elif why := why_misfit(held, wanted):
        yield f"{source} holds {why}, which {target} does not", None


def taken(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field that is taken from a part which may end well without having written it."""
    for state in definition.states.values():
        for part in state.spec.parts:
            for own in dict.fromkeys(part.taken.values()):
                path = _path_without(part.definition, own)
                if path is not None:
                    yield codes.finding(
                        "FSM132",
                        where=state.where,
                        problem=f"{state.name!r} takes {own!r} from {part.name!r}, which may end well without having "
                        f"written it: {' -> '.join(path)}",
                        fix=f"write it on that path, set it there, {path[-1]} = Final(sets={{...}}), or do not take it",
                    )


def _path_without(definition: Definition, field: str) -> tuple[str, ...] | None:
    """Return a path to an end other than the fallback on which nobody writes a field; None if there is none."""
    if field not in definition.context.__pydantic_fields__ or field in first_readable(definition.context):
        return None
    ends = {
        name
        for name, final in definition.finals.items()
        if not final.fallback and field not in {ref.name for ref in final.sets}
    }
    return shortest_path(edges_that_do_not_write(definition, field), definition.initial.name, lambda name: name in ends)


def branches(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each field that several branches write, and each join that cannot be kept."""
    for state in definition.states.values():
        join, parts = state.spec.join, state.spec.parts
        if join is None:
            continue
        if not 1 <= join.need <= len(parts):
            yield _join(state, f"join={join.need}, and {len(parts)} branches", f"give a number from 1 to {len(parts)}")
        written = [frozenset(part.taken) for part in parts]
        is_first = join.need == 1 and join.is_race
        if is_first and len(set(written)) > 1:
            each = "; ".join(f"{part.name!r} {quoted(part.taken) or 'nothing'}" for part in parts)
            yield _join(state, f"join='first', and they write different fields: {each}", None)
        for name in sorted(frozenset().union(*written)):
            writers = [part.name for part in parts if name in part.taken]
            if len(writers) > 1 and name not in join.merged and not is_first:
                yield codes.finding(
                    "FSM133",
                    where=state.where,
                    problem=f"the branches {quoted(writers)} of {state.name!r} all write {name!r}",
                    fix=f"say how: merge={{{definition.context.__name__}.{name}: function}}",
                )
        for name in sorted(join.merged):
            if sum(name in one for one in written) < 2:
                yield _join(state, f"merge= names {name!r}, which fewer than two of them write", "leave it out")


def _join(state: State, why: str, fix: str | None) -> Finding:
    return codes.finding("FSM134", where=state.where, problem=f"{state.name!r} has branches with {why}", fix=fix)


def ends(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each end of a part that is none, that is its fallback, or that was left out."""
    for state in definition.states.values():
        for part in state.spec.parts if state.spec.kind == "nested" else ():
            if part.ends:
                for why in _wrong_ends(part):
                    yield codes.finding("FSM135", where=state.where, problem=f"the ends of {state.name!r} {why}")


def _wrong_ends(part: Part) -> Iterator[str]:
    good = {name: final for name, final in part.definition.finals.items() if not final.fallback}
    for end in part.ends:
        if isinstance(end, Final) and part.definition.finals.get(end.name) is not end:
            yield f"name {end!r}, which is not a final state of {part.definition.name}"
        elif end.fallback:
            yield f"name {end!r}, its fallback: a run that ends there has failed"
    for name, final in good.items():
        if not any(end is final for end in part.ends):
            yield f"leave out {name!r}, another good end of {part.definition.name}"
