"""A manager who looks up two things at once, and pays what a human approves, before it answers."""

from typing import Any

from agents import Agent, Runner, RunState, function_tool
from agents.tool_context import ToolContext
from world import pay_back, status_of, stock_of


@function_tool(needs_approval=True)
def refund(context: ToolContext[None], order: int) -> str:
    """Pay an order back."""
    return pay_back(order, context.tool_call_id)


def agent(model: Any) -> Agent[None]:
    """Return the agent."""
    return Agent(
        name="manager",
        instructions="Answer the customer.",
        tools=[function_tool(status_of), function_tool(stock_of), refund],
        model=model,
    )


STATES: dict[str, dict[str, Any]] = {}


async def ask(model: Any, query: str, run_id: str) -> str | None:
    """Return the answer; None: a human is asked."""
    result = await Runner.run(agent(model), query, max_turns=4)
    if not result.interruptions:
        return str(result.final_output)
    STATES[run_id] = result.to_state().to_json()
    return None


async def tell(model: Any, run_id: str, *, is_yes: bool) -> str | None:
    """Go on with what the human said."""
    own = agent(model)
    state = await RunState.from_json(own, STATES.pop(run_id))
    for asked in state.get_interruptions():
        state.approve(asked) if is_yes else state.reject(asked)
    return str((await Runner.run(own, state)).final_output)
