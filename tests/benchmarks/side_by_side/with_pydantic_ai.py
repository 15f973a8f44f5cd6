"""The task with pydantic-ai: output functions that hand over to another agent."""

from typing import Any

from pydantic_ai import Agent, RunContext, UsageLimits
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from side_world import BILLING, KEY, MODEL, SHIPPING, TRIAGE, send_again


def desk(url: str, *, limits: UsageLimits | None = None) -> Any:
    """Return what answers a question."""
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=url, api_key=KEY))

    async def to_billing(ctx: RunContext) -> str:
        """Hand over to billing."""
        result = await billing.run(message_history=ctx.messages[:-1], usage=ctx.usage, usage_limits=limits)
        return result.output

    async def to_shipping(ctx: RunContext) -> str:
        """Hand over to shipping."""
        result = await shipping.run(message_history=ctx.messages[:-1], usage=ctx.usage, usage_limits=limits)
        return result.output

    async def to_triage(ctx: RunContext) -> str:
        """Hand back to triage."""
        result = await triage.run(message_history=ctx.messages[:-1], usage=ctx.usage, usage_limits=limits)
        return result.output

    triage = Agent(model, instructions=TRIAGE, output_type=[to_billing, to_shipping])
    billing = Agent(model, instructions=BILLING, output_type=[str, to_triage])
    shipping = Agent(model, instructions=SHIPPING, output_type=[str, to_triage], tools=[send_again])

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str:
        result = await triage.run(question, usage_limits=limits)
        return result.output

    return ask
