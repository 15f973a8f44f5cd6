"""A refund that a human approves: a model says why, code finds the order, a human decides, code pays."""

from typing import Any

from agents import Agent, ModelSettings, Runner, RunState, function_tool
from agents.tool_context import ToolContext
from world import DECLINED, order_in, pay_back


@function_tool(needs_approval=True)
def refund(context: ToolContext[dict[str, Any]], reason: str) -> str:
    return pay_back(context.context["order"], context.tool_call_id)


def agent(model: Any) -> Agent[dict[str, Any]]:
    """Return the agent."""
    return Agent(
        name="refunds",
        instructions="Say why money is wanted back, and ask for the refund.",
        tools=[refund],
        model=model,
        model_settings=ModelSettings(tool_choice="required"),
        tool_use_behavior="stop_on_first_tool",
    )


STATES: dict[str, dict[str, Any]] = {}


async def ask(model: Any, query: str, claim_id: str) -> str | None:
    """Return the answer; None: a human is asked."""
    order = order_in(query)
    if order is None:
        return DECLINED
    result = await Runner.run(agent(model), query, context={"order": order}, max_turns=2)
    STATES[claim_id] = result.to_state().to_json()
    return None


async def tell(model: Any, claim_id: str, *, is_yes: bool) -> str | None:
    """Go on with what the human said."""
    own = agent(model)
    state = await RunState.from_json(own, STATES.pop(claim_id))
    if not is_yes:
        return DECLINED
    for asked in state.get_interruptions():
        state.approve(asked)
    result = await Runner.run(own, state)
    return str(result.final_output)
