"""Whether a run is the same to the world in two versions of its machine: where it stands, and what it holds and owes.

What the world cannot see may differ: what a visit has reserved for a first call that was not made, and what the whole
run may still be charged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...amounts import Allowance, Amount
from ...define.changes import journaled, values_of
from ...define.context import Context
from ...errors import ContextError
from ...kernel.configuration import Configuration, VisitLog
from ...kernel.renames import NO_RENAMES, Renames


class Differs(NamedTuple):
    """Something that is not the same in both versions."""

    what: str
    was: object = None
    now: object = ""
    place: str = ""
    """Of the machine inside; empty: the run itself."""

    def __str__(self) -> str:
        where = f" in {self.place!r}" if self.place else ""
        if (self.was, self.now) == _HIDDEN:
            return f"{self.what}{where} is another now"
        return f"{self.what}{where} {'are' if self.what.endswith('s') else 'is'} {self.now!r} now, and was {self.was!r}"


def difference(
    was: Configuration, now: Configuration, renames: Renames = NO_RENAMES, place: str = ""
) -> Differs | None:
    """Return what is not the same to the world in two configurations, at any level of the tree; None if nothing is.

    Args:
        was: of the old version.
        now: of the new one.
        place: where in the tree they are.
    """
    found = next((Differs(*each, place) for each in _pairs(was, now, renames) if each[1] != each[2]), None)
    if found is not None or was.visit is None or now.visit is None:
        return found
    return _in_asks(was, now, place)


Pair = tuple[str, object, object]
_HIDDEN = None, ""
"""What was, and what is, where neither is told, since it may be private."""


def _pairs(was: Configuration, now: Configuration, renames: Renames) -> Iterator[Pair]:
    yield "the state", renames.state(was.state), now.state
    yield "the end", (was.status, was.landing), (now.status, now.landing)
    yield "the number of hops", was.hops, now.hops
    yield "the visits", {renames.state(name): times for name, times in was.visits.items()}, dict(now.visits)
    yield from _in_context(was.context, now.context)
    if renames.said(was.messages) != now.messages:
        yield "the conversation", *_HIDDEN
    yield from _in_books(was, now)
    yield "the active time", was.at, now.at
    if was.visit is not None and now.visit is not None:
        yield from _in_visit(was.visit, now.visit)


def _in_books(was: Configuration, now: Configuration) -> Iterator[Pair]:
    yield "what it may spend", _told(was.ledger.limit), _told(now.ledger.limit)
    yield "what was charged", _told(was.ledger.settled), _told(now.ledger.settled)
    yield "the overrun", _told(was.ledger.overrun), _told(now.ledger.overrun)
    yield "what calls and parts hold", _told(_held(was)), _told(_held(now))
    yield "what was used", was.usage, now.usage


def _told(amount: Amount | Allowance) -> _Told:
    is_told = amount.cost is not None and (amount.cost > 0 or isinstance(amount, Allowance))
    return _Told(f"{amount.tokens:,} tokens" + (f" and {amount.cost:,} micro-dollars" if is_told else ""))


class _Told(str):
    """An amount in words, which is told without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _held(now: Configuration) -> Amount:
    """Return what is reserved, but for a grant: no call was made of it."""
    return now.ledger.reserved if now.visit is None else now.ledger.reserved - now.visit.grant


def _in_context(was: Context, now: Context) -> Iterator[Pair]:
    """Yield the fields that both have, as a journal holds them; a field that only one has, nobody has written."""
    if type(was) is type(now) and values_of(was) == values_of(now):
        return
    both = [name for name in type(was).__pydantic_fields__ if name in type(now).__pydantic_fields__]
    try:
        one, other = journaled(was, both), journaled(now, both)
    except ContextError as error:
        yield f"the context, which {error},", *_HIDDEN
        return
    # the name alone: what a field holds may be private
    changed = [name for name in both if one.get(name) != other.get(name)]
    if changed:
        yield f"{', '.join(changed)} of the context", *_HIDDEN


def _models(visit: VisitLog) -> dict[int, str | None]:
    return {call: sent.model for call, sent in visit.sent.items()}


def _in_visit(was: VisitLog, now: VisitLog) -> Iterator[Pair]:
    yield "the attempt", was.attempt, now.attempt
    yield "the number of calls", was.calls, now.calls
    yield "the open calls", dict(was.open), dict(now.open)
    yield "the models of open calls", _models(was), _models(now)
    yield "the denial of calls", was.denied, now.denied
    yield "the number of failures", was.failures, now.failures
    yield "the number of refusals", len(was.refusals), len(now.refusals)  # why is told by the version that goes on
    yield "the start of the visit", was.since, now.since
    yield "the number of asks", len(was.asks), len(now.asks)
    yield "whether a round is under way", was.round is not None, now.round is not None
    yield "what must be answered", was.is_answered, now.is_answered


def _in_asks(was: Configuration, now: Configuration, place: str) -> Differs | None:
    assert was.visit is not None
    assert now.visit is not None
    for number, ask in was.visit.asks.items():
        other = now.visit.asks[number]
        for name in ask.__struct_fields__:
            if name != "child" and getattr(ask, name) != getattr(other, name):
                return Differs(f"{_ASKS.get(name, name)} of ask {number}", place=place)
        if ask.child is None or other.child is None:
            if ask.child is not other.child:
                return Differs(f"the machine that runs for ask {number}", place=place)
            continue
        inside = f"{place}.{was.state}.{getattr(ask.request, 'part', '')}".removeprefix(".")
        if (found := difference(ask.child, other.child, NO_RENAMES, inside)) is not None:
            return found
    return None if was.visit.round == now.visit.round else Differs("the round", place=place)


_ASKS = {"is_gated": "whether a human has yet to approve", "ok": "whether all went well", "value": "the result"}
"""What may be another of an ask, in words."""
