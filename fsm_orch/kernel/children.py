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


def child_of(course: Course, event: inputs.ChildInput) -> tuple[str, CompiledMachine, Configuration]:
    """Return the child that an input is for: its name, its machine and its configuration.

    Raises StepError: if it is not running in this visit.
    """
    child = course.now.children.get(event.call)
    if child is None:
        raise StepError(f"{event.input.kind!r} is for child {event.call}, which is not running in this visit")
    name = course.now.child_machines[event.call]
    return name, course.compiled.children[name], child
