"""Agents that may use tools, for proofs: they are explored, and what they do in a run is the test's to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fsm_orch import Context, Final, Machine, State, Visit, after, at_most, eventually, guard, never
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.parts import ToolSpec


class Order(Context):
    """What is asked for, and what is known of it."""

    query: str
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(order: Order) -> bool:
    return order.verified


def work(visit: Visit[Order]) -> None:
    """Stand for any code."""


def look_up(order: int) -> str:
    """Look up an order."""
    raise NotImplementedError


def refund(order: int) -> str:
    """Pay it back."""
    raise NotImplementedError


class Clerk:
    """An agent that may use tools, each named like its function."""

    def __init__(self, *tools: Callable[..., Any], gated: tuple[Callable[..., Any], ...] = (), **spec: Any) -> None:
        specs = tuple(ToolSpec(name=one.__name__, approval=one in gated) for one in tools)
        spec = {"kind": "code", "asks": 2, **spec}
        self.spec = AgentSpec(name="Clerk", tools=specs, canonical={}, **spec)

    async def act(self, visit: Visit[Any]) -> Any:
        raise NotImplementedError


class Shop(Machine[Order]):
    """A clerk looks up orders, another checks who asks, and a third may pay back; one more must use its tool."""

    desk = State(Clerk(look_up), initial=True, max_visits=2)
    check = State(work, writes=Order.verified)
    till = State(Clerk(look_up, refund))
    must = State(Clerk(refund, must_ask=True))
    ask = State(Clerk(refund, gated=(refund,), must_ask=True))
    done, human = Final(), Final(fallback=True)
    to_check, back = desk.to(check), check.to(desk)
    verified = check.to(till, guard=is_verified)
    to_must, to_ask, end = till.to(must), must.to(ask), ask.to(done)

    policies = (
        never(till.tool(refund)).before(verified),
        never(till.tool(refund)).before(till.tool(look_up)),
        never(till.tool(refund)),
        never(till.tool(refund)).when(~is_verified),
        at_most(4, desk.tool(look_up)),
        at_most(3, desk.tool(look_up)),
        at_most(1, till.tool(look_up) | must.tool(refund)),
        eventually(must.tool(refund)),
        eventually(ask.tool(refund)),
        after(till.tool(look_up)).eventually(must.tool(refund)),
        after(till.tool(look_up)).eventually(ask.tool(refund)),
        never(desk.tool(look_up)).after(till),
        never(must).before(till.tool(look_up) | check),
    )


VERDICTS = {
    "never(till.tool(refund)).before(verified)": "holds",
    "never(till.tool(refund)).before(till.tool(look_up))": "violated",
    "never(till.tool(refund))": "violated",
    "never(till.tool(refund)).when(~is_verified)": "holds",
    "at_most(4, desk.tool(look_up))": "holds",
    "at_most(3, desk.tool(look_up))": "violated",
    "at_most(1, till.tool(look_up) | must.tool(refund))": "violated",
    "eventually(must.tool(refund))": "holds",
    "eventually(ask.tool(refund))": "violated",
    "after(till.tool(look_up)).eventually(must.tool(refund))": "holds",
    "after(till.tool(look_up)).eventually(ask.tool(refund))": "violated",
    "never(desk.tool(look_up)).after(till)": "holds",
    "never(must).before(till.tool(look_up) | check)": "holds",
}
"""By policy of the shop, what is true of it, found by hand."""
