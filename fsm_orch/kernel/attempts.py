"""How an attempt ends: its reply is committed, or refused and repaired, or the visit fails.

reply -> accept: fields, values, handoff, legality -> the handoff is fired with its changes, in one go
      -> refuse: the model is told why and asked again, if a call and time are left; else the visit fails
failure -> tried again, if the agent declares more attempts and time is left; else the visit fails
a visit that fails takes its failure edge if that is legal, else the run lands
"""

from __future__ import annotations

from ..amounts import NOTHING
from ..define.agent_spec import AgentSpec
from ..define.changes import changed
from ..define.context import Context
from ..define.states import NONE_OF_THESE, EdgeKind, Handoff
from ..errors import ContextError, StepError
from . import inputs, records
from .course import OVERRUN, Course
from .legal import objection, visit_ends
from .reasons import BEYOND_REPAIR, LANDS_AS, FailureReason, LandingReason, Refusal


def take_reply(course: Course, reply: inputs.Replied) -> None:
    """Commit a reply, or refuse it. Discard it if the run has ended or the visit's time is over."""
    if land_if_over(course) or fail_if_late(course):
        return
    refusal = reply.refusal if reply.refusal is not None else _accept(course, reply)
    if refusal is not None:
        refuse(course, reply.handoff, refusal)


def take_failure(course: Course, reason: FailureReason, detail: str) -> None:
    """End an attempt that raised, took too long, was denied a call, or of which nobody knows how it went.

    A round may take too long too, or what a human is asked in it expires.

    Raises StepError: if it is another failure, and the agent is not at work.
    """
    if course.visit.round is not None and reason != "timeout":
        raise StepError(f"no agent of {course.now.state!r} is at work, so none has failed: its round is not over")
    if not land_if_over(course):
        end_attempt(course, reason, detail)


def land_if_over(course: Course) -> bool:
    """Close the attempt's calls, land for an overrun or a passed deadline, and return whether the run has ended."""
    # first of all: what is still open may have been billed, and a part may hide an overrun
    course.close_visit()
    if course.now.ledger.overrun != NOTHING:
        course.land("overrun", OVERRUN)
    elif course.now.at >= course.compiled.deadline_s:
        course.land("deadline")
    return course.now.status == "finished"


def fail_if_late(course: Course) -> bool:
    """Fail a visit whose reply arrived after its time limit; the reply is discarded. Return whether it was late."""
    # only here can `visit_s` bind a plain function: it runs on the event loop, and nothing can interrupt it
    if course.now.at <= visit_ends(course.compiled, course.now):
        return False
    end_attempt(course, "timeout", "the reply came after the visit's time")
    return True


def _accept(course: Course, reply: inputs.Replied) -> Refusal | None:
    """Check a reply and commit it. Return why it is refused, or None."""
    # At any time, and not only where something is used up: nothing may open because something else has closed, or a
    # run that has spent less could do less. Whoever is to choose may always say no.
    spec = course.own.spec
    if reply.handoff == NONE_OF_THESE and spec.proposes:
        return Refusal("declined", f"none of the handoffs of {course.now.state!r} was taken")
    if spec.must_ask and not course.visit.is_answered:
        return Refusal("must_ask", "it is too early to decide: first ask for what this state must ask for")
    misfit = _misfit(spec, reply)
    if misfit is not None:
        return misfit
    try:
        context = changed(course.now.context, reply.changes, told=spec.proposes)
    except ContextError as error:
        return Refusal("wrong_type", str(error))
    chosen = _chosen(course, reply.handoff, context)
    if chosen is None:
        # no failure edge: the agent did its work, it is the machine that has no way on
        course.land("no_handoff", f"no guard of {course.now.state!r} holds")
        return None
    if isinstance(chosen, Refusal):
        return chosen
    # judged again: since the menu was drawn the agent has written what guards read, and time and money have moved
    against = objection(course.compiled, course.now, chosen, written=context)
    if against is not None:
        course.note_guard(chosen, against)
        return Refusal(against.reason, f"{chosen.name!r} is not legal now: {against.detail}")
    # The decision is made. Firing asks the guard once more, to catch one that is not pure.
    if not course.move(chosen, reply, context):
        return Refusal("guard", f"the guard of {chosen.name!r} changed its answer: guards are pure")
    return None


def _misfit(spec: AgentSpec, reply: inputs.Replied) -> Refusal | None:
    """Return why the fields of a reply are not exactly those that its agent declares; None if they are."""
    declared, written = spec.written_names, reply.changes.keys()
    if declared == written:
        return None
    sure = spec.sure_names
    if written - declared:
        names = ", ".join(sorted(written - declared))
        return Refusal("undeclared_write", f"{names}: not declared by this agent, which writes {sorted(declared)}")
    # none may be left out either: whoever reads a field relies on its having been written
    if sure <= written:
        return None
    names = ", ".join(sorted(sure - written))
    return Refusal("missing_field", f"{names}: every reply writes every declared field")


def _chosen(course: Course, name: str | None, context: Context) -> Handoff | Refusal | None:
    """Return the handoff that was proposed, or else the first whose guard holds; None if none does."""
    own = course.own
    if name is not None:
        known = own.by_name.get(name)
        if known is not None:
            return known
        # cut to the length of a real name: a model may have made up a long one, and this is quoted in its next prompt
        return Refusal("unknown_handoff", f"{name[:64]!r} does not leave {course.now.state!r}")
    # a model has to choose where there is a choice: to choose for it would turn a missing answer into a decision
    if own.spec.proposes and len(own.exits) > 1:
        return Refusal("no_handoff", f"Choose one of: {', '.join(handoff.name for handoff in own.exits)}.")
    # Guards alone decide, in declaration order, as in SCXML. If the first that holds is not legal, the visit fails:
    # trying the next one would let a lack of money choose the exit.
    for handoff in own.exits:
        if handoff.guard is None:
            return handoff
        answer = course.compiled.holds(handoff, context)
        if answer.holds:
            return handoff
        if answer.error:
            course.records.append(records.GuardRaised(stamp=course.stamp, handoff=handoff.name, detail=answer.error))
    return None


def refuse(course: Course, handoff: str | None, refusal: Refusal) -> None:
    """Refuse a reply or a round. Have a model repair it if a call and time are left, else fail the visit."""
    spec, visit = course.own.spec, course.visit
    # Attempts count as calls: an agent that never asks its model would be refused for ever. After one denial
    # every further call of the visit is denied, so a repair would be an attempt without a model.
    has_call_left = max(visit.calls, visit.attempt) < spec.calls and visit.denied is None
    # nor is a model told what no reply of it can change, money, visits, hops or time that is used up; nor asked again
    # when it has said that nothing fits
    is_repaired = spec.proposes and has_call_left and course.has_time and refusal.reason not in BEYOND_REPAIR
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
        course.act_again()
    else:
        _fail(course, "refusal", LANDS_AS.get(refusal.reason, "refusal"), refusal.detail)


def end_attempt(course: Course, reason: FailureReason, detail: str) -> None:
    """Try again if the agent raised, declares more attempts and has time for one, else fail the visit.

    What comes too late for a visit that cannot time out lands the run.
    """
    if reason == "timeout" and not course.own.may_time_out:
        # Its time is the run's own, or a human's, and the proof says that its edge is never taken. A clock that is a
        # moment behind the timer, or an event loop that was held, must not make it otherwise.
        course.land("deadline")
        return
    visit = course.visit
    # what timed out, or died, may have had its effect on the world already; what was denied would be denied again
    is_retried = reason == "error" and visit.failures + 1 < course.own.spec.attempts and course.has_time
    course.records.append(
        records.AttemptFailed(stamp=course.stamp, reason=reason, detail=detail, is_retried=is_retried)
    )
    if is_retried:
        course.set_visit(failures=visit.failures + 1, attempt=visit.attempt + 1)
        course.act_again()
    else:
        kind: EdgeKind = "timeout" if reason == "timeout" else "failure"
        _fail(course, kind, "failure" if reason == "error" else reason, detail)


def _fail(course: Course, kind: EdgeKind, reason: LandingReason, detail: str) -> None:
    """Take the state's failure edge if it is legal, with the context of entry; else land."""
    edges = course.own.failure_edges
    edge = edges.get(kind, edges.get("failure"))
    # a failure edge is checked like any other: taken freely, it could spend the hop that is kept for landing
    is_legal = edge is not None and objection(course.compiled, course.now, edge) is None
    if edge is None or not is_legal or not course.move(edge, None, course.now.context):
        course.land(reason, detail)
