"""Humans: a run whose agent asks a human waits; the answer lets the agent act again."""

from __future__ import annotations

from msgspec.structs import replace

from . import records
from .attempts import end_attempt, fail_if_late, land_if_over
from .course import Course


def pause(course: Course, question: str) -> None:
    """Wait for a human, if the agent declares that it may."""
    # checked like a reply: an agent that asks after its time has timed out, and nobody is asked
    if land_if_over(course) or fail_if_late(course):
        return
    visit, spec = course.visit, course.own.spec
    # bounded: otherwise a run could wait without end, and an exploration of its machine would not finish
    if visit.pauses >= spec.pauses:
        end_attempt(course, "error", f"the agent waited more often than the {spec.pauses} times it declares")
        return
    course.now = replace(course.now, status="waiting")
    course.set_visit(pauses=visit.pauses + 1, question=question)
    course.records.append(records.RunWaiting(stamp=course.stamp, question=question))


def resume(course: Course, answer: object) -> None:
    """Let the agent act again, with the answer in its visit, if that has time left."""
    course.now = replace(course.now, status="running")
    course.records.append(records.RunResumed(stamp=course.stamp))
    # a further attempt of the same visit: its key stays, so what was done before the question can be recognised
    course.set_visit(answer=answer, attempt=course.visit.attempt + 1)
    if course.has_time:
        course.act_again()
    elif not land_if_over(course):
        end_attempt(course, "timeout", "the answer came after the visit's time")
