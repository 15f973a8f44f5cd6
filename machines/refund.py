"""Refunds: a model reads the claim, code checks it against the orders, a human approves it, and only then is it paid.

    read       a model sums up for the human why money is wanted back
    verify     code finds the order that the claim names; who claims for another order gets no further
    approve    a human decides, in a minute or in days: the run waits, and takes no time meanwhile
    refund     code pays, under a key that is the same however often it is tried

That nobody is paid without a yes, nor for an order that was not found, is proved of every run before the first one:

    fsm-orch check machines.refund
    fsm-orch run machines.refund "Order 1041 arrived broken, please send my money back"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit, guard, never
from fsm_orch.agents import Changes


class Claim(Context):
    """What a customer wants back, and what became of it."""

    query: str
    reason: str | None = None
    order: int | None = None
    cents: int = 0
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(claim: Claim) -> bool:
    return claim.verified


@dataclass(frozen=True)
class Till:
    """The orders of a shop, and what was paid back: the world, of which a journal holds nothing."""

    orders: Mapping[int, int]
    """What was paid for each order, in cents."""
    paid: dict[str, int] = field(default_factory=dict)
    """What was paid back, by key."""

    def pay_back(self, cents: int, *, key: str) -> None:
        """Pay once for each key, however often it is asked."""
        self.paid.setdefault(key, cents)


def find_order(visit: Visit[Claim, Till]) -> Changes:
    """Find the one order that the claim names."""
    named = [int(number) for number in re.findall(r"\d{4,9}", visit.context.query)]
    known = [number for number in named if number in visit.deps.orders]
    if len(known) != 1:
        return {Claim.verified: False, Claim.order: None, Claim.cents: 0}
    return {Claim.verified: True, Claim.order: known[0], Claim.cents: visit.deps.orders[known[0]]}


def pay(visit: Visit[Claim, Till]) -> Changes:
    """Pay it back, under the key of this visit."""
    claim = visit.context
    visit.deps.pay_back(claim.cents, key=visit.key)
    return {Claim.answer: f"${claim.cents / 100:.2f} of order {claim.order} are on their way back to you."}


class Refunds(Machine[Claim, Till]):
    """Pay back what a human approves, and nothing else."""

    read = State(
        LLMAgent(
            "In one short sentence, say why the customer wants money back.",
            does="sum up claims for a colleague",
            reads=Claim.query,
            writes=Claim.reason,
        ),
        initial=True,
        timeout_s=30,
    )
    verify = State(find_order, reads=Claim.query, writes=(Claim.verified, Claim.order, Claim.cents))
    approve = State(
        HumanAgent("Pay this back?", reads=(Claim.query, Claim.reason, Claim.order, Claim.cents)), expires_s=3 * 86_400
    )
    refund = State(pay, reads=(Claim.order, Claim.cents), writes=Claim.answer)
    paid = Final()
    declined = Final(sets={Claim.answer: "We have looked at your claim, and cannot pay it back."})
    open_claim = Final(fallback=True, sets={Claim.answer: "We are looking at your claim, and will write to you."})

    claimed = read >> verify
    known = verify.to(approve, guard=is_verified)
    unknown = verify.to(declined)
    yes, no = approve.to(refund, "pay it back"), approve.to(declined, "do not pay")
    late = approve.on_timeout(open_claim)
    done = refund >> paid

    limits = Limits(hops=4, tokens=4_608)
    policies = (never(refund).before(yes), never(refund).when(~is_verified))


@contextmanager
def deps() -> Iterator[Till]:
    """Yield a till with some orders; `fsm-orch` calls this."""
    yield Till({1041: 4_900, 1042: 12_900, 2007: 1_500})
