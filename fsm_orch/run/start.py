"""Everything that must hold before a run starts: agents, models, prices, certificate, first context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ..agents.base import Agent, PlainAgent
from ..agents.code import CodeAgent
from ..amounts import Price
from ..define.agent_spec import HasSpec, spec_of
from ..define.annotations import why_no_visit
from ..define.callables import is_async, short_name, why_no_agent
from ..define.changes import fields_set_early, journaled_start, why_early
from ..define.context import Context
from ..define.definition import Definition
from ..define.rules.start import cost_limits, start_objection
from ..define.source import where_defined
from ..define.states import State
from ..errors import CertificateError, ContextError, StartError
from ..kernel.begin import compiled_as
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..limits import Limits
from ..models.base import Model
from ..proof.bounds.certificate import Certificate
from ..proof.bounds.verifier import verify


def compiled(
    definition: Definition, limits: Limits, used: Mapping[str, Model], certificate: Certificate | None
) -> CompiledMachine:
    """Compile a machine for runs within limits, on the models of its states.

    Args:
        used: the model of each state whose agent makes calls, by place in the tree of machines.
        certificate: bounds of every run. None: bounds that count hops alone.

    Raises StartError: if no run could start, or the certificate is refuted.
    Raises TypeError: if `certificate` is not a `Certificate` (for example its JSON text).
    """
    prices = {name: model.price for name, model in used.items()}
    known_prices = {name: price for name, price in prices.items() if price is not None}
    _check_start(definition, limits, known_prices, unpriced=[name for name in used if name not in known_prices])
    if certificate is None:
        return CompiledMachine(definition, limits=limits, prices=known_prices)
    if not isinstance(certificate, Certificate):
        raise TypeError(
            f"certificate= takes a Certificate, not a {type(certificate).__name__}: "
            f"read what `dump` wrote with Certificate.load(text)"
        )
    _check_certificate(certificate, definition, limits, known_prices, used)
    return CompiledMachine(definition, limits=limits, prices=known_prices, potential=certificate.potential(definition))


def compiled_for(compiled: CompiledMachine, first: Input | None) -> CompiledMachine:
    """Return a machine compiled for a run that has begun: with its limits, prices and shares, which it keeps.

    Args:
        compiled: for runs that begin now.
        first: the first input of its journal.

    Raises StepError: if a price in it is none.
    """
    if not isinstance(first, Started) or not _is_ours(compiled, first):
        return compiled  # which says why it cannot be folded
    if first.limits == compiled.limits and (first.prices, first.shares) == compiled.terms:
        return compiled
    return compiled_as(compiled.definition, first)


def _is_ours(compiled: CompiledMachine, first: Started) -> bool:
    return first.digest == compiled.definition.digest and first.shares.keys() == compiled.terms.shares.keys()


def _check_start(
    definition: Definition, limits: Limits, prices: Mapping[str, Price], *, unpriced: Sequence[str]
) -> None:
    for place, dollars in cost_limits(definition, limits):
        unbounded = [name for name in unpriced if name.startswith(place)]
        if unbounded:  # fail closed: with a cost limit, a call at an unknown price could not be refused in time
            whose = f" of {place[:-1]!r}" if place else ""
            raise StartError(
                f"The price of the model of {', '.join(map(repr, unbounded))} is not known, so a cost limit of "
                f"${dollars:f}{whose} cannot be kept: use a model with a known price, or limit tokens alone"
            )
    reason = start_objection(definition, limits, prices)
    if reason is not None:
        raise StartError(f"{definition.name} cannot start: {reason}")


_MAKE_ANOTHER = (
    ". Make another: fsm-orch check MODULE --certificate FILE. The digest of a definition includes the names that its "
    "functions are imported by, so a module imported by another name is another definition: import it as MODULE there"
)


def _check_certificate(
    certificate: Certificate,
    definition: Definition,
    limits: Limits,
    prices: Mapping[str, Price],
    used: Mapping[str, Model],
) -> None:
    try:
        verify(
            certificate, definition, limits=limits, prices=prices, models={n: model.name for n, model in used.items()}
        )
    except CertificateError as error:
        advice = _MAKE_ANOTHER if certificate.definition != definition.digest else ""
        raise StartError(f"{definition.name} does not start on this certificate. {error}{advice}") from None


def agents_of(definition: Definition, agents: Mapping[State, Agent | Callable[[Any], Any]]) -> dict[str, Agent]:
    """Return the agent of each state: its own, unless it is replaced. What they need is loaded.

    Raises ModelUnavailable: if it cannot be loaded.
    """
    found = {name: _agent(state, agents.get(state, state.agent)) for name, state in definition.states.items()}
    for agent in found.values():
        if isinstance(agent, PlainAgent):
            agent.prepare()
    return found


def _agent(state: State, agent: object) -> Agent:
    if isinstance(agent, HasSpec) and not isinstance(agent, type):
        spec_of(agent)
        return cast("Agent", agent)
    if why := why_no_agent(agent) or why_no_visit(agent, {}):
        raise TypeError(why)
    # an async function may stand in for a plain one in a test
    function = cast("Any", agent)
    name = short_name(function)
    spec = state.spec if agent is state.agent else replace(state.spec, name=name, where=where_defined(function))
    return CodeAgent(function, spec, thread=state.thread and not is_async(function))


def initial_values(context: Context) -> dict[str, Any]:
    """Return the fields of a first context as JSON values, by name, as the journal holds them.

    Raises StartError: if a field is set that only agents write, or a value cannot be written as JSON or read back. The
        message names the field and shows nothing of its value.
    """
    context_type = type(context)
    if set_early := fields_set_early(context):
        why = why_early(context_type, set_early)
        raise StartError(f"this {context_type.__name__} comes with {', '.join(set_early)} set, and {why}")
    try:
        return journaled_start(context)
    except ContextError as error:
        raise StartError(f"this {context_type.__name__} {error}") from None
