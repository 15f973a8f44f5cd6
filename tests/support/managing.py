"""A manager: a model with three tools, one of which needs approval, and a machine to use, behind code that verifies."""

from __future__ import annotations

import asyncio
from typing import Any

from support.shop import Shorten

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Tool, Visit, at_most, guard, never


class Order(Context):
    """What a customer wants, and what is known of who asks."""

    query: str
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(order: Order) -> bool:
    return order.verified


def verify(visit: Visit[Order]) -> dict[Any, Any]:
    """Know those who say please."""
    return {Order.verified: "please" in visit.context.query}


async def status_of(order: int) -> str:
    """Return where an order is."""
    await asyncio.sleep(1)
    return f"{order} is shipped"


async def stock_of(item: str) -> int:
    """Return how many are left of an item."""
    await asyncio.sleep(1)
    return len(item)


async def refund(cents: int, *, key: str) -> str:
    """Pay money back."""
    await asyncio.sleep(1)
    return f"paid {cents} under {key}"


class Manager(Machine[Order]):
    """Answer customers, with help."""

    check = State(verify, reads=Order.query, writes=Order.verified, initial=True)
    manage = State(
        LLMAgent(
            "Answer.",
            does="answer customers",
            reads=Order.query,
            writes=Order.answer,
            tools=(status_of, stock_of, Tool(refund, approval=True), Tool(Shorten, most=2)),
            asks=4,
        ),
        timeout_s=30,
    )
    answered, human = Final(), Final(fallback=True)

    known = check.to(manage, guard=is_verified)
    unknown = check.to(human)
    done = manage.to(answered, "the customer is answered")
    not_ours = manage.to(human, "anything else")

    limits = Limits(tokens=18_432)
    policies = (
        never(manage.tool(refund)).before(known),
        never(manage.tool(refund)).when(~is_verified),
        at_most(4, manage.tool(refund)),
        at_most(4, manage.tool(status_of) | manage.tool(stock_of)),
        never(unknown).after(manage.tool(refund)),
    )
