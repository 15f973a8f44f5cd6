"""pydantic-ai with DBOS in SQLite: calls of the model and uses of the tool are steps of a workflow."""

from typing import Any

from dbos import DBOS, SetWorkflowID
from pydantic_ai import Agent, RunContext
from pydantic_ai.durable_exec.dbos import DBOSDurability
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from side_world import BILLING, KEY, MODEL, SHIPPING, TRIAGE, send


@DBOS.step()
def send_again(ctx: RunContext, order: int) -> str:
    """Send an order again."""
    return send(order, str(ctx.tool_call_id))


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id; what is pending goes on by itself."""
    DBOS(config={"name": "desk", "system_database_url": f"sqlite:///{database}"})
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=url, api_key=KEY))

    async def to_billing(ctx: RunContext) -> str:
        """Hand over to billing."""
        result = await billing.run(message_history=ctx.messages[:-1], usage=ctx.usage)
        return result.output

    async def to_shipping(ctx: RunContext) -> str:
        """Hand over to shipping."""
        result = await shipping.run(message_history=ctx.messages[:-1], usage=ctx.usage)
        return result.output

    async def to_triage(ctx: RunContext) -> str:
        """Hand back to triage."""
        result = await triage.run(message_history=ctx.messages[:-1], usage=ctx.usage)
        return result.output

    def agent(name: str, instructions: str, output_type: Any, *tools: Any) -> Agent[None, str]:
        made = {"name": name, "instructions": instructions, "output_type": output_type, "tools": tools}
        return Agent(model, **made, capabilities=[DBOSDurability()])

    triage = agent("triage", TRIAGE, [to_billing, to_shipping])
    billing = agent("billing", BILLING, [str, to_triage])
    shipping = agent("shipping", SHIPPING, [str, to_triage], send_again)

    @DBOS.workflow()
    async def answer(question: str) -> str:
        return (await triage.run(question)).output

    DBOS.launch()

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str:
        with SetWorkflowID(run_id):
            return await answer(question)

    return ask
