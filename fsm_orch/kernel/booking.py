"""The books of a visit: what its calls reserve, are charged and give back.

Each function takes a configuration and returns the next one with its records. Apart from the grant, which
`Course.enter` reserves, money moves here and nowhere else. Whether a run lands because of it is decided in `course`.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..amounts import NOTHING, Amount, Usage, is_count
from ..errors import StepError
from . import inputs, records
from .configuration import Configuration, Sent, VisitLog
from .engine import CompiledMachine, CompiledState
from .legal import visit_ends
from .models import provider_of
from .reasons import DenialReason
from .records import Record, Stamp
from .tagged import NO_TIME


class Books(Struct, frozen=True):
    """A configuration after its books were changed."""

    configuration: Configuration
    records: tuple[Record, ...] = ()


def stamp(compiled: CompiledMachine, now: Configuration) -> Stamp:
    """Return where and when a record is made, and how the ledger stands."""
    name, ledger = now.state, now.ledger
    settled, reserved, remaining = ledger.settled.tokens, ledger.reserved.tokens, ledger.remaining
    ahead = 0 if now.status == "finished" else now.ceiling - settled - reserved
    return Stamp(
        run_id=now.run_id,
        thread_id=now.thread_id,
        trace_id=now.trace_id,
        at=now.at,
        state=name,
        agent=compiled.agents.get(name),
        hops=now.hops,
        path=now.path,
        settled=settled,
        reserved=reserved,
        remaining=remaining,
        # never more than the ledger would still let through, however much the tables allow for
        ahead=0 if ahead < 0 else ahead if ahead < remaining else remaining,
        machine=compiled.name,
        root=compiled.root,
    )


def reserve(compiled: CompiledMachine, now: Configuration, event: inputs.CallReserved) -> Books:
    """Admit a call, or deny it; a denial holds for the rest of the visit.

    Raises StepError: if it is not the next call of the visit, or a number of tokens is negative.
    """
    if event.input_tokens < 0 or event.output_tokens < 0:
        raise StepError(
            f"call {event.call} would reserve {event.input_tokens} + {event.output_tokens} tokens: both are 0 or more"
        )
    visit, own = visit_of(now), compiled.states[now.state]
    amount = own.price.amount(event.input_tokens, event.output_tokens)
    reason = _denial(compiled, now, visit, own, event.call, amount)
    if reason is not None:
        # remembered: what was denied is not asked for again, neither as it was nor in smaller pieces
        denied = replace(now, visit=replace(visit, denied=reason))
        return Books(denied, (records.CallDenied(stamp=stamp(compiled, denied), call=event.call, reason=reason),))
    # Check and reservation are one synchronous step. With an `await` between them, two calls of one visit could both
    # pass the check while there is room for one, and together exceed the limit.
    model = now.models.get(now.state) if event.model is None else event.model
    admitted = replace(
        now,
        ledger=now.ledger.reserve(amount, instead_of=visit.grant),  # which the first call takes over
        visit=replace(
            visit,
            calls=event.call,
            grant=NOTHING,
            open={**visit.open, event.call: amount},
            sent={**visit.sent, event.call: Sent(model, now.at)},
        ),
    )
    record = records.CallReserved(
        stamp=stamp(compiled, admitted),
        call=event.call,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        model=model,
        provider=provider_of(model),
        waited_s=event.waited_s or NO_TIME,
    )
    return Books(admitted, (record,))


def _denial(
    compiled: CompiledMachine, now: Configuration, visit: VisitLog, own: CompiledState, call: int, amount: Amount
) -> DenialReason | None:
    """Return why a reservation is denied, or None. Call by call, a visit stays within `calls` times its grant.

    Raises StepError: if it is not the next call of the visit.
    """
    # the caller numbers its calls, so that a journal with one lost or doubled does not fold
    if call != visit.calls + 1:
        raise StepError(f"call {call} cannot be reserved: the next call of this visit is {visit.calls + 1}")
    if visit.denied is not None:
        return "repeated"
    if visit.calls >= own.spec.calls:
        return "calls"
    # in money too: within the caps on tokens, a call with more output and less input could cost more than the grant
    if amount.beyond(own.grant) is not NOTHING:
        return "call_limits"
    if not now.ledger.affords(amount, instead_of=visit.grant):
        return "budget"
    if now.at >= visit_ends(compiled, now) or now.at >= compiled.deadline_s:
        return "deadline"
    return None


def settle(compiled: CompiledMachine, now: Configuration, event: inputs.CallSettled) -> Books:
    """Charge a call for what it used; if that is not known, for its whole reservation.

    Raises StepError: if it is not open, or its usage is negative.
    """
    visit, call, usage = visit_of(now), event.call, event.usage
    held, sent = _held(visit, call), visit.sent[call]
    # what is not known may have been billed in full; with less, the bill could pass the limit unseen
    used = held if usage is None else _used(compiled, now, call, usage)
    charged = replace(
        now,
        ledger=now.ledger.settle(held, used),
        usage=now.usage + (usage or Usage(requests=1)),  # it was sent, even if nobody says what it used
        visit=_without(visit, call),
    )
    record = records.CallSettled(
        stamp=stamp(compiled, charged),
        call=call,
        usage=usage,
        tokens=used.tokens,
        cost=used.cost,
        overrun=charged.ledger.overrun.tokens - now.ledger.overrun.tokens,
        model=sent.model,
        provider=provider_of(sent.model),
        seconds=now.at - sent.at or NO_TIME,
        cause=event.cause,
    )
    return Books(charged, (record,))


def _used(compiled: CompiledMachine, now: Configuration, call: int, usage: Usage) -> Amount:
    # not left to the sum: a negative count beside a large one would add up to something plausible
    if usage.input_tokens < 0 or usage.output_tokens < 0 or usage.cached_input_tokens < 0:
        raise StepError(f"call {call} reports {usage}: counts are never negative")
    if usage.cached_input_tokens > usage.input_tokens:
        raise StepError(f"call {call} reports {usage}: what came from a cache is a part of the input")
    price = compiled.states[now.state].price.of(visit_of(now).sent[call].model)
    return price.amount(usage.input_tokens, usage.output_tokens, cached_input_tokens=usage.cached_input_tokens)


def release(compiled: CompiledMachine, now: Configuration, event: inputs.CallReleased) -> Books:
    """Release the reservation of a call that provably cost nothing; it still counts as one of the visit's calls.

    Raises StepError: if it is not open.
    """
    # `calls` is not lowered: a request that can never be sent could be tried without end
    visit, call = visit_of(now), event.call
    freed = replace(now, ledger=now.ledger.release(_held(visit, call)), visit=_without(visit, call))
    sent = visit.sent[call]
    record = records.CallReleased(
        stamp=stamp(compiled, freed),
        call=call,
        model=sent.model,
        provider=provider_of(sent.model),
        seconds=now.at - sent.at or NO_TIME,
        cause=event.cause,
    )
    return Books(freed, (record,))


def overspend(compiled: CompiledMachine, now: Configuration, event: inputs.Overspent) -> Books:
    """Charge what a call used beyond its reservation, after all of that was charged.

    Raises StepError: if it is nothing, or no numbers of tokens and micro-dollars.
    """
    if not (is_count(event.tokens) and is_count(event.cost)) or event.tokens + event.cost == 0:
        raise StepError(f"call {event.call} overspent what is no number of tokens and micro-dollars, or nothing at all")
    charged = replace(now, ledger=now.ledger.overspend(Amount(event.tokens, event.cost)))
    return Books(charged, (overspent(compiled, charged, event),))


def overspent(compiled: CompiledMachine, now: Configuration, event: inputs.Overspent) -> records.Overspent:
    """Return the record of what came to be known late."""
    return records.Overspent(
        stamp=stamp(compiled, now),
        source=event.source,
        visit=event.visit,
        call=event.call,
        tokens=event.tokens,
        cost=event.cost,
    )


def close(compiled: CompiledMachine, now: Configuration) -> Books:
    """Charge every call that is still open in full, and release a grant that no call took over."""
    # in full: nobody will report what such a call used, and a provider bills a request that it has begun
    made: list[Record] = []
    for call in tuple(visit_of(now).open):
        # without a cause: journals that are stored hold none, and must fold as they did
        settled = settle(compiled, now, inputs.CallSettled(call=call, usage=None, at=now.at))
        now = settled.configuration
        made += settled.records
    visit = visit_of(now)
    if visit.grant is not NOTHING:
        now = replace(now, ledger=now.ledger.release(visit.grant), visit=replace(visit, grant=NOTHING))
    return Books(now, tuple(made))


def visit_of(now: Configuration) -> VisitLog:
    """Return the visit that is under way."""
    assert now.visit is not None  # only a finished run has none, and it takes no inputs
    return now.visit


def _held(visit: VisitLog, call: int) -> Amount:
    held = visit.open.get(call)
    if held is None:
        raise StepError(f"call {call} is not open. Open calls: {sorted(visit.open)}")
    return held


def _without(visit: VisitLog, call: int) -> VisitLog:
    left = {other: held for other, held in visit.open.items() if other != call}
    return replace(visit, open=left, sent={other: visit.sent[other] for other in left})
