"""What becomes of an ask: it is answered, approved, or ends with the machine that it runs, whose money comes back.

Each function takes a configuration and returns the next one with its records. What that leads to, such as the end of
the round, is decided in `rounds`.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..amounts import NOTHING, Amount
from ..define.changes import journaled
from . import records
from .booking import Books, stamp, visit_of
from .configuration import Ask, Configuration, RoundLog
from .engine import CompiledMachine, CompiledPart
from .reasons import AskEnd
from .requests import RunPart

UNNEEDED = "it was no longer needed"


def part_of(compiled: CompiledMachine, now: Configuration, ask: Ask) -> CompiledPart:
    """Return the machine that an ask runs."""
    assert isinstance(ask.request, RunPart)
    return compiled.parts[now.state][ask.request.part]


def clock(now: Configuration, ask: Ask, child: Configuration) -> tuple[float, float]:
    """Return what time it is in a part, and by how much that is behind the machine that runs it."""
    if child.is_waiting:  # since it began to wait, no time has passed in it
        return child.at, now.at - child.at
    at = now.at - ask.since
    return (at if at > child.at else child.at), ask.since


def conclude(
    compiled: CompiledMachine,
    now: Configuration,
    number: int,
    end: AskEnd,
    *,
    ok: bool,
    value: Any,
    id: str = "",
    who: str | None = None,
    charged: Amount = NOTHING,
) -> Books:
    """Close an ask.

    Args:
        charged: what a part has settled.
    """
    ask = visit_of(now).asks[number]
    closed = replace(ask, end=end, ok=ok, value=value, id=id, who=who, child=None, is_gated=False)
    now = put(now, number, ask, closed)
    record = records.Answered(
        stamp=stamp(compiled, now), ask=number, end=end, ok=ok, who=who, tokens=charged.tokens, cost=charged.cost
    )
    return Books(now, (record,))


def approve(compiled: CompiledMachine, now: Configuration, number: int, *, id: str, who: str | None) -> Books:
    """Let a tool be used that a human had to approve."""
    ask = visit_of(now).asks[number]
    now = put(now, number, ask, replace(ask, is_gated=False, id=id, who=who))
    return Books(now, (records.Approved(stamp=stamp(compiled, now), ask=number, who=who),))


def keep(
    compiled: CompiledMachine,
    now: Configuration,
    number: int,
    child: Configuration,
    *,
    ask: Ask,
    since: float,
    is_needed: bool = True,
) -> Books:
    """Keep where a part stands. One that has ended gives back what is left of its share, and its end is its answer.

    Args:
        ask: which runs it, as it stands.
        since: by how much its time is behind that of the machine that runs it.
        is_needed: whether its end tells its agent anything.
    """
    if child.status != "finished":
        return Books(put(now, number, ask, replace(ask, child=child, since=since)))
    merged = replace(now, ledger=now.ledger.merge(ask.share, child.ledger), usage=now.usage + child.usage)
    charged = child.ledger.settled
    if not is_needed:
        return conclude(compiled, merged, number, "unneeded", ok=False, value=UNNEEDED, charged=charged)
    definition = part_of(compiled, now, ask).compiled.definition
    if child.landing is None and not definition.finals[child.state].fallback:
        context = journaled(child.context, type(child.context).__pydantic_fields__)
        value = {"state": child.state, "context": context}
        return conclude(compiled, merged, number, "finished", ok=True, value=value, charged=charged)
    failed = {"state": child.state, "landing": child.landing}
    return conclude(compiled, merged, number, "finished", ok=False, value=failed, charged=charged)


def put(now: Configuration, number: int, was: Ask, ask: Ask) -> Configuration:
    """Return a configuration in which an ask of its round is another than it was."""
    visit = visit_of(now)
    log, held = visit.round, visit.asks.put(number, ask)
    assert log is not None  # outside of a round nothing is open
    waiting, over = _waits(ask) - _waits(was), was.end is None and ask.end is not None
    if not waiting and not over:
        return replace(now, visit=replace(visit, asks=held))
    is_answered = visit.is_answered or (over and ask.end != "unneeded")
    return replace(
        now, visit=replace(visit, asks=held, round=_counted(log, ask, waiting, over), is_answered=is_answered)
    )


def _counted(log: RoundLog, ask: Ask, waiting: int, over: bool) -> RoundLog:
    return replace(
        log,
        waiting=log.waiting + waiting,
        succeeded=log.succeeded + (over and ask.ok),
        failed=log.failed + (over and not ask.ok),
    )


def _waits(ask: Ask) -> bool:
    if ask.child is not None:  # of a part while it runs
        return ask.child.is_waiting
    return ask.end is None and ask.is_asking_human
