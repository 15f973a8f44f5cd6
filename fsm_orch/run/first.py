"""The first input of a run: what its caller gave, checked, and what it carries on from the run before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ..define.changes import validated, values_of
from ..define.context import Context, given_fields
from ..define.definition import Definition
from ..define.source import told_apart
from ..define.states import State
from ..define.wording import kind_of, quoted
from ..errors import ContextError, StartError
from ..kernel.begin import started
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Started
from ..messages import Message
from . import given, start
from .result import RunResult


class RunOptions(TypedDict, total=False):
    """What can be said of one run besides its context and dependencies."""

    messages: Sequence[Message]
    """The conversation so far, such as the messages of the run before; none by default."""
    run_id: str
    """Names this run; random by default."""
    thread_id: str
    """Names the conversation that this run is part of: its runs share the limits that the machine has for threads."""
    trace_id: str
    """Ties this run to a trace of the caller's; the run id by default."""
    trace_parent: str
    """The caller's span, as the header `traceparent` writes it; a tracer's own current span goes before it."""
    tenant: str
    """Says for whom it runs, in the store's list and to the factory of a worker's dependencies; nobody by default."""
    start: State
    """Where it starts: a state declared with `entry=True`; the initial state by default."""
    after: RunResult[Any]
    """The run of its thread that came before, which has ended: its messages go on, and fields marked `Given` that the
    context leaves out hold what they held at its end. It is of the same thread, unless `thread_id` says another."""


def first_input(
    compiled: CompiledMachine, context: Any, options: RunOptions, *, run_id: str, models: Mapping[str, str]
) -> Started:
    """Return the first input of a run.

    Args:
        context: the first snapshot, as the caller gave it.
        run_id: for a run whose caller names none.
        models: the names of the models of its states, by where these are in the tree of machines.

    Raises StartError: if the context is not the machine's, or comes with a field set that only agents write; if an id
        is no text, messages have no place in a conversation, no run may start in `start`, or `after` is no end.
    Raises TypeError: if an option is unknown, or of a wrong kind.
    """
    definition = compiled.definition
    unknown = sorted(options.keys() - RunOptions.__annotations__.keys())
    if unknown:
        raise TypeError(f"a run takes {', '.join(RunOptions.__annotations__)}, not {', '.join(unknown)}")
    expected = definition.context
    if type(context) is not expected:
        twin = told_apart(expected, type(context))
        needed = ", ".join(f"{name}=..." for name, field in expected.__pydantic_fields__.items() if field.is_required())
        fix = "" if twin or isinstance(context, Context) else f": give it {expected.__name__}({needed})"
        raise StartError(f"{definition.name} runs on a {expected.__name__}, not on {kind_of(context)}{twin}{fix}")
    before = _before(definition, options)
    if before is not None:
        context = _carried(context, before.context)
    named = options.get("run_id")
    first = started(
        compiled,
        start.initial_values(context),
        run_id=run_id if named is None else named,
        messages=given.messages_of(options.get("messages", ()) if before is None else before.messages),
        thread_id=options.get("thread_id") or (None if before is None else before.thread_id),
        trace_id=options.get("trace_id"),
        trace_parent=options.get("trace_parent"),
        tenant=options.get("tenant"),
        state=_where(definition, options.get("start")),
        after=None if before is None else before.run_id,
        models=models,
    )
    given.check_first(first)
    return first


def _where(definition: Definition, state: object) -> str | None:
    """Return the name of the state that a run starts in; None: the initial one."""
    if state is None:
        return None
    if not isinstance(state, State):
        raise TypeError(f"start= takes a state, not {kind_of(state)}: start={definition.name}.{definition.starts[-1]}")
    if definition.states.get(state.name) is not state or state.name not in definition.starts:
        raise StartError(
            f"no run of {definition.name} starts in {state.name!r}, but in {quoted(definition.starts)}: declare it, "
            f"{state.name} = State(..., entry=True)"
        )
    return state.name


def _before(definition: Definition, options: Mapping[str, Any]) -> RunResult[Any] | None:
    """Return the run that a run follows; None if it follows none."""
    before = options.get("after")
    if before is None:
        return None
    if not isinstance(before, RunResult):
        raise TypeError(f"after= takes the result of a run, not {kind_of(before)}: runner.replay(journal) makes one")
    if "messages" in options:
        raise TypeError("after= brings the messages of the run before: leave messages= out")
    if before.status != "finished":
        raise StartError(f"run {before.run_id!r} is {before.status}, so none comes after it: resume it until it ends")
    if type(before.context) is not definition.context:
        raise StartError(
            f"run {before.run_id!r} held a {type(before.context).__name__}, and {definition.name} runs on a "
            f"{definition.context.__name__}: give messages=, which any machine takes, instead of after="
        )
    return before


def _carried(context: Context, before: Context) -> Context:
    """Return a first context in which fields marked `Given` that it leaves out hold what they held before."""
    kind, own = type(context), context.model_fields_set
    fields = kind.__pydantic_fields__
    names = [name for name in given_fields(kind) if name not in own and not fields[name].is_required()]
    if not names:
        return context
    held, past = values_of(context), values_of(before)
    values = {name: held[name] for name in own} | {name: past[name] for name in names}
    try:
        return validated(kind, values)
    except ContextError as error:
        raise StartError(f"what the run before held does not fit into this {kind.__name__}: {error}") from None
