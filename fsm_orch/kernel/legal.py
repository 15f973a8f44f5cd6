"""What is legal: the rules of the design, in one function that returns why a handoff may not happen.

The menu that a model sees, the check of its reply and an exploration all use `objection`, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ..amounts import NOTHING, Amount, in_words
from ..define.context import Context
from ..define.rules.start import entry_of
from ..define.states import Final, Handoff
from ..define.watched import watched
from .configuration import Configuration
from .engine import CompiledMachine, CompiledState, GuardAnswer
from .reasons import RefusalReason
from .requests import Request, RunPart


class Objection(NamedTuple):
    """Why a handoff is not legal."""

    reason: RefusalReason
    detail: str
    is_raised: bool = False
    """Whether its guard raised instead of answering."""


def visit_ends(compiled: CompiledMachine, now: Configuration) -> float:
    """Return when the time of the visit that is under way is over, in active seconds of the run.

    From then on no attempt of it begins and no call is admitted; a reply of that very moment still counts.
    """
    assert now.visit is not None  # only a finished run has none
    return now.visit.since + compiled.states[now.state].visit_s


def next_call(compiled: CompiledMachine, now: Configuration) -> Amount:
    """Return what the next call of the visit may reserve beyond what is held for it; nothing if no call is left."""
    visit = now.visit
    # nothing is held for a call that cannot come: it would hide handoffs that can be paid for
    if visit is None or visit.denied is not None or visit.calls >= compiled.states[now.state].spec.calls:
        return NOTHING
    return compiled.states[now.state].grant - visit.grant


def legal(compiled: CompiledMachine, now: Configuration, *, holding: Amount = NOTHING) -> tuple[Handoff, ...]:
    """Return the declared handoffs that may happen next, in declaration order.

    A guard that reads a field this agent has yet to write is not decided: its handoff stays on the menu.

    Args:
        holding: judge as if this much more were reserved, for a menu that goes out with a call about to be made.
    """
    return _open(menu(compiled, now, holding))


class Offer(Struct, frozen=True):
    """What a request may offer to a model that is to choose."""

    handoffs: tuple[Handoff, ...]
    is_used_up: bool
    """Whether visits, hops, money or a gate closed another exit. Then the model may take none, and is told so."""
    is_last: bool = False
    """Whether the visit has no call left after this request. Then it offers no tools: nobody would read the results."""
    unpaid: tuple[str, ...] = ()
    """The parts of which not even one run can be paid. It offers none of them: a round with one would be denied."""


def most_offered(compiled: CompiledMachine, now: Configuration) -> Offer:
    """Return the most that a request may offer, whatever its call will reserve, and those after it in the visit.

    Where that could use something up it says so: then what is offered is judged anew once the call is reserved.
    """
    assert now.visit is not None  # only a finished run has none, and nobody asks for it
    drawn, visit, own = menu(compiled, now), now.visit, compiled.states[now.state]
    counted, is_last = _open(drawn), visit.calls + 1 >= own.spec.calls
    # A grant not yet taken over is free: the call may reserve less.
    freed = replace(now, ledger=now.ledger.release(visit.grant))
    unpaid = _unpaid(compiled, freed)
    if len(counted) < len(drawn) and _is_used_up(drawn):
        return Offer(legal(compiled, freed), True, is_last, unpaid)
    to_come = own.grant * (own.spec.calls - visit.calls)
    needed = [target.grant for handoff in counted if (target := compiled.handoffs[handoff].target)]
    needed += [part.share for name, part in compiled.parts[now.state].items() if name not in unpaid]
    is_at_risk = not all(freed.ledger.affords(each, beside=to_come) for each in needed)
    return Offer(counted, is_at_risk, is_last, unpaid)


def offered(compiled: CompiledMachine, now: Configuration, most: Offer) -> Offer:
    """Return what a request may offer now that its call is reserved: of the most, what can be entered still.

    Of a most where nothing is used up that is all of it, so nobody needs to ask, unless it has become the last: within
    a visit the context does not change, and nothing can be used up whatever its calls take.
    """
    assert now.visit is not None  # its call is under way
    still = tuple(
        [
            handoff
            for handoff in most.handoffs
            if (target := compiled.handoffs[handoff].target) is None
            or not _cannot_enter(compiled, now, target, NOTHING)
        ]
    )
    is_last = now.visit.calls >= compiled.states[now.state].spec.calls
    return Offer(still, _is_used_up(menu(compiled, now)), is_last, _unpaid(compiled, now))


def _unpaid(compiled: CompiledMachine, now: Configuration) -> tuple[str, ...]:
    return tuple([name for name, part in compiled.parts[now.state].items() if not now.ledger.affords(part.share)])


def why_unpaid(compiled: CompiledMachine, now: Configuration, requests: Sequence[Request]) -> str | None:
    """Return why a round cannot be paid, all its shares together; None if it can."""
    parts = compiled.parts[now.state]
    total = sum((parts[each.part].share for each in requests if isinstance(each, RunPart)), NOTHING)
    if now.ledger.affords(total):
        return None
    return f"what it asks for may take {in_words(total, now.ledger.limit)}, which cannot be paid"


def will_end(compiled: CompiledMachine, now: Configuration, handoff: str | None, written: Context, field: str) -> bool:
    """Return whether a reply ends its machine, whatever text is in a field, unless it is late or costs too much.

    Args:
        handoff: what it proposes; None: nothing.
        written: the context that it makes, with any text in that field.
    """
    own, visit = compiled.states[now.state], now.visit
    if visit is None or (own.spec.must_ask and not visit.is_answered):
        return False
    # what is asked in this order, and what it reads of a context, decides; what nobody has read can be anything
    for way in [way for way in own.exits if handoff in (None, way.name)]:
        reads: set[str] = set()
        answer = compiled.holds(way, watched(written, reads.add))
        if field in reads or (handoff is not None and not answer.holds):
            return False
        if answer.holds:
            return isinstance(way.target, Final) and field not in {ref.name for ref in way.target.sets}
    return False


_USED_UP: frozenset[RefusalReason] = frozenset({"shut", "visits", "hops", "budget"})


def _is_used_up(drawn: Iterable[tuple[Handoff, Objection | None]]) -> bool:
    return any(against is not None and against.reason in _USED_UP for _, against in drawn)


def _open(drawn: Iterable[tuple[Handoff, Objection | None]]) -> tuple[Handoff, ...]:
    return tuple([handoff for handoff, against in drawn if against is None])


def menu(
    compiled: CompiledMachine, now: Configuration, holding: Amount = NOTHING
) -> list[tuple[Handoff, Objection | None]]:
    """Return every declared handoff of the state with what stands against it; None if nothing does."""
    if now.status != "running":
        return []
    return [
        (handoff, objection(compiled, now, handoff, holding=holding)) for handoff in compiled.states[now.state].exits
    ]


def objection(
    compiled: CompiledMachine,
    now: Configuration,
    handoff: Handoff,
    *,
    written: Context | None = None,
    holding: Amount = NOTHING,
) -> Objection | None:
    """Return why a declared handoff is not legal; None if it is.

    Args:
        written: the context that the agent's reply makes; None before the reply.
        holding: judge as if this much more were reserved.
    """
    way = compiled.handoffs[handoff]
    if way.is_guarded:
        answer = _foreseen(compiled, now, handoff) if written is None else compiled.holds(handoff, written)
        if not answer.holds:
            detail = answer.error or f"the guard of {way.name!r} does not hold"
            return Objection("guard", detail, is_raised=answer.error is not None)
    # a final state can always be entered: it makes no call, and the hop into it was kept
    return None if way.target is None else _cannot_enter(compiled, now, way.target, holding)


def _foreseen(compiled: CompiledMachine, now: Configuration, handoff: Handoff) -> GuardAnswer:
    """Judge a guard before the agent replies. If it reads a field that the agent will write, take it as open."""
    to_be_written = compiled.states[now.state].spec.written_names
    if not to_be_written:
        return compiled.holds(handoff, now.context)
    # Watched, not declared: a short circuit may decide a guard before it comes to such a field. And open, not closed:
    # the menu must not hide a handoff that the agent's own reply may yet allow. The reply is judged as written.
    reads: set[str] = set()
    answer = compiled.holds(handoff, watched(now.context, reads.add))
    return GuardAnswer(holds=True) if reads & to_be_written else answer


def _cannot_enter(
    compiled: CompiledMachine, now: Configuration, target: CompiledState, holding: Amount
) -> Objection | None:
    """Return which rule of gates, visits or affordability forbids entering a state; None if none does."""
    if target.name in now.shut:
        return Objection("shut", f"the agent of {target.name!r} is not available now")
    if now.visits.get(target.name, 0) >= target.max_visits:
        return Objection("visits", f"{target.name!r} has been visited {target.max_visits} times, which is its limit")
    # two hops: one into the state, and one that stays for landing, so that a run can always end
    if now.hops + 2 > compiled.most_hops:
        taken = f"{now.hops} of {compiled.most_hops} hops are taken"
        return Objection("hops", f"{taken} and the last one is kept for landing")
    # its first call, or its parts, are paid for before it is entered: no hop leads to an agent that cannot act
    if not now.ledger.affords(target.grant, beside=holding):
        return Objection("budget", f"{entry_of(target.state)} may take {in_words(target.grant, now.ledger.limit)}")
    if now.at >= compiled.deadline_s:
        return Objection("deadline", f"the deadline of {compiled.deadline_s:g} s has passed")
    return None
