"""The account of a thread: what its runs take of its limits when they begin, and what they leave when they end.

A thread is to its runs what a parent is to its children: what a run may spend is moved to it in the transaction that
stores its beginning, and what it was not charged comes back in the one that stores its end. So the sum of all runs
stays within the limits, however many of them are under way at once. Only overruns go beyond them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from ..amounts import Amount
from ..errors import TooLittleLeft
from ..kernel.begin import begin
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Started
from ..limits import Limits
from ..store.base import Store
from ..store.values import Hold
from .head import head_of
from .redaction import Redaction


class ThreadLeft(NamedTuple):
    """What the runs of a thread may still take; None: that is not limited."""

    tokens: int | None
    cost_usd: Decimal | None


def account_of(first: Started) -> str | None:
    """Return the account that a run takes from; None if it is of no thread, or its threads have no limits."""
    return None if first.thread_id is None or not first.limits.has_thread else _name(first.thread_id)


async def begun(
    store: Store,
    compiled: CompiledMachine,
    first: Started,
    epoch: int,
    *,
    redacted: frozenset[str] = frozenset(),
    is_queued: bool = False,
) -> Started:
    """Store the beginning of a run, and move to it what it may take of its thread. Return the beginning.

    Args:
        redacted: the names of the fields that the store does not keep.
        is_queued: nobody owns it then.

    Raises what the store raises.
    """
    account = account_of(first)
    while True:
        moved = first if account is None else _with(first, await store.taken(account))
        now = begin(compiled, moved).configuration
        kept = Redaction(compiled, redacted).stored((moved,), now) if redacted else (moved,)
        holds = () if account is None else _holds(account, first.limits, now)
        try:
            await store.append(
                *(first.run_id, 0, kept), head=head_of(compiled, now), epoch=epoch, holds=holds, is_queued=is_queued
            )
        except TooLittleLeft:  # another run of the thread came first, which has taken a part
            continue
        return moved


def _with(first: Started, taken: Amount) -> Started:
    """Return the beginning of a run with what its thread has left for it."""
    limits = first.limits
    return replace(
        first,
        tokens=_moved(limits.tokens, _left(limits.thread_tokens, taken.tokens)),
        cost=_moved(limits.cost_micros, _left(limits.thread_cost_micros, taken.cost)),
    )


def _holds(account: str, limits: Limits, now: Configuration) -> tuple[Hold, ...]:
    """Return what moves with the beginning of a run."""
    takes = Hold(account, _moved_to(now), most_tokens=limits.thread_tokens, most_cost=limits.thread_cost_micros)
    # one that lands at once has its end in the same input, and gives back in the same transaction
    return (takes, given_back(account, now)) if now.status == "finished" else (takes,)


def given_back(account: str, now: Configuration) -> Hold:
    """Return what the end of a run moves: what it had taken comes back, and what it was charged stays."""
    return Hold(account, takes=now.ledger.settled, gives=_moved_to(now))


async def left_of(store: Store, limits: Limits, thread_id: str) -> ThreadLeft:
    """Return what the runs of a thread may still take."""
    taken = await store.taken(_name(thread_id))
    cost = _left(limits.thread_cost_micros, taken.cost)
    return ThreadLeft(_left(limits.thread_tokens, taken.tokens), None if cost is None else Decimal(cost) / 1_000_000)


def _left(limit: int | None, taken: int) -> int | None:
    """Return what is left of a limit, after an overrun too; None if there is none."""
    return None if limit is None else max(0, limit - taken)


def _moved_to(now: Configuration) -> Amount:
    return Amount(now.ledger.limit.tokens, now.ledger.limit.cost or 0)


def _moved(limit: int | None, left: int | None) -> int | None:
    """Return what is moved to a run; None if that is its limit."""
    return left if left is not None and (limit is None or left < limit) else None


def _name(thread_id: str) -> str:
    return f"thread:{thread_id}"
