"""Whether a run could stand in a new version of its machine as it is, though that one would not have led it there.

That is what a snapshot of it would need. It proves nothing: see "When a machine changes" in the docs. It tells runs
that somebody could think about from those of which nothing is left in the new version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ...define.changes import validated
from ...define.context import first_readable
from ...define.definition import Definition
from ...define.states import Final, State
from ...define.wording import number_of
from ...errors import ContextError
from ...kernel.configuration import Configuration
from ...kernel.renames import NO_RENAMES, Renames
from ...kernel.requests import AskHuman, RunPart, UseTool
from .trail import Trail, fields_for


def why_not(
    now: Configuration, trail: Trail, new: Definition, renames: Renames = NO_RENAMES, *, is_explored: bool = False
) -> str | None:
    """Return why a run cannot stand in another version of its machine as it is; None if it can.

    Args:
        now: where it stands in the old version.
        trail: of the run.
        is_explored: whether its context is abstract, and its parts are summaries: then these are not looked into.
    """
    reasons = _where(now, trail, new, renames, "") if is_explored else _reasons(now, trail, new, renames, "")
    return next(reasons, None)


def _reasons(now: Configuration, trail: Trail, new: Definition, renames: Renames, place: str) -> Iterator[str]:
    inside = f" in part {place!r}" if place else ""
    if renames.state(now.state) in new.states:
        try:
            validated(new.context, fields_for(new, now.context))
        except ContextError as error:
            yield f"its context does not fit{inside}: {error}"
    yield from _where(now, trail, new, renames, place)
    assert now.visit is not None  # it has not finished
    for ask in now.visit.asks.values():
        part = ask.request.part if isinstance(ask.request, RunPart) else ""
        found = [each.definition for each in new.states[renames.state(now.state)].spec.parts if each.name == part]
        if ask.child is not None and found:
            at = f"{place}.{now.state}.{part}".removeprefix(".")
            yield from _reasons(ask.child, trail, found[0], NO_RENAMES, at)


def _where(now: Configuration, trail: Trail, new: Definition, renames: Renames, place: str) -> Iterator[str]:
    """Yield what is gone of where a machine stands, but for its context, and for the machines inside it."""
    inside, name = f" in part {place!r}" if place else "", renames.state(now.state)
    state = new.states.get(name)
    if state is None:
        yield f"state {now.state!r} is gone{inside}"
        return
    missing = needed(new)[name] - first_readable(new.context) - trail[now.run_id].written
    if missing:
        yield f"{name!r}, or what follows it, reads {', '.join(sorted(missing))}, which nobody wrote{inside}"
    for visited, times in now.visits.items():
        most = new.states[own].max_visits if (own := renames.state(visited)) in new.states else None
        if most is not None and times > most:
            yield f"{own!r} was visited {number_of(times, 'time')}, and it allows {most}{inside}"
    if place and now.hops + 1 > new.limits.hops:  # the run itself keeps its own limits
        yield f"it took {number_of(now.hops, 'hop')}, and {new.limits.hops} are allowed{inside}"
    yield from _in_visit(now, state, place)


def _in_visit(now: Configuration, state: State, place: str) -> Iterator[str]:
    """Yield what of the visit that is under way cannot be in the new version."""
    visit, spec, inside = now.visit, state.spec, f" in part {place!r}" if place else ""
    assert visit is not None  # it has not finished
    if visit.calls > spec.calls:
        yield f"{state.name!r} made {number_of(visit.calls, 'call')} in a visit, and it allows {spec.calls}{inside}"
    if len(visit.asks) > spec.asks:
        yield f"{state.name!r} asked {number_of(len(visit.asks), 'time')} in a visit, and it allows {spec.asks}{inside}"
    parts, tools = {part.name: part for part in spec.parts}, {tool.name for tool in spec.tools}
    runs = Counter(ask.request.part for ask in visit.asks.values() if isinstance(ask.request, RunPart))
    for part, times in runs.items():
        if part in parts and times > parts[part].most:
            yield f"{state.name!r} ran {part!r} {number_of(times, 'time')} in a visit, of {parts[part].most}{inside}"
    for ask in visit.asks.values():
        if not ask.is_open:
            continue
        match ask.request:
            case UseTool(name=name) if name not in tools:
                yield f"{state.name!r} waits for tool {name!r}, which is gone{inside}"
            case RunPart(part=part) if part not in parts:
                yield f"{state.name!r} runs part {part!r}, which is gone{inside}"
            case AskHuman() if not spec.asks_human:
                yield f"{state.name!r} waits for a human, and asks none any more{inside}"
            case _:
                pass


def needed(definition: Definition) -> Mapping[str, frozenset[str]]:
    """Return, for each state, the fields that some way on from it reads before it is sure to write them."""
    found: dict[str, frozenset[str]] = {}
    onward = {name: state.spec.read_names for name, state in definition.states.items()}
    # What follows needs is added until nothing changes. Fields are never taken away again, so this ends.
    while onward != found:
        found = onward
        onward = {name: state.spec.read_names | _after(state, found) for name, state in definition.states.items()}
    return found


def _after(state: State, found: Mapping[str, frozenset[str]]) -> frozenset[str]:
    needs = frozenset[str]()
    for handoff in state.handoffs:
        if isinstance(handoff.target, Final):
            continue
        # a failure edge leaves with the context of entry
        written = state.spec.sure_names if handoff.kind == "handoff" else frozenset[str]()
        needs |= found[handoff.target.name] - written
    return needs
