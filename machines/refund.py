"""Refunds: code checks a claim against the orders, a model asks to pay it back, and a human approves before it is paid.

    verify     code finds the order that the claim names; who claims for another order gets no further
    refund     a model sums up the reason and uses `pay_back`, which waits for a human, for a minute or for days
    tell       code looks into the till (`machines/till.py`), and tells what is true: not what a model believes
    paid, declined, which_order, open_claim

The pattern is a tool behind an approval. The order and the sum are no choice of the model: it is offered what `verify`
has found, and no more. Where nothing is left to a model, a `HumanAgent` and code that pays on its yes need no call
(`machines/travel.py`). Do not use it where the sum is small and the rule is clear: then a guard decides.

Proved of every run: nothing is paid for an order that was not found, and nobody is told "paid" who was not. That a tool
which needs approval is used after a yes alone is the kernel's to keep:

    fsm-orch check machines.refund
    fsm-orch run machines.refund "Order 1041 arrived broken, please send my money back"
"""

from __future__ import annotations

import re

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Tool, Visit, guard, never
from fsm_orch.agents import Changes
from machines.till import Payment, Till


class Claim(Context):
    """What a customer wants back, and what became of it."""

    query: str
    orders: tuple[int, ...] = ()
    cents: tuple[int, ...] = ()
    paid: bool = False
    answer: str | None = None


@guard
def is_found(claim: Claim) -> bool:
    return claim.orders != ()


@guard
def is_paid(claim: Claim) -> bool:
    return claim.paid


def find_order(visit: Visit[Claim, Till]) -> Changes:
    """Find the one order that the claim names."""
    named = map(int, re.findall(r"\d{4,9}", visit.context.query))
    known = tuple(number for number in named if number in visit.deps.orders)
    found = known if len(known) == 1 else ()
    return {Claim.orders: found, Claim.cents: tuple(visit.deps.orders[number] for number in found)}


def pay_back(order: int, cents: int, reason: str, *, key: str, deps: Till) -> str:
    """Pay an order back, for a reason."""
    return "paid" if deps.pay(order, Payment(cents, reason, key)) else "it was paid back before"


def tell_customer(visit: Visit[Claim, Till]) -> Changes:
    """Return what the till says."""
    (order,) = visit.context.orders
    payment = visit.deps.paid.get(order)
    told = payment and f"${payment.cents / 100:.2f} of order {order} are on their way back to you."
    return {Claim.paid: payment is not None, Claim.answer: told}


class Refunds(Machine[Claim, Till]):
    """Pay back what a human approves, and nothing else."""

    verify = State(find_order, reads=Claim.query, writes=(Claim.orders, Claim.cents), repeatable=True, initial=True)
    refund = State(
        LLMAgent(
            "Pay the order back. The reason, in one short sentence, is why the customer wants money back.",
            does="ask a colleague to pay orders back",
            reads=Claim.query,
            # repeatable, since the till pays once, and knows the key of who did
            tools=Tool(pay_back, approval=True, repeatable=True, choices={"order": Claim.orders, "cents": Claim.cents}),
            tool_first=True,
            asks=1,
            calls=3,
        ),
        timeout_s=30,
        expires_s=3 * 86_400,
    )
    tell = State(tell_customer, reads=Claim.orders, writes=(Claim.paid, Claim.answer), repeatable=True)
    paid = Final()
    which_order = Final(sets={Claim.answer: "Which order is it? Please write again, with the number of one order."})
    declined = Final(sets={Claim.answer: "We have looked at your claim, and cannot pay it back."})
    open_claim = Final(fallback=True, sets={Claim.answer: "We are looking at your claim, and will write to you."})

    known, unknown = verify.to(refund, guard=is_found), verify.to(which_order)
    decided = refund >> tell
    late = refund.on_timeout(open_claim)
    done, refused = tell.to(paid, guard=is_paid), tell.to(declined)

    limits = Limits(hops=3, tokens=6_912)
    policies = (
        never(refund.tool(pay_back)).before(known),
        never(refund.tool(pay_back)).when(~is_found),
        never(paid).when(~is_paid),
    )


def deps() -> Till:
    """Return a till with some orders; `fsm-orch` calls this."""
    return Till({1041: 4_900, 1042: 12_900, 2007: 1_500})
