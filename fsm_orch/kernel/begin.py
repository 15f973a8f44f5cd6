"""How a run begins: on the definition, kernel, limits, prices and shares that it names, where runs may start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..amounts import Allowance, Usage, in_words
from ..define.changes import fields_set_early, validated, why_early
from ..define.context import Context
from ..define.definition import Definition
from ..define.rules.start import entry_of
from ..errors import ContextError, StepError
from ..messages import Message
from . import VERSION, inputs
from .configuration import NO_MODELS, Configuration
from .course import Course, Step
from .engine import CompiledMachine
from .gates import inside, known
from .ledger import Ledger
from .models import models_inside
from .potential import Potential
from .terms import read_prices, read_shares


def started(
    compiled: CompiledMachine,
    context: Mapping[str, Any],
    *,
    run_id: str,
    messages: tuple[Message, ...] = (),
    thread_id: str | None = None,
    trace_id: str | None = None,
    state: str | None = None,
    after: str | None = None,
    tenant: str | None = None,
    models: Mapping[str, str] = NO_MODELS,
) -> inputs.Started:
    """Return the input that begins a run of a machine.

    Args:
        context: the first values of its fields, as JSON.
        trace_id: None: the run id.
        state: where it starts; None: in the initial state.
        after: the run of its thread that came before it.
        tenant: for whom it runs.
        models: the names of the models of its states, by where these are in the tree of machines.
    """
    return inputs.Started(
        run_id=run_id,
        context=context,
        messages=messages,
        thread_id=thread_id,
        trace_id=trace_id,
        digest=compiled.definition.digest,
        kernel=VERSION,
        state=None if state == compiled.definition.initial.name else state,
        after=after,
        tenant=tenant,
        limits=compiled.limits.model_copy(),  # a model of pydantic has a `__dict__`, and journals are handed out
        prices=compiled.terms.prices.copy(),
        models=dict(models),
        shares=compiled.terms.shares.copy(),
    )


def compiled_as(definition: Definition, event: inputs.Started, potential: Potential | None = None) -> CompiledMachine:
    """Compile a machine for the run that an input began: within its limits, at its prices and with its shares.

    Raises StepError: if a price in it is none, or the share of a part is not in it.
    """
    try:
        prices, shares = read_prices(event.prices), read_shares(event.shares)
        return CompiledMachine(definition, limits=event.limits, prices=prices, shares=shares, potential=potential)
    except (ValueError, KeyError) as error:
        raise StepError(f"run {event.run_id} was not started on {definition.name}: {error}") from None


def beginning(journal: Sequence[inputs.Input]) -> inputs.Started:
    """Return the first input of a journal that folds."""
    first = journal[0]
    assert isinstance(first, inputs.Started)  # it would not fold
    return first


def begin(compiled: CompiledMachine, event: inputs.Started) -> Step:
    """Begin a run and enter the state that it starts in; one that was moved too little to enter that is landed.

    Raises StepError: if it was started on something else than this, its limits admit no entry into that, or its context
        does not fit.
    """
    definition, limits = compiled.definition, compiled.limits
    # refused, not folded as far as it goes: under other rules the same inputs would make another run in silence
    if differs := _differences(compiled, event):
        raise StepError(f"run {event.run_id} was started {'; '.join(differs)}: fold it on what it was started on")
    whole = Allowance(limits.tokens, limits.cost_micros)
    start = event.state or definition.initial.name
    grant = compiled.states[start].grant
    # at every moment a run can pay for its next call and for its landing, at this first one too
    if limits.hops < 1 or not whole.covers(grant):
        raise StepError(
            f"{definition.name} cannot start with {in_words(whole, whole)} and {limits.hops} hops: "
            f"{entry_of(definition.states[start])} may take {in_words(grant, whole)}, and landing takes 1 hop"
        )
    try:
        context = validated(definition.context, event.context)
    except ContextError as error:
        raise StepError(f"run {event.run_id} cannot start on this context: {error}") from None
    # policies are proved from the defaults on: the proof would not cover a run that began with a refund approved
    if set_early := fields_set_early(context):
        why = why_early(definition.context, set_early)
        raise StepError(f"run {event.run_id} cannot start with {', '.join(set_early)} set: {why}")
    now = _first(compiled, context, Ledger(_moved(whole, event)), run_id=event.run_id, state=start)
    return _enter(
        compiled,
        replace(
            now,
            thread_id=event.thread_id,
            trace_id=event.trace_id or event.run_id,
            messages=event.messages,
            at=event.at,
            shut=known(compiled, event.shut),
            models=event.models,
        ),
    )


def begin_part(above: Configuration, ask: int, compiled: CompiledMachine, context: Context, ledger: Ledger) -> Step:
    """Begin a run of a part, without messages: what crosses is context.

    Args:
        above: the machine that runs it, in whose visit it was asked for.
        context: a first context that has been checked.
        ledger: its share.
    """
    start = compiled.definition.initial.name
    now = _first(compiled, context, ledger, run_id=f"{above.key}.{ask}", state=start)
    return _enter(
        compiled,
        replace(
            now,
            thread_id=above.thread_id,
            trace_id=above.trace_id,
            path=(*above.path, ask),
            shut=inside(above, ask),
            models=models_inside(above, ask),
        ),
    )


def _first(compiled: CompiledMachine, context: Context, ledger: Ledger, *, run_id: str, state: str) -> Configuration:
    return Configuration(
        run_id=run_id,
        thread_id=None,
        trace_id=run_id,
        status="running",
        state=state,
        context=context,
        messages=(),
        visits={},
        hops=0,
        ledger=ledger,
        usage=Usage(),
        # for the stamp of `RunStarted`, which is made before the first visit is entered and counted
        ceiling=compiled.potential.ahead(state, 0, {state: 1}),
        at=0.0,
        visit=None,
    )


def _enter(compiled: CompiledMachine, now: Configuration) -> Step:
    first, course = compiled.states[now.state], Course(compiled, now)
    course.record_start()
    if now.ledger.affords(first.grant):
        course.enter(first)
    else:
        moved = in_words(now.ledger.limit, now.ledger.limit)
        course.land("budget", f"it was moved {moved}, which do not pay {entry_of(first.state)}")
    return course.done()


def _moved(whole: Allowance, event: inputs.Started) -> Allowance:
    """Return what a run may spend: its limits, or what its thread moved to it if that is less."""
    tokens = whole.tokens if event.tokens is None else min(event.tokens, whole.tokens)
    if event.cost is None:
        return Allowance(tokens, whole.cost)
    return Allowance(tokens, event.cost if whole.cost is None else min(event.cost, whole.cost))


def _others(given: Mapping[str, object], here: Mapping[str, object]) -> str:
    """Return the places at which two mappings differ."""
    return ", ".join(sorted(place for place in {**given, **here} if given.get(place) != here.get(place)))


def _differences(compiled: CompiledMachine, event: inputs.Started) -> list[str]:
    """Return in what a run was started otherwise than here."""
    definition, limits = compiled.definition, compiled.limits
    differs = []
    if event.digest != definition.digest:
        name = definition.name
        differs.append(f"on definition {event.digest[:12]!r}, and {name} is now {definition.digest[:12]!r}")
    if event.kernel != VERSION:
        differs.append(f"on kernel {event.kernel}, and this is kernel {VERSION}, of another version of fsm_orch")
    if event.limits != limits:
        differs.append(f"within {event.limits!r}, and the limits here are {limits!r}")
    prices, shares = compiled.terms
    if event.prices != prices:
        differs.append(f"at prices that are others here: of {_others(event.prices, prices)}")
    if event.shares != shares:
        differs.append(f"with shares that are others here: of {_others(event.shares, shares)}")
    if event.state is not None and event.state not in definition.starts:
        differs.append(f"in {event.state!r}, and runs start in {' or '.join(map(repr, definition.starts))}")
    return differs
