"""The four agents of the story, as its post-mortem tells of them: what each is told, and whom each may hand off to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUESTION = "recommend something"
"""What the customer asks: a question that belongs to no specialist."""

ANSWER = "We have the red wrap dress in S and M, at $39.20 today."
"""What a specialist says who answers."""

TOPICS: Mapping[str, str] = {
    "search": "finding products",
    "inventory": "sizes in stock",
    "pricing": "prices and discounts",
}
PROMPTS: Mapping[str, str] = {
    "triage": "You are the triage agent of a shop. Route the query to the most appropriate agent.",
    **{
        name: f"You answer a shop customer's questions about {topic} in one short sentence. "
        "If a question is not yours, hand it back."
        for name, topic in TOPICS.items()
    },
}
HANDOFFS: Mapping[str, tuple[str, ...]] = {"triage": ("triage", *TOPICS), **dict.fromkeys(TOPICS, ("triage",))}
"""Of the story: triage may hand off to anybody, itself included, and a specialist may hand back."""


def handoff_tool(agent: str) -> dict[str, Any]:
    """Return the tool by which a model hands off to an agent, as openai-agents sends it."""
    return {
        "type": "function",
        "name": f"transfer_to_{agent}",
        "description": f"Handoff to the {agent} agent to handle the request. ",
        "parameters": {"additionalProperties": False, "type": "object", "properties": {}, "required": []},
        "strict": True,
    }
