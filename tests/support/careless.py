"""Machines whose policies are broken behind a human, a nested machine, branches, a map and a tool."""

from __future__ import annotations

from typing import Any

from fsm_orch import Context, Final, Given, HumanAgent, LLMAgent, Machine, Map, Nested, Parallel, State, Visit, never


class Claim(Context):
    """What somebody wants back."""

    query: str
    many: Given[tuple[str, ...]] = ("a",)
    notes: tuple[str | None, ...] = ()
    note: str | None = None
    other: str | None = None
    receipt: str | None = None


def pay(visit: Visit[Any]) -> Any:
    """Stand for what must not be done in a test."""
    raise AssertionError("a played path ran an agent of the machine's own")


class Inner(Machine[Claim]):
    """A machine with a model and a human in it, that may end well or not."""

    ask = State(HumanAgent("Well?", reads=Claim.query, writes=Claim.note), initial=True)
    work = State(LLMAgent("Work.", reads=Claim.query, writes=Claim.note))
    good, other, bad = Final(), Final(), Final(fallback=True)
    to_work, skip = ask.to(work, "more"), ask.to(other, "enough")
    failed = ask.on_failure(work)
    done = work.to(good)


HUMAN = HumanAgent("Pay this back?", reads=Claim.query, writes=Claim.note)
NESTED = Nested(Inner, reads=Claim.query, writes=Claim.note)
BRANCHES = Parallel(
    State(pay, reads=Claim.query, writes=Claim.note), Nested(Inner, reads=Claim.query, take={Claim.other: Claim.note})
)


class Payment(Machine[Claim]):
    """A refund that is paid behind a human who said no."""

    approve = State(HUMAN, initial=True, expires_s=60)
    log = State(pay)
    refund = State(pay, reads=Claim.query, writes=Claim.receipt)
    paid, human = Final(), Final(fallback=True)
    yes, no = approve.to(refund, "pay"), approve.to(log, "decline")
    anyway = log.to(refund)
    late = approve.on_timeout(refund)
    done = refund.to(paid)
    policies = (never(refund).before(yes), never(late))


class Desk(Machine[Claim]):
    """Work that is paid whatever came of the machine inside."""

    work = State(NESTED, initial=True)
    fan = State(BRANCHES)
    each = State(
        Map(
            State(pay, reads=Claim.query, writes=Claim.note),
            over=Claim.many,
            item=Claim.query,
            into=Claim.notes,
            result=Claim.note,
            most=2,
        )
    )
    refund = State(pay, reads=Claim.query, writes=Claim.receipt)
    paid, human = Final(), Final(fallback=True)
    on, lost = work.to(fan), work.on_failure(fan)
    over, more = fan.to(each), each.to(refund)
    done = refund.to(paid)
    policies = (never(refund), never(paid).before(lost))
