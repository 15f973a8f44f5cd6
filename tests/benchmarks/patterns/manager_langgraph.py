"""A manager who looks up two things at once, and pays what a human approves, before it answers."""

from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain.tools import ToolRuntime, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from world import pay_back, status_of, stock_of

SAVER = InMemorySaver()


@tool
def refund(order: int, runtime: ToolRuntime) -> str:
    """Pay an order back."""
    return pay_back(order, str(runtime.tool_call_id))


def agent(model: Any) -> Any:
    """Return the agent."""
    return create_agent(
        model,
        tools=[tool(status_of), tool(stock_of), refund],
        system_prompt="Answer the customer.",
        middleware=[
            HumanInTheLoopMiddleware(interrupt_on={"refund": {"allowed_decisions": ["approve", "reject"]}}),
        ],
        checkpointer=SAVER,
    )


async def ask(model: Any, query: str, run_id: str) -> str | None:
    """Return the answer; None: a human is asked."""
    said = {"messages": [{"role": "user", "content": query}]}
    state = await agent(model).ainvoke(said, {"configurable": {"thread_id": run_id}})
    return None if "__interrupt__" in state else state["messages"][-1].content


async def tell(model: Any, run_id: str, *, is_yes: bool) -> str | None:
    """Go on with what the human said."""
    said = Command(resume={"decisions": [{"type": "approve" if is_yes else "reject"}]})
    state = await agent(model).ainvoke(said, {"configurable": {"thread_id": run_id}})
    return str(state["messages"][-1].content)
