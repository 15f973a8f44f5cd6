"""Rules about states and final states: one start, one fallback, each in one machine, bounds that make sense."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...errors import Finding
from .. import codes
from ..agent_spec import HasSpec
from ..callables import is_awaited
from ..definition import Definition
from ..wording import counted, quoted


def initial_state(definition: Definition) -> Iterator[Finding]:
    """Yield a finding unless exactly one state is the initial one."""
    initials = [name for name, state in definition.states.items() if state.initial]
    if len(initials) != 1:
        yield codes.finding(
            "FSM101",
            where=definition.where,
            problem=f"{counted(initials, 'initial state')} in {definition.name}",
            fix=f"mark one of {quoted(definition.states)}" if definition.states else "declare a State",
        )


def fallback(definition: Definition) -> Iterator[Finding]:
    """Yield a finding unless exactly one final state is the fallback, and no other stands in for it."""
    fallbacks = [name for name, final in definition.finals.items() if final.fallback]
    if len(fallbacks) != 1:
        yield codes.finding(
            "FSM102",
            where=definition.where,
            problem=f"{counted(fallbacks, 'fallback')} in {definition.name}",
        )


def owners(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each state, final state or handoff that is not this class's alone, under one name."""
    own = {id(part) for part in (*definition.states.values(), *definition.finals.values())}
    for part in dict.fromkeys((*definition.states.values(), *definition.finals.values(), *definition.handoffs)):
        if len(part.owners) > 1:
            yield codes.finding(
                "FSM118",
                where=part.where,
                problem=f"one {type(part).__name__} under several names: {', '.join(part.owners)}",
                fix="declare a part for each name",
            )
    for handoff in definition.handoffs:
        for part in dict.fromkeys((*handoff.sources, handoff.target)):
            if id(part) in own:
                continue
            yield codes.finding(
                "FSM118",
                where=handoff.where,
                problem=f"handoff {handoff.name!r} joins {part!r}, which is not an attribute of {definition.name}",
                fix="assign it to an attribute of this class",
            )


def bounds(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each number of a state that is out of its range."""
    for state in definition.states.values():
        visits, timeout, attempts = state.max_visits, state.timeout_s, state.spec.attempts
        expiry = state.expires_s
        given = [number for number in (visits, attempts, state.spec.calls or None) if number is not None]
        too_few = not all(map(_is_count, given))
        too_short = any(seconds is not None and not 0 < seconds < math.inf for seconds in (timeout, expiry))
        if too_few or too_short:
            yield codes.finding(
                "FSM123",
                where=state.where,
                problem=f"{state.name!r} has max_visits={visits!r}, timeout_s={timeout!r}, attempts={attempts!r}"
                + (f", calls={state.spec.calls!r}" if state.spec.calls and not _is_count(state.spec.calls) else "")
                + (f", expires_s={expiry!r}" if expiry is not None else ""),
            )


def awaited_calls(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each plain function that declares calls, which it could not wait for."""
    for state in definition.states.values():
        if _is_count(state.spec.calls) and not isinstance(state.agent, HasSpec) and not is_awaited(state.agent):
            yield codes.finding(
                "FSM125",
                where=state.where,
                problem=f"{state.name!r} declares calls={state.spec.calls} for {state.spec.name}, a plain def, at "
                f"{state.spec.where}",
                fix=f"write async def {state.spec.name}(visit), or leave calls out",
            )


def _is_count(number: object) -> bool:
    return type(number) is int and number >= 1
