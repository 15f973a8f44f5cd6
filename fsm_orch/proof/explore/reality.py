"""Real runs: whether a journal breaks a policy, and whether a path that was found is one of those.

An exploration does not ask the validators of a context. A path of it is real if the machine itself, with simple values
in the fields that were not looked into, takes it and breaks the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from ...define.changes import changed, journaled, validated
from ...define.context import Context, given_fields
from ...define.guards import Guard
from ...define.policies import Policy
from ...errors import ContextError, StepError
from ...kernel import VERSION, records
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine, judged
from ...kernel.inputs import Input, Replied, Started
from ...kernel.step import step
from .automata import Automaton, automaton
from .trace import Trace

NOTHING = object()
"""Stands where no simple value fits."""
_SIMPLE: tuple[object, ...] = (None, "?", 0, 1, 0.5, False, (), "", 100, "2000-01-01")
"""Values to try on a field, in this order; a text before its emptiness, which many fields refuse."""


def breaks(compiled: CompiledMachine, policy: Policy, journal: Iterable[Input]) -> bool:
    """Tell whether a run, ended where its journal ends, has broken a policy.

    Raises StepError: if the journal is none of this machine.
    """
    definition, follower, at = compiled.definition, automaton(policy), 0
    now: Configuration | None = None
    for event in journal:
        before, stepped = now, step(compiled, now, event)
        now = stepped.configuration
        if isinstance(event, Started):  # where it began, even if it has landed since
            at = follower.start(definition.initial.name, _holds(validated(definition.context, event.context)))
        for record in stepped.records:
            if isinstance(record, records.HandedOff | records.Landed):
                at = _moved(follower, at, record, _left(before or now, event, record, now))
    ended, landed = now is not None and now.status == "finished", now is not None and now.landing is not None
    return follower.is_broken(at, ended=ended, landed=landed)


def _moved(follower: Automaton, at: int, record: records.HandedOff | records.Landed, left: Configuration) -> int:
    if isinstance(record, records.Landed):
        return follower.landed(at, record.target, _holds(left.context))
    return follower.hop(at, record.handoff, record.target, _holds(left.context))


def _left(
    before: Configuration, event: Input, record: records.HandedOff | records.Landed, after: Configuration
) -> Configuration:
    """Give the configuration that a hop left: one input may take two, and only a final state writes what it sets."""
    if after.state == record.target and after.status == "finished":
        return after
    is_written = isinstance(record, records.HandedOff) and record.written
    changes = event.changes if isinstance(event, Replied) and is_written else {}
    return before._replace(context=changed(before.context, changes))


def _holds(context: Context) -> Callable[[Guard[Any]], bool]:
    return lambda guard: judged(guard, context).holds


def is_real(compiled: CompiledMachine, policy: Policy, trace: Trace) -> bool:
    """Tell whether a path is known to be one of a real run that breaks a policy; it hangs on no unknown guard.

    Args:
        machine: the real one, with its own context and guards.
    """
    context_type = compiled.definition.context
    inputs = [*(event for turn in trace.legs for event in turn.inputs), *trace.inputs]
    given = {name: value for name, value in trace.start.items() if name in given_fields(context_type)}
    try:
        context = validated(context_type, _filled(context_type, given, trace))
        started = Started(
            run_id="real",
            context=journaled(context, context_type.__pydantic_fields__),
            digest=compiled.definition.digest,
            kernel=VERSION,
            limits=compiled.limits,
        )
        return breaks(compiled, policy, [started, *(_said(context_type, event, trace) for event in inputs)])
    except (ContextError, StepError):
        return False


def _said(context_type: type[Context], event: Input, trace: Trace) -> Input:
    if not isinstance(event, Replied):
        return event
    return replace(event, changes=_filled(context_type, event.changes, trace))


def _filled(context_type: type[Context], values: Mapping[str, Any], trace: Trace) -> dict[str, Any]:
    """Put simple values into the fields that were not looked into; those that none fits are left out."""
    filled = {name: simplest(context_type, name) if name in trace.hidden else value for name, value in values.items()}
    return {name: value for name, value in filled.items() if value is not NOTHING}


def simplest(context: type[Context], name: str) -> object:
    """Find the first simple value that a field takes as it is; NOTHING if there is none."""
    adapter = TypeAdapter(context.__pydantic_fields__[name].rebuild_annotation())
    return next((value for value in _SIMPLE if _takes(adapter, value)), NOTHING)


def _takes(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        return bool(adapter.validate_python(value, strict=True) == value)
    except Exception:  # a validator is user code: whatever it raises is a no
        return False
