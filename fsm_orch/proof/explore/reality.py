"""Real runs: whether a journal breaks a policy, and whether a path of an exploration is the path of a real run.

An exploration does not run the validators of a context. A path of it is real if the machine itself takes it, with
simple values in the opaque fields, and breaks the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace
from pydantic import TypeAdapter

from ...define.changes import changed, journaled, validated
from ...define.context import Context, given_fields
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.used import use_name
from ...errors import ContextError, StepError
from ...kernel import records
from ...kernel.begin import started
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine, CompiledPart, judged
from ...kernel.inputs import Asked, Input, Replied, Started
from ...kernel.requests import Request, RunPart
from ...kernel.step import step
from .automata import Automaton, automaton
from .trace import Trace
from .uses import begun

RUN_ID = "explored"
"""Of every run that is explored, and of one that shows that a path is real: the answers of tools bear it."""
NOTHING = object()
"""Returned where no simple value fits; None would not do, since it is a value."""
SIMPLE: tuple[object, ...] = (None, "?", 0, 1, 0.5, False, (), "", 100, "2000-01-01")
"""The values to try on a field, in this order; a text comes before the empty text, which many fields refuse."""


def breaks(compiled: CompiledMachine, policy: Policy, journal: Iterable[Input]) -> bool:
    """Return whether a run has broken a policy by the end of its journal.

    Raises StepError: if the journal is not one of this machine.
    """
    definition, follower, at = compiled.definition, automaton(policy), 0
    now: Configuration | None = None
    for event in journal:
        before, stepped = now, step(compiled, now, event)
        now = stepped.configuration
        if isinstance(event, Started):  # where it started, although the run may have landed in the same step
            first = event.state or definition.initial.name
            at = follower.start(first, _holds(validated(definition.context, event.context)))
        for tool in begun(before, now):
            at = follower.use(at, use_name(now.state, tool), _holds(now.context))
        for record in stepped.records:
            if isinstance(record, records.HandedOff | records.Landed) and not record.stamp.path:
                at = _moved(follower, at, record, _after_hop(before or now, event, record, now))
    ended, landed = now is not None and now.status == "finished", now is not None and now.landing is not None
    return follower.is_broken(at, ended=ended, landed=landed)


def _moved(follower: Automaton, at: int, record: records.HandedOff | records.Landed, left: Configuration) -> int:
    if isinstance(record, records.Landed):
        return follower.landed(at, record.target, _holds(left.context))
    return follower.hop(at, record.handoff, record.target, _holds(left.context))


def _after_hop(
    before: Configuration, event: Input, record: records.HandedOff | records.Landed, after: Configuration
) -> Configuration:
    """Return the configuration that a hop left."""
    # One input may take two hops, a handoff and a landing. The configuration after both then shows what the fallback
    # wrote, and not what the first hop left; that is put together from the reply.
    if after.state == record.target and after.status == "finished":
        return after
    is_written = isinstance(record, records.HandedOff) and record.written
    changes = event.changes if isinstance(event, Replied) and is_written else {}
    return replace(before, context=changed(before.context, changes))


def _holds(context: Context) -> Callable[[Guard[Any]], bool]:
    return lambda guard: judged(guard, context).holds


def is_real(compiled: CompiledMachine, policy: Policy, trace: Trace) -> bool:
    """Return whether a real run is known to take a path and break a policy; False if no such run was found.

    Args:
        compiled: the real machine, with its own context and guards.
        trace: a path that depends on no opaque guard.
    """
    # Taken by the real kernel and not argued about: validators are the user's code, and nobody can tell what they do.
    try:
        return breaks(compiled, policy, played(compiled, trace))
    except (ContextError, StepError):
        return False


def played(compiled: CompiledMachine, trace: Trace) -> list[Input]:
    """Return the journal of a run that takes a path, with the simplest value for each that is not known.

    The kernel may refuse it, or guards may lead it elsewhere, if the path hangs on values that these are not.

    Raises ContextError: if a run cannot begin with such values.
    """
    context_type = compiled.definition.context
    inputs = [(event, leg.state) for leg in trace.legs for event in leg.inputs]
    inputs += [(event, trace.state) for event in trace.inputs]
    given = {name: value for name, value in trace.start.items() if name in given_fields(context_type)}
    context = validated(context_type, _filled(context_type, given, trace))
    fields = journaled(context, context_type.__pydantic_fields__)
    first = started(compiled, fields, run_id=RUN_ID, state=trace.path[0])
    return [first, *(_with_simple_values(compiled, event, state, trace) for event, state in inputs)]


def _with_simple_values(compiled: CompiledMachine, event: Input, state: str, trace: Trace) -> Input:
    if isinstance(event, Asked):
        parts = compiled.parts[state]
        return replace(event, requests=tuple(_simple_request(request, parts) for request in event.requests))
    if not isinstance(event, Replied):
        return event
    return replace(event, changes=_filled(compiled.definition.context, event.changes, trace))


def _simple_request(request: Request, parts: Mapping[str, CompiledPart]) -> Request:
    """Return a request of which the part begins with simple values, where a summary stood for it."""
    if not isinstance(request, RunPart):
        return request
    return replace(request, context=simple_fields(parts[request.part].compiled.definition.context))


def simple_fields(context: type[Context]) -> dict[str, object]:
    """Return a simple value for each field that a context requires; one that no simple value fits is left out."""
    required = (name for name, field in context.__pydantic_fields__.items() if field.is_required())
    found = {name: simplest(context, name) for name in required}
    return {name: value for name, value in found.items() if value is not NOTHING}


def _filled(context_type: type[Context], values: Mapping[str, Any], trace: Trace) -> dict[str, Any]:
    """Return values with simple ones in the opaque fields; a field that no simple value fits is left out."""
    filled = {name: simplest(context_type, name) if name in trace.opaque else value for name, value in values.items()}
    return {name: value for name, value in filled.items() if value is not NOTHING}


def simplest(context: type[Context], name: str) -> object:
    """Return the first simple value that a field accepts unchanged; NOTHING if there is none."""
    adapter = TypeAdapter(context.__pydantic_fields__[name].rebuild_annotation())
    return next((value for value in SIMPLE if _takes(adapter, value)), NOTHING)


def _takes(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        return bool(adapter.validate_python(value, strict=True) == value)
    except Exception:  # a validator is user code: whatever it raises is a no
        return False
