"""How a run begins: on the definition, kernel and limits that it names, in the initial state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..amounts import Usage
from ..define.changes import fields_set_early, validated, why_early
from ..errors import ContextError, StepError
from ..messages import Message
from . import VERSION, inputs
from .configuration import Configuration
from .course import Course, Step
from .engine import CompiledMachine
from .ledger import Ledger


def started(
    compiled: CompiledMachine,
    context: Mapping[str, Any],
    *,
    run_id: str,
    messages: tuple[Message, ...] = (),
    thread_id: str | None = None,
    trace_id: str | None = None,
) -> inputs.Started:
    """Return the input that begins a run of a machine.

    Args:
        context: the first values of its fields, as JSON.
        trace_id: None: the run id.
    """
    return inputs.Started(
        run_id=run_id,
        context=context,
        messages=messages,
        thread_id=thread_id,
        trace_id=trace_id,
        digest=compiled.definition.digest,
        kernel=VERSION,
        limits=compiled.limits.model_copy(),  # a model of pydantic has a `__dict__`, and journals are handed out
    )


def begin(compiled: CompiledMachine, event: inputs.Started, ledger: Ledger) -> Step:
    """Begin a run and enter its initial state.

    Args:
        ledger: what the run may spend: its limits, or its share if it is a child.

    Raises StepError: if it was started on another definition, kernel or limits, cannot pay its first call, or its
        context does not fit.
    """
    definition, limits = compiled.definition, compiled.limits
    grant = compiled.states[definition.initial.name].grant
    # refused, not folded as far as it goes: under other rules the same inputs would make another run in silence
    if (event.digest, event.kernel, event.limits) != (definition.digest, VERSION, limits):
        raise StepError(_difference(compiled, event))
    # at every moment a run can pay for its next call and for its landing, at this first one too
    if limits.hops < 1 or not ledger.affords(grant):
        raise StepError(
            f"{definition.name} cannot start with {ledger.limit} and {limits.hops} hops: its first call reserves "
            f"{grant}, and landing takes 1 hop"
        )
    try:
        context = validated(definition.context, event.context)
    except ContextError as error:
        raise StepError(f"run {event.run_id} cannot start on this context: {error}") from None
    # policies are proved from the defaults on: the proof would not cover a run that began with a refund approved
    if set_early := fields_set_early(context):
        why = why_early(definition.context, set_early)
        raise StepError(f"run {event.run_id} cannot start with {', '.join(set_early)} set: {why}")
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
            # for the stamp of `RunStarted`, which is made before the first visit is entered and counted
            ceiling=compiled.potential.ahead(definition.initial.name, 0, {definition.initial.name: 1}),
            at=event.at,
            visit=None,
        ),
    )
    course.record_start()
    course.enter(compiled.states[definition.initial.name])
    return course.done()


def _difference(compiled: CompiledMachine, event: inputs.Started) -> str:
    """Return in what a run was started otherwise than here, and what to do."""
    definition, limits = compiled.definition, compiled.limits
    differs = []
    if event.digest != definition.digest:
        name = definition.name
        differs.append(f"on definition {event.digest[:12]!r}, and {name} is now {definition.digest[:12]!r}")
    if event.kernel != VERSION:
        differs.append(f"on kernel {event.kernel}, and this is kernel {VERSION}")
    if event.limits != limits:
        differs.append(f"within {event.limits!r}, and the limits here are {limits!r}")
    return f"run {event.run_id} was started {'; '.join(differs)}: fold it on what it was started on"
