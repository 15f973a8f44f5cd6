"""Refunds: code checks a claim against the orders, a model asks to pay it back, and a human approves before it is paid.

    verify     code finds the order that the claim names; who claims for another order gets no further
    refund     a model sums up the reason and uses `pay_back`, which waits for a human, for a minute or for days
    tell       code looks into the till, and tells the customer what is true: not what a model believes
    paid, declined, open_claim

The pattern is a tool behind an approval. The order and the sum are no choice of the model: it is offered what `verify`
has found, and no more. Do not use it where nothing is left to a model: a state with a `HumanAgent`, and code that pays
on its yes, need no call (`machines/travel.py`).

Proved of every run: nothing is paid for an order that was not found, and nobody is told "paid" who was not. That a tool
which needs approval is used after a yes alone is the kernel's to keep:

    fsm-orch check machines.refund
    fsm-orch run machines.refund "Order 1041 arrived broken, please send my money back"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Tool, Visit, guard, never
from fsm_orch.agents import Changes


class Claim(Context):
    """What a customer wants back, and what became of it."""

    query: str
    orders: tuple[int, ...] = ()
    cents: tuple[int, ...] = ()
    verified: bool = False
    paid: bool = False
    answer: str | None = None


@guard
def is_verified(claim: Claim) -> bool:
    return claim.verified


@guard
def is_paid(claim: Claim) -> bool:
    return claim.paid


class Payment(NamedTuple):
    """What was paid back for an order, and why, under the key of the use that paid it."""

    cents: int
    reason: str
    key: str


@dataclass(frozen=True)
class Till:
    """The orders of a shop, and what was paid back: the world, of which a journal holds nothing."""

    orders: Mapping[int, int]
    """What was paid for each order, in cents."""
    paid: dict[int, Payment] = field(default_factory=dict)
    """What was paid back for each order: once, however often it is asked."""


def find_order(visit: Visit[Claim, Till]) -> Changes:
    """Find the one order that the claim names."""
    named = [int(number) for number in re.findall(r"\d{4,9}", visit.context.query)]
    known = tuple(number for number in named if number in visit.deps.orders)
    is_one = len(known) == 1
    return {
        Claim.verified: is_one,
        Claim.orders: known if is_one else (),
        Claim.cents: (visit.deps.orders[known[0]],) if is_one else (),
    }


def pay_back(order: int, cents: int, reason: str, *, key: str, deps: Till) -> str:
    """Pay an order back, for a reason."""
    known = deps.paid.setdefault(order, Payment(cents, reason, key))
    return "paid" if known.key == key else "it was paid back before"


def tell_customer(visit: Visit[Claim, Till]) -> Changes:
    """Return what the till says."""
    (order,) = visit.context.orders
    if (payment := visit.deps.paid.get(order)) is None:
        return {Claim.paid: False, Claim.answer: None}
    return {
        Claim.paid: True,
        Claim.answer: f"${payment.cents / 100:.2f} of order {order} are on their way back to you.",
    }


class Refunds(Machine[Claim, Till]):
    """Pay back what a human approves, and nothing else."""

    verify = State(find_order, reads=Claim.query, writes=(Claim.verified, Claim.orders, Claim.cents), initial=True)
    refund = State(
        LLMAgent(
            "Pay the order back. The reason, in one short sentence, is why the customer wants money back.",
            does="ask a colleague to pay orders back",
            reads=Claim.query,
            tools=Tool(pay_back, approval=True, repeatable=True, choices={"order": Claim.orders, "cents": Claim.cents}),
            tool_first=True,
            asks=1,
            calls=3,
        ),
        timeout_s=30,
        expires_s=3 * 86_400,
    )
    tell = State(tell_customer, reads=Claim.orders, writes=(Claim.paid, Claim.answer))
    paid = Final()
    declined = Final(sets={Claim.answer: "We have looked at your claim, and cannot pay it back."})
    open_claim = Final(fallback=True, sets={Claim.answer: "We are looking at your claim, and will write to you."})

    known = verify.to(refund, guard=is_verified)
    unknown = verify.to(declined)
    decided = refund >> tell
    late = refund.on_timeout(open_claim)
    done = tell.to(paid, guard=is_paid)
    refused = tell.to(declined)

    limits = Limits(hops=3, tokens=6_912)
    policies = (
        never(refund.tool(pay_back)).before(known),
        never(refund.tool(pay_back)).when(~is_verified),
        never(paid).when(~is_paid),
    )


@contextmanager
def deps() -> Iterator[Till]:
    """Yield a till with some orders; `fsm-orch` calls this."""
    yield Till({1041: 4_900, 1042: 12_900, 2007: 1_500})
