"""A refund that a human approves: a model says why, code finds the order, a human decides, code pays."""

from typing import Any, Literal, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from world import DECLINED, order_in, pay_back


class Claim(TypedDict, total=False):
    claim_id: str
    query: str
    reason: str
    order: int | None
    answer: str


def graph(model: Any) -> Any:
    """Return the graph."""

    async def read(state: Claim) -> Claim:
        said = await model.ainvoke(f"Why is money wanted back?\n{state['query']}")
        return {"reason": said.content}

    async def verify(state: Claim) -> Command[Literal["approve", "declined"]]:
        order = order_in(state["query"])
        return Command(update={"order": order}, goto="declined" if order is None else "approve")

    async def approve(state: Claim) -> Command[Literal["refund", "declined"]]:
        said = interrupt({"question": "Pay this back?", "reason": state["reason"], "order": state["order"]})
        return Command(goto="refund" if said is True else "declined")

    async def refund(state: Claim) -> Claim:
        return {"answer": pay_back(state["order"], state["claim_id"])}

    async def declined(state: Claim) -> Claim:
        return {"answer": DECLINED}

    building = StateGraph(Claim)
    for node in (read, verify, approve, refund, declined):
        building.add_node(node)
    building.add_edge(START, "read")
    building.add_edge("read", "verify")
    building.add_edge("refund", END)
    building.add_edge("declined", END)
    return building.compile(checkpointer=SAVER)


SAVER = InMemorySaver()


async def ask(model: Any, query: str, claim_id: str) -> str | None:
    """Return the answer; None: a human is asked."""
    config = {"configurable": {"thread_id": claim_id}}
    state = await graph(model).ainvoke({"query": query, "claim_id": claim_id}, config)
    return state.get("answer")


async def tell(model: Any, claim_id: str, *, is_yes: bool) -> str | None:
    """Go on with what the human said."""
    config = {"configurable": {"thread_id": claim_id}}
    state = await graph(model).ainvoke(Command(resume=is_yes), config)
    return state.get("answer")
