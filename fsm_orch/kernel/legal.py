"""What is legal: the rules of the design, as one function that says why a handoff may not happen.

`legal` is the one answer to what may happen next; the menu a model sees, the check of its reply and an exploration
all ask it.
"""

from __future__ import annotations

from typing import NamedTuple

from ..amounts import NOTHING, Amount
from ..define.context import Context
from ..define.states import Final, Handoff, State
from ..define.watched import watched
from .configuration import Configuration
from .engine import CompiledMachine, GuardAnswer
from .reasons import RefusalReason


class Objection(NamedTuple):
    """Why a handoff is not legal."""

    reason: RefusalReason
    detail: str
    is_raised: bool = False
    """Whether its guard raised instead of answering."""


def next_call(compiled: CompiledMachine, now: Configuration) -> Amount:
    """Tell what the next call of the visit may reserve beyond what is held for it; nothing if it makes none."""
    visit = now.visit
    if visit is None or visit.is_denied or visit.calls >= compiled.definition.states[now.state].spec.calls:
        return NOTHING
    return compiled.grants[now.state] - visit.grant


def legal(compiled: CompiledMachine, now: Configuration, *, holding: Amount = NOTHING) -> tuple[Handoff, ...]:
    """Tell which declared handoffs may happen next, in declaration order.

    A guard that reads a field which this agent is still to write is not known yet: its handoff stays.

    Args:
        holding: judge as if this much more were reserved; for a menu that is drawn for a call about to be made.
    """
    return tuple([h for h, against in menu(compiled, now, holding) if against is None])


def menu(
    compiled: CompiledMachine, now: Configuration, holding: Amount = NOTHING
) -> list[tuple[Handoff, Objection | None]]:
    """Give every declared handoff of the state with what stands against it, None if nothing does."""
    if now.status != "running":
        return []
    return [(handoff, objection(compiled, now, handoff, holding=holding)) for handoff in compiled.exits[now.state]]


def objection(
    compiled: CompiledMachine,
    now: Configuration,
    handoff: Handoff,
    *,
    written: Context | None = None,
    holding: Amount = NOTHING,
) -> Objection | None:
    """Say why a declared handoff is not legal; None if it is.

    Args:
        written: the context that the agent's reply makes; None before the reply.
    """
    if handoff.guard is not None:
        judgement = _foreseen(compiled, now, handoff) if written is None else compiled.holds(handoff, written)
        if not judgement.holds:
            detail = judgement.error or f"the guard of {handoff.name!r} does not hold"
            return Objection("guard", detail, is_raised=judgement.error is not None)
    if isinstance(handoff.target, Final):
        return None
    return _cannot_enter(compiled, now, handoff.target, holding)


def _foreseen(compiled: CompiledMachine, now: Configuration, handoff: Handoff) -> GuardAnswer:
    """Judge a guard before the agent has written: what depends on a field it writes is open."""
    to_be_written = compiled.definition.states[now.state].spec.written_names
    if not to_be_written:
        return compiled.holds(handoff, now.context)
    reads: set[str] = set()
    judgement = compiled.holds(handoff, watched(now.context, reads.add))
    return GuardAnswer(holds=True) if reads & to_be_written else judgement


def _cannot_enter(compiled: CompiledMachine, now: Configuration, target: State, holding: Amount) -> Objection | None:
    """Apply the rules of visits and affordability; the last hop is kept for landing."""
    limits, name = compiled.limits, target.name
    if target.max_visits is not None and now.visits.get(name, 0) >= target.max_visits:
        return Objection("visits", f"{name!r} has been visited {target.max_visits} times, which is its limit")
    if now.hops + 2 > limits.hops:
        return Objection("hops", f"{now.hops} of {limits.hops} hops are taken and the last one is kept for landing")
    if not now.ledger.affords(holding, compiled.grants[name]):
        return Objection("budget", f"the first call of {name!r} may take {compiled.grants[name].tokens:,} tokens")
    if now.at >= limits.deadline_s:
        return Objection("deadline", f"the deadline of {limits.deadline_s:g} s has passed")
    return None
