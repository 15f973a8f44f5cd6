"""A triage of openai-agents that may hand off to itself; one way is conditional, one never enabled, one filtered."""

from typing import Any

from agents import Agent, ModelSettings, function_tool, handoff
from agents.extensions import handoff_filters


@function_tool
def invoice_of(number: int) -> str:
    """Look an invoice up."""
    return f"invoice {number}"


def in_hours(context: Any, agent: Any) -> bool:
    """Return whether somebody is there."""
    return True


billing = Agent(
    name="billing",
    instructions="Answer questions about invoices.",
    handoff_description="invoices, payments",
    model="gpt-4o",
    model_settings=ModelSettings(max_tokens=512),
    tools=[invoice_of],
)
tech = Agent(name="tech", instructions=lambda context, agent: "Answer.", model="gpt-4o")
old = Agent(name="old", model="gpt-4o")
triage: Agent[Any] = Agent(
    name="triage", instructions="Decide who answers.", handoff_description="decides who answers", model="gpt-4o"
)
triage.handoffs = [
    triage,
    billing,
    handoff(tech, is_enabled=in_hours, input_filter=handoff_filters.remove_all_tools),
    handoff(old, is_enabled=False),
]
billing.handoffs = [triage]
tech.handoffs = [triage]
