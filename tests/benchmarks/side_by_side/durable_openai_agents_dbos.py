"""openai-agents with DBOS in SQLite: calls of the model and uses of the tool are steps of a workflow."""

from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, RunConfig, function_tool, handoff
from agents.tool_context import ToolContext
from dbos import DBOS, SetWorkflowID
from dbos_openai_agents import DBOSRunner
from openai import AsyncOpenAI
from side_world import BILLING, KEY, MODEL, SHIPPING, TRIAGE, send


@function_tool
@DBOS.step()
def send_again(context: ToolContext[Any], order: int) -> str:
    """Send an order again."""
    return send(order, context.tool_call_id)


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id; what is pending goes on by itself."""
    DBOS(config={"name": "desk", "system_database_url": f"sqlite:///{database}"})
    model = OpenAIChatCompletionsModel(model=MODEL, openai_client=AsyncOpenAI(base_url=url, api_key=KEY))
    billing = Agent(name="billing", instructions=BILLING, model=model)
    shipping = Agent(name="shipping", instructions=SHIPPING, tools=[send_again], model=model)
    # `handoff`, since the runner wraps agents that are given alone, and would follow this circle for ever
    triage = Agent(name="triage", instructions=TRIAGE, handoffs=[handoff(billing), handoff(shipping)], model=model)
    billing.handoffs = shipping.handoffs = [handoff(triage)]

    @DBOS.workflow()
    async def answer(question: str) -> str:
        result = await DBOSRunner.run(triage, question, run_config=RunConfig(tracing_disabled=True))
        return str(result.final_output)

    DBOS.launch()

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str:
        with SetWorkflowID(run_id):
            return await answer(question)

    return ask
