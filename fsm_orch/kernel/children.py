"""Children: machines that run inside a visit, each on a share of the run's ledger and in the place of one call."""

from __future__ import annotations

from ..errors import StepError
from . import booking, inputs
from .begin import begin, started
from .configuration import Configuration
from .course import Course
from .engine import CompiledMachine


def split(course: Course, event: inputs.Split) -> None:
    """Start a child on a share of the ledger, or record why the share was denied.

    Raises StepError: if there is no such machine, or the child cannot begin.
    """
    machine = course.compiled.children.get(event.machine)
    if machine is None:
        raise StepError(f"no child machine {event.machine!r}. Children: {sorted(course.compiled.children)}")
    booked, ledger = booking.split(course.compiled, course.now, event)
    course.book(booked)  # if the child cannot begin, the error drops the whole step, and this with it
    if ledger is None:
        return
    first = started(
        machine,
        event.context,
        run_id=f"{course.now.run_id}:{course.now.hops}.{event.call}",
        thread_id=course.now.thread_id,
        trace_id=course.now.trace_id,
    )
    course.keep_child(event.call, event.machine, begin(machine, first, ledger))


Child = tuple[str, CompiledMachine, Configuration]
"""A machine inside a visit: its name, what it is compiled to, and where it stands."""


def child_of(course: Course, event: inputs.ChildInput) -> Child:
    """Return the child that an input is for.

    Raises StepError: if it is not running in this visit.
    """
    child = _found(course, event.call)
    if child is None:
        raise StepError(f"{event.input.kind!r} is for child {event.call}, which is not running in this visit")
    return child


def living(course: Course, call: int) -> Child | None:
    """Return the child that a call carries; None if there is none, or if it has ended."""
    child = _found(course, call)
    return None if child is None or child[2].status == "finished" else child


def _found(course: Course, call: int) -> Child | None:
    child = course.now.children.get(call)
    if child is None:
        return None
    name = course.now.child_machines[call]
    return name, course.compiled.children[name], child
