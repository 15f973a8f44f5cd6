"""openai-agents with its session in SQLite, which keeps what was said and done."""

from typing import Any

import with_openai_agents
from agents.tool_context import ToolContext
from side_world import send


def send_again(context: ToolContext[Any], order: int) -> str:
    """Send an order again."""
    return send(order, context.tool_call_id)


async def desk(url: str, database: str) -> Any:
    """Return what answers a question; asked again, it begins again, with what the session has kept."""
    return with_openai_agents.desk(url, database=database, tool=send_again)
