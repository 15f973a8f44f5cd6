"""How an attempt ends: its reply is committed, or refused and repaired, or the visit fails.

reply -> accept: fields, values, handoff, legality -> the handoff is fired with its changes, in one go
      -> refuse: the model is told why and asked again, if a call is left; else the visit fails
failure -> tried again, if the agent declares more attempts; else the visit fails
a visit that fails takes its failure edge if that is legal, else the run lands
"""

from __future__ import annotations

from ..amounts import NOTHING
from ..define.changes import changed
from ..define.context import Context
from ..define.states import EdgeKind, Handoff
from ..errors import ContextError
from . import inputs, records
from .course import OVERRUN, Course
from .legal import objection
from .reasons import LANDS_AS, FailureReason, LandingReason, Refusal


def take_reply(course: Course, reply: inputs.Replied) -> None:
    """Commit a reply, or refuse it; discard it if the run is over, or the visit's time is."""
    if is_over(course) or is_late(course):
        return
    chosen = reply.refusal or _accept(course, reply)
    if isinstance(chosen, Refusal):
        _refuse(course, reply.handoff, chosen)


def take_failure(course: Course, reason: FailureReason, detail: str) -> None:
    """End an attempt that raised, took too long, or was denied a call."""
    if not is_over(course):
        end_attempt(course, reason, detail)


def is_over(course: Course) -> bool:
    """Close the attempt's calls, and land if they or the deadline say so."""
    course.close_visit()
    if course.now.ledger.overrun != NOTHING:
        course.land("overrun", OVERRUN)
    elif course.now.at >= course.compiled.limits.deadline_s:
        course.land("deadline")
    return course.now.status == "finished"


def is_late(course: Course) -> bool:
    """Fail a visit whose agent came back after its time; what it says then is not believed."""
    visit_s = course.state.timeout_s or course.compiled.limits.visit_s
    if course.now.at - course.visit.since <= visit_s:
        return False
    end_attempt(course, "timeout", "the reply came after the visit's time")
    return True


def _accept(course: Course, reply: inputs.Replied) -> Refusal | None:
    """Check a reply and commit it; returns why it was refused, or None."""
    misfit = _misfit(course, reply)
    if misfit is not None:
        return misfit
    try:
        context = changed(course.now.context, reply.changes)
    except ContextError as error:
        return Refusal("wrong_type", str(error))
    chosen = _chosen(course, reply.handoff, context)
    if chosen is None:
        course.land("no_handoff", f"no guard of {course.now.state!r} holds")
        return None
    if isinstance(chosen, Refusal):
        return chosen
    against = objection(course.compiled, course.now, chosen, written=context)
    course.note_guard(chosen, against)
    if against is not None:
        return Refusal(against.reason, f"{chosen.name!r} is not legal now: {against.detail}")
    if not course.move(chosen, reply, context):
        return Refusal("guard", f"the guard of {chosen.name!r} changed its answer: guards are pure")
    return None


def _misfit(course: Course, reply: inputs.Replied) -> Refusal | None:
    """Hold the fields a reply writes against those its agent declares."""
    declared, written = course.state.spec.written_names, reply.changes.keys()
    if declared == written:
        return None
    if written - declared:
        names = ", ".join(sorted(written - declared))
        return Refusal("undeclared_write", f"{names}: this agent writes {sorted(declared)} and no more")
    names = ", ".join(sorted(declared - written))
    return Refusal("missing_field", f"{names}: every reply writes every declared field")


def _chosen(course: Course, name: str | None, context: Context) -> Handoff | Refusal | None:
    """Tell the handoff that was proposed, or else the first whose guard holds; None if none does."""
    exits = course.compiled.exits[course.now.state]
    if name is not None:
        known = course.compiled.named[course.now.state].get(name)
        return known or Refusal("unknown_handoff", f"{name[:64]!r} does not leave {course.now.state!r}")
    if course.state.spec.proposes and len(exits) > 1:
        return Refusal("no_handoff", f"Choose one of: {', '.join(handoff.name for handoff in exits)}.")
    for handoff in exits:
        if handoff.guard is None:
            return handoff
        judgement = course.compiled.holds(handoff, context)
        if judgement.holds:
            return handoff
        if judgement.error:
            course.records.append(records.GuardRaised(stamp=course.stamp, handoff=handoff.name, detail=judgement.error))
    return None


def _refuse(course: Course, handoff: str | None, refusal: Refusal) -> None:
    """Refuse a reply: have a model repair it if a call is left, else fail the visit."""
    spec, visit = course.state.spec, course.visit
    has_call_left = max(visit.calls, visit.attempt) < spec.calls and not visit.is_denied
    is_repaired = spec.proposes and has_call_left and refusal.reason not in LANDS_AS
    course.records.append(
        records.Refused(
            stamp=course.stamp,
            handoff=handoff,
            reason=refusal.reason,
            detail=refusal.detail,
            is_repaired=is_repaired,
        )
    )
    if is_repaired:
        course.set_visit(refusals=(*visit.refusals, refusal), attempt=visit.attempt + 1)
        course.call_again()
    else:
        _fail(course, "refusal", LANDS_AS.get(refusal.reason, "refusal"), refusal.detail)


def end_attempt(course: Course, reason: FailureReason, detail: str) -> None:
    """Try again if the agent declares more attempts and it raised; what timed out may have had its effect."""
    visit = course.visit
    is_retried = reason == "error" and visit.failures + 1 < course.state.spec.attempts
    course.records.append(
        records.AttemptFailed(stamp=course.stamp, reason=reason, detail=detail, is_retried=is_retried)
    )
    if is_retried:
        course.set_visit(failures=visit.failures + 1, attempt=visit.attempt + 1)
        course.call_again()
    else:
        kinds: dict[FailureReason, tuple[EdgeKind, LandingReason]] = {
            "error": ("failure", "failure"),
            "timeout": ("timeout", "timeout"),
            "denied": ("failure", "denied"),
        }
        _fail(course, *kinds[reason], detail)


def _fail(course: Course, kind: EdgeKind, reason: LandingReason, detail: str) -> None:
    """Take the state's failure edge with the context of entry if it is legal, else land."""
    edges = course.compiled.failure_edges[course.now.state]
    edge = edges.get(kind) or edges.get("failure")
    is_legal = edge is not None and objection(course.compiled, course.now, edge) is None
    if edge is None or not is_legal or not course.move(edge, None, course.now.context):
        course.land(reason, detail)
