"""What a run may cost, as far as that is known: before it begins, and while it goes on."""

from __future__ import annotations

from ..amounts import Allowance
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Started


def costs_at_most(compiled: CompiledMachine, start: str) -> Allowance:
    """Return what a run that begins in a state may cost: its limits, or less where its bounds prove that."""
    return Allowance(
        min(compiled.limits.tokens, compiled.potential.ahead(start, 0, {start: 1})), compiled.limits.cost_micros
    )


def costs_of_start(compiled: CompiledMachine, first: Started) -> Allowance:
    """Return what a run that begins may cost, which is no more than its thread may."""
    most, limits = costs_at_most(compiled, first.state or compiled.definition.initial.name), compiled.limits
    if first.thread_id is None:
        return most
    return Allowance(
        min(most.tokens, most.tokens if limits.thread_tokens is None else limits.thread_tokens),
        min((cost for cost in (most.cost, limits.thread_cost_micros) if cost is not None), default=None),
    )


def still_costs(now: Configuration) -> Allowance:
    """Return what a run that goes on may still cost."""
    ledger = now.ledger
    # its bounds may leave less than its ledger; what is reserved may be charged in any case
    tokens = max(ledger.reserved.tokens, min(ledger.limit.tokens, now.ceiling) - ledger.settled.tokens)
    cost = ledger.limit.cost
    return Allowance(tokens, None if cost is None else max(0, cost - ledger.settled.cost))
