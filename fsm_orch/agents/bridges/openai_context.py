"""The context that openai-agents gives to a tool of its own; needs the extra `openai-agents`."""

from __future__ import annotations

from typing import Any

from agents.tool_context import ToolContext


def tool_context(name: str, arguments: str, *, key: str, deps: Any) -> Any:
    """Return the context of one use: the dependencies of the run, and the idempotency key as its `tool_call_id`.

    Args:
        arguments: as the text of a JSON object.
    """
    return ToolContext(context=deps, tool_name=name, tool_call_id=key, tool_arguments=arguments)
