"""Rounds: an agent asks for tools, parts or a human, and acts again, with the results, when the round is over.

ask    -> checked like a reply, and against what the agent declares; then all shares are moved in one step
answer -> of a tool or a human; a part answers by its end, in the very step in which it ends
go_on  -> of a round that is over, what is open is ended; then the agent is due again, the visit fails, or the run lands
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ..amounts import NOTHING
from ..define.changes import fields_set_early, validated, why_early
from ..define.context import Context
from ..errors import ContextError, StepError
from . import asks, inputs, records
from .attempts import end_attempt, fail_if_late, land_if_over, refuse
from .begin import begin_part
from .configuration import Ask, RoundLog
from .course import Course
from .engine import CompiledPart
from .ledger import Ledger
from .legal import why_unpaid
from .reasons import AskEnd, Refusal
from .requests import AskHuman, Request, RunPart, UseTool


class _Start(NamedTuple):
    """A part that can be run, and what it starts with."""

    part: CompiledPart
    context: Context


def ask(course: Course, event: inputs.Asked) -> None:
    """Begin a round, if its agent declares it and all its shares can be paid; else the visit has failed."""
    # Checked like a reply. That charges what the attempt left open, and gives back the grant: shares that were reserved
    # on entry are moved to the parts now.
    if land_if_over(course) or fail_if_late(course):
        return
    misfit = _misfit(course, event)
    starts = _starts(course, event.requests) if misfit is None else misfit
    if isinstance(starts, Refusal):
        refuse(course, None, starts)
        return
    # together, before the first is moved: of a round that cannot be paid nothing has begun
    if why := why_unpaid(course.compiled, course.now, event.requests):
        end_attempt(course, "denied", why)
        return
    _begin(course, event, starts)
    go_on(course)


def _misfit(course: Course, event: inputs.Asked) -> Refusal | None:
    """Return why a round is none that the agent declares; None if it is."""
    spec, visit, total = course.own.spec, course.visit, len(event.requests)
    if total == 0 and (spec.kind != "map" or visit.is_answered):
        return _undeclared("nothing is asked for: ask for something, or reply")
    if event.need > total or (event.is_race and event.need == 0 < total):
        return _undeclared(f"{event.need} of {total} requests cannot be what must succeed")
    wanted = [_named(request) for request in event.requests]
    known = _known(course)
    for kind, name in wanted:
        if (kind, name) not in known:
            # cut to the length of a real name: a model may have made it up, and this is quoted in its next prompt
            return _undeclared(f"{kind} {name[:64]!r} is not declared here")
    asked = len(visit.asks) + total
    if asked > spec.asks:
        return _undeclared(f"it would be {asked} requests in this visit, and {spec.asks} is the most")
    if course.parts:
        runs = Counter([*map(_named, (each.request for each in visit.asks.values())), *wanted])
        for name, part in course.parts.items():
            run = runs["part", name]
            if run > part.most:
                return _undeclared(f"{name!r} would run {run} times in this visit, and {part.most} is the most")
    return None


def _undeclared(detail: str) -> Refusal:
    return Refusal("undeclared_ask", detail)


def _known(course: Course) -> set[tuple[str, str]]:
    """Return the kind and the name of all that the agent may ask for."""
    tools, parts = (("tool", name) for name in course.own.tools), (("part", name) for name in course.parts)
    return {*tools, *parts, *([("human", "")] if course.own.spec.asks_human else [])}


def _named(request: Request) -> tuple[records.RequestKind, str]:
    """Return what is asked for, a tool, a part or a human, and its name."""
    match request:
        case UseTool(name=name):
            return "tool", name
        case RunPart(part=part):
            return "part", part
        case AskHuman():
            return "human", ""


def _starts(course: Course, requests: Sequence[Request]) -> list[_Start | None] | Refusal:
    """Return how each part starts, None for what is no part; or why one cannot start."""
    starts: list[_Start | None] = []
    for request in requests:
        start = _start(course, request) if isinstance(request, RunPart) else None
        if isinstance(start, Refusal):
            return start
        starts.append(start)
    return starts


def _start(course: Course, request: RunPart) -> _Start | Refusal:
    part = course.parts[request.part]
    context_type = part.compiled.definition.context
    try:
        context = validated(context_type, request.context, told=course.own.spec.proposes)
    except ContextError as error:
        return Refusal("wrong_type", f"{request.part!r} cannot start on this: {error}")
    if set_early := fields_set_early(context):
        why = why_early(context_type, set_early)
        return Refusal("wrong_type", f"{request.part!r} cannot start with {', '.join(set_early)} set: {why}")
    return _Start(part, context)


def _begin(course: Course, event: inputs.Asked, starts: Sequence[_Start | None]) -> None:
    """Move all shares in one step, and begin what is asked for."""
    now, visit, first = course.now, course.visit, len(course.visit.asks) + 1
    begun = [_begun(course, request, start) for request, start in zip(event.requests, starts, strict=True)]
    log = RoundLog(
        first=first,
        total=len(begun),
        need=event.need,
        is_race=event.is_race,
        expires_at=event.expires_at,
        waiting=sum(each.is_asking_human for each in begun),
    )
    ledger, given = now.ledger, list[Ledger | None]()
    for start in starts:
        own = None
        if start is not None:
            ledger, own = ledger.split(start.part.share, is_cost_limited=start.part.is_cost_limited)
        given.append(own)
    is_answered = visit.is_answered or not begun  # an empty map has nothing to wait for
    course.now = replace(
        now, ledger=ledger, visit=replace(visit, asks=visit.asks.add(begun), round=log, is_answered=is_answered)
    )
    wanted = tuple(
        [records.Wanted(number, *_named(each.request), each.is_gated) for number, each in enumerate(begun, first)]
    )
    course.records.append(records.Asked(stamp=course.stamp, asks=wanted, need=event.need, is_race=event.is_race))
    for number, (start, own) in enumerate(zip(starts, given, strict=True), first):
        if start is not None and own is not None:
            made = begin_part(course.now, number, start.part.compiled, start.context, own)
            course.records += made.records
            # one in which nothing was legal has ended already, and gives its share back
            own_ask, child = course.visit.asks[number], made.configuration
            course.book(asks.keep(course.compiled, course.now, number, child, ask=own_ask, since=now.at))


def _begun(course: Course, request: Request, start: _Start | None) -> Ask:
    is_gated = isinstance(request, UseTool) and course.own.tools[request.name].approval
    share = NOTHING if start is None else start.part.share
    return Ask(request=request, since=course.now.at, share=share, is_gated=is_gated)


def answer(course: Course, event: inputs.Answered) -> None:
    """Take what a tool or a human answered.

    Raises StepError: if it is not open, or is for the other of the two to answer.
    """
    found = course.visit.asks.get(event.ask)
    if found is None or not found.is_open or isinstance(found.request, RunPart):
        raise StepError(f"ask {event.ask} is not open for an answer")
    # A tool's answer bears its key. So the second of two approvals can never be taken for what the tool came to.
    is_human = found.is_asking_human
    if not event.id or is_human == (event.id == course.now.key_of(event.ask)):
        who = "a human, under an id of its own" if is_human else f"its tool, under {course.now.key_of(event.ask)!r}"
        raise StepError(f"ask {event.ask} is for {who}: {event.id!r} does not answer it")
    if not found.is_gated:
        _close(course, event, "answered", ok=event.ok, value=event.value)
    elif event.ok and event.value is True:
        course.book(asks.approve(course.compiled, course.now, event.ask, id=event.id, who=event.who))
    else:
        _close(course, event, "declined", ok=False, value="a human declined it")
    go_on(course)


def _close(course: Course, event: inputs.Answered, end: AskEnd, *, ok: bool, value: object) -> None:
    course.book(
        asks.conclude(course.compiled, course.now, event.ask, end, ok=ok, value=value, id=event.id, who=event.who)
    )


def go_on(course: Course) -> None:
    """Let the agent act again if its round is over; end the round if the visit, or the run, has no time left."""
    log = course.visit.round
    assert log is not None
    if not log.is_over and course.has_time and not course.must_land:
        return
    if land_if_over(course):  # which ends what is open
        return
    if course.has_time:
        # what was refused before has been mended: the agent goes on from what it was told now
        course.set_visit(refusals=(), attempt=course.visit.attempt + 1)
        course.act_again()
    else:
        end_attempt(course, "timeout", "its round took longer than the visit has")
