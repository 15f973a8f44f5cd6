"""The books of a visit: what its calls reserve, are charged and give back.

Each function takes a configuration and returns the next one with its records. Money moves here and nowhere else;
whether a run must land because of it is the kernel's to say.
"""

from __future__ import annotations

from typing import NamedTuple

from ..amounts import NOTHING, Allowance, Amount, Usage
from ..errors import StepError
from . import inputs, records
from .configuration import Configuration, VisitLog
from .engine import CompiledMachine
from .ledger import Ledger
from .reasons import DenialReason
from .records import Record, Stamp


class Books(NamedTuple):
    """A configuration after its books were changed."""

    configuration: Configuration
    records: tuple[Record, ...] = ()


def stamp(compiled: CompiledMachine, now: Configuration) -> Stamp:
    """Tell where and when a record is made, and how the ledger stands."""
    state, ledger = compiled.definition.states.get(now.state), now.ledger
    settled, reserved, remaining = ledger.settled.tokens, ledger.reserved.tokens, ledger.remaining
    return Stamp(
        run_id=now.run_id,
        thread_id=now.thread_id,
        trace_id=now.trace_id,
        at=now.at,
        state=now.state,
        agent=state.spec.name if state else None,
        hops=now.hops,
        settled=settled,
        reserved=reserved,
        remaining=remaining,
        ahead=0 if now.status == "finished" else max(0, min(now.ceiling - settled - reserved, remaining)),
    )


def reserve(compiled: CompiledMachine, now: Configuration, event: inputs.CallReserved) -> Books:
    """Admit a call, or refuse it once and for all.

    Raises StepError: if its number or its bounds make no sense.
    """
    if event.input_tokens < 0 or event.output_tokens < 0:
        raise StepError(f"call {event.call} would reserve {event.input_tokens} + {event.output_tokens} tokens")
    amount = compiled.prices[now.state].amount(event.input_tokens, event.output_tokens)
    reason = _denial(compiled, now, event.call, amount)
    if reason is not None:
        return _deny(compiled, now, event.call, reason)
    ledger = now.ledger.reserve(amount, instead_of=visit_of(now).grant)  # which the first call takes over
    return _reserved(compiled, now, event.call, amount, ledger, event.input_tokens, event.output_tokens)


def split(compiled: CompiledMachine, now: Configuration, event: inputs.Split) -> tuple[Books, Ledger | None]:
    """Admit the share of a child machine by the same rules as a call; returns its ledger too, None if refused.

    Raises StepError: if its number or its share makes no sense.
    """
    if event.tokens < 0 or event.cost < 0:
        raise StepError(f"child {event.call} would take {event.tokens} tokens and {event.cost} micro-dollars")
    share = Amount(event.tokens, event.cost)
    reason = _denial(compiled, now, event.call, share)
    if reason is not None:
        return _deny(compiled, now, event.call, reason), None
    ledger, child = now.ledger.split(share, instead_of=visit_of(now).grant)
    return _reserved(compiled, now, event.call, share, ledger, event.tokens, 0), child


def _deny(compiled: CompiledMachine, now: Configuration, call: int, reason: DenialReason) -> Books:
    denied = now._replace(visit=visit_of(now)._replace(is_denied=True))
    return Books(denied, (records.CallDenied(stamp=stamp(compiled, denied), call=call, reason=reason),))


def _reserved(
    compiled: CompiledMachine,
    now: Configuration,
    call: int,
    amount: Amount,
    ledger: Ledger,
    input_tokens: int,
    output_tokens: int,
) -> Books:
    visit = visit_of(now)
    admitted = now._replace(
        ledger=ledger, visit=visit._replace(calls=call, grant=NOTHING, open={**visit.open, call: amount})
    )
    record = records.CallReserved(
        stamp=stamp(compiled, admitted), call=call, input_tokens=input_tokens, output_tokens=output_tokens
    )
    return Books(admitted, (record,))


def _denial(compiled: CompiledMachine, now: Configuration, call: int, amount: Amount) -> DenialReason | None:
    """Say why a reservation is refused; a visit's worst case, `calls` times its grant, is kept call by call."""
    visit, largest = visit_of(now), compiled.grants[now.state]
    if call != visit.calls + 1:
        raise StepError(f"call {call} cannot be reserved: the next call of this visit is {visit.calls + 1}")
    if visit.is_denied:
        return "repeated"
    if visit.calls >= compiled.definition.states[now.state].spec.calls:
        return "calls"
    if not Allowance(largest.tokens, largest.cost).covers(amount):
        return "call_limits"
    if not now.ledger.affords(amount, instead_of=visit.grant):
        return "budget"
    if now.at >= compiled.limits.deadline_s:
        return "deadline"
    return None


def settle(compiled: CompiledMachine, now: Configuration, call: int, usage: Usage | None) -> Books:
    """Charge a call; without usage its whole reservation.

    Raises StepError: if it is not open, or its usage is negative.
    """
    held = _held(now, call)
    if usage is None:
        used = held
    elif usage.input_tokens < 0 or usage.output_tokens < 0:
        raise StepError(f"call {call} reports {usage}: counts are never negative")
    else:
        used = compiled.prices[now.state].amount(usage.input_tokens, usage.output_tokens)
    charged = now._replace(
        ledger=now.ledger.settle(held, used),
        usage=now.usage + (usage or Usage(requests=1)),
        visit=_without(now, call),
    )
    return _charged(compiled, charged, call, held, used, usage)


def merge(compiled: CompiledMachine, now: Configuration, call: int) -> Books:
    """Charge what a finished child settled, and free the rest of its share.

    Raises StepError: if there is no such child, or it has not finished.
    """
    child = now.children.get(call)
    if child is None or child.status != "finished":
        raise StepError(f"child {call} cannot be merged: {'it is ' + child.status if child else 'there is none'}")
    held = visit_of(now).open[call]
    merged = now._replace(
        ledger=now.ledger.merge(held, child.ledger),
        usage=now.usage + child.usage,
        visit=_without(now, call),
        children={other: c for other, c in now.children.items() if other != call},
        child_machines={other: name for other, name in now.child_machines.items() if other != call},
    )
    return _charged(compiled, merged, call, held, child.ledger.settled, child.usage)


def _charged(
    compiled: CompiledMachine, now: Configuration, call: int, held: Amount, used: Amount, usage: Usage | None
) -> Books:
    record = records.CallSettled(
        stamp=stamp(compiled, now),
        call=call,
        usage=usage,
        tokens=used.tokens,
        cost=used.cost,
        overrun=used.beyond(held).tokens,
    )
    return Books(now, (record,))


def release(compiled: CompiledMachine, now: Configuration, call: int) -> Books:
    """Give back the reservation of a call that provably cost nothing; it still counts as one of the visit's.

    Raises StepError: if it is not open.
    """
    freed = now._replace(ledger=now.ledger.release(_held(now, call)), visit=_without(now, call))
    return Books(freed, (records.CallReleased(stamp=stamp(compiled, freed), call=call),))


def close(compiled: CompiledMachine, now: Configuration) -> Books:
    """Charge every call that is still open in full, and give back a grant that no call took over."""
    made: list[Record] = []
    for call in tuple(visit_of(now).open):
        now, settled = settle(compiled, now, call, None)
        made += settled
    visit = visit_of(now)
    if visit.grant is not NOTHING:
        now = now._replace(ledger=now.ledger.release(visit.grant), visit=visit._replace(grant=NOTHING))
    return Books(now, tuple(made))


def visit_of(now: Configuration) -> VisitLog:
    """Give the visit that is under way."""
    assert now.visit is not None  # only a finished run has none, and it takes no inputs
    return now.visit


def _held(now: Configuration, call: int) -> Amount:
    held = visit_of(now).open.get(call)
    if call in now.children:
        raise StepError(f"call {call} carries a child: it is merged, not settled or released")
    if held is None:
        raise StepError(f"call {call} is not open. Open calls: {sorted(visit_of(now).open)}")
    return held


def _without(now: Configuration, call: int) -> VisitLog:
    visit = visit_of(now)
    return visit._replace(open={other: held for other, held in visit.open.items() if other != call})
