"""How a run begins: on the definition, kernel and limits that it names, in the initial state."""

from __future__ import annotations

from ..amounts import Usage
from ..define.changes import fields_set_early, validated
from ..errors import ContextError, StepError
from . import VERSION, inputs
from .configuration import Configuration
from .course import Course, Step
from .engine import CompiledMachine
from .ledger import Ledger


def begin(compiled: CompiledMachine, event: inputs.Started, ledger: Ledger) -> Step:
    """Begin a run, and enter its initial state.

    Args:
        ledger: what it may spend: its limits, or the share of a child.

    Raises StepError: if it was started on another definition, kernel or limits, cannot pay its first call, or its
        context does not fit.
    """
    definition, limits = compiled.definition, compiled.limits
    if (event.digest, event.kernel, event.limits) != (definition.digest, VERSION, limits):
        raise StepError(
            f"run {event.run_id} was started on definition {event.digest[:12]!r}, kernel {event.kernel} and "
            f"{event.limits!r}; this is {definition.digest[:12]!r}, kernel {VERSION} and {limits!r}"
        )
    if limits.hops < 1 or not ledger.affords(compiled.grants[definition.initial.name]):
        raise StepError(f"{definition.name} cannot start with {ledger.limit} and {limits.hops} hops")
    try:
        context = validated(definition.context, event.context)
    except ContextError as error:
        raise StepError(f"run {event.run_id} cannot start on this context: {error}") from None
    if ahead := fields_set_early(context):
        raise StepError(
            f"run {event.run_id} cannot start with {', '.join(ahead)} set: a field with a default is written by "
            f"agents alone, unless it is marked Given"
        )
    course = Course(
        compiled,
        Configuration(
            run_id=event.run_id,
            thread_id=event.thread_id,
            trace_id=event.trace_id or event.run_id,
            status="running",
            state=definition.initial.name,
            context=context,
            messages=event.messages,
            visits={},
            hops=0,
            ledger=ledger,
            usage=Usage(),
            ceiling=compiled.potential.ahead(definition.initial.name, 0, {definition.initial.name: 1}),
            at=event.at,
            visit=None,
        ),
    )
    course.record_start()
    course.enter(definition.initial)
    return course.done()
