"""The task with openai-agents: agents with handoffs, and a tool."""

from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, SQLiteSession, function_tool
from openai import AsyncOpenAI
from side_world import BILLING, KEY, MODEL, SHIPPING, TRIAGE, send_again


def desk(url: str, *, database: Any = None, tool: Any = send_again, config: Any = None, **options: Any) -> Any:
    """Return what answers a question."""
    model = OpenAIChatCompletionsModel(model=MODEL, openai_client=AsyncOpenAI(base_url=url, api_key=KEY))
    billing = Agent(name="billing", instructions=BILLING, model=model)
    shipping = Agent(name="shipping", instructions=SHIPPING, tools=[function_tool(tool)], model=model)
    triage = Agent(name="triage", instructions=TRIAGE, handoffs=[billing, shipping], model=model)
    billing.handoffs = shipping.handoffs = [triage]
    run_config = RunConfig(tracing_disabled=True, **(config or {}))

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str:
        session = SQLiteSession(run_id, database) if database else None
        result = await Runner.run(triage, question, run_config=run_config, session=session, **options)
        return str(result.final_output)

    return ask
