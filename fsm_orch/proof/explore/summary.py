"""Summaries: what runs in the place of a part while the machine that runs it is explored.

A summary is a machine of one state. It takes anything up to the share of the part, in one call, and ends well or not;
or it lands as it begins, as a part does in which nothing is legal. The real kernel runs it as it would run the part.
All that a machine can see of a part a summary can do: what it is charged, when it ends, and how. What the part does
besides is proved of the part by itself, on a ledger no larger than its share.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ...amounts import FREE, NOTHING, Amount, Price
from ...define.agent_spec import AgentSpec
from ...define.context import Context
from ...define.definition import Definition
from ...define.guards import guard
from ...define.states import Final, Handoff, State
from ...define.worst import worst_run
from ...kernel.engine import CompiledMachine
from ...limits import CallLimits, Limits

WELL = "well"
"""The handoff over which a summary ends well; cancelled, it ends otherwise."""
STATE = "inside"


class Anything(Context):
    """What a summary begins with."""

    may_begin: bool
    """Whether anything is legal where it begins."""


BEGINS: Mapping[str, Any] = {"may_begin": True}
LANDS_AT_ONCE: Mapping[str, Any] = {"may_begin": False}


@guard
def may_begin(context: Anything) -> bool:
    """Return what the summary was told as it began."""
    return context.may_begin


def _explored(visit: Any) -> None:
    """Stand in for the agent of a summary, which the explorer plays."""
    raise NotImplementedError  # it is never run


def _spec(share: Amount) -> AgentSpec:
    """Return what the agent of a summary declares: one call, as large as the share."""
    caps = CallLimits(max_input_tokens=share.tokens, max_output_tokens=0)
    calls = 0 if share == NOTHING else 1
    return AgentSpec(kind="llm" if calls else "code", name="summary", calls=calls, call_limits=caps, canonical={})


def summaries(definition: Definition, shares: Mapping[str, Amount]) -> Mapping[str, Mapping[str, CompiledMachine]]:
    """Return a summary in the place of each part of a definition, by state and part; states without parts are left out.

    Args:
        shares: what is moved to a run of each part, by `state.part`.
    """
    return {
        name: {part.name: summary(part.definition, shares[f"{name}.{part.name}"]) for part in state.spec.parts}
        for name, state in definition.states.items()
        if state.spec.parts
    }


def most_calls(definition: Definition) -> dict[str, int]:
    """Return the most requests to models of a visit of each state, those of its parts included."""
    return {
        name: state.spec.calls + sum(part.most * _calls(part.definition) for part in state.spec.parts)
        for name, state in definition.states.items()
    }


def _calls(part: Definition) -> int:
    """Return the most requests to models of a run of a machine: counted as tokens are, along its dearest path."""
    each = {name: Amount(calls) for name, calls in most_calls(part).items()}
    return worst_run(part, part.limits, each).tokens


def summary(part: Definition, share: Amount) -> CompiledMachine:
    """Return the summary of a machine that runs on a share."""
    state, well, ill = State(_explored, initial=True), Final(), Final(fallback=True)
    state.spec = _spec(share)
    ends: Handoff = state.to(well, guard=may_begin)
    for name, item in ((STATE, state), ("well", well), ("ill", ill), (WELL, ends)):
        item.name = name
    cost = None if part.limits.cost_micros is None else Decimal(share.cost) / 1_000_000
    definition = Definition(
        name=part.name,
        doc=f"Whatever a run of {part.name} may do to the machine that runs it.",
        where=part.where,
        context=Anything,
        states={STATE: state},
        finals={"well": well, "ill": ill},
        handoffs=(ends,),
        limits=Limits(hops=1, tokens=share.tokens, cost_usd=cost, deadline_s=part.limits.deadline_s),
    )
    # a price at which all of the tokens cost all of the money
    price = Price(Fraction(share.cost, share.tokens), Fraction(0)) if share.tokens else FREE
    return CompiledMachine(definition, prices={STATE: price})
