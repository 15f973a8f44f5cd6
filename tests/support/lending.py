"""Tools as other libraries make them: plain objects that have what such a tool has, and the libraries' own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from support.foreign import is_there

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "integer"}, "note": {"type": "string", "default": "none"}},
    "required": ["order"],
}


def order_status(order: int, note: str = "none") -> str:
    """Return where an order is."""
    if order < 0:
        raise ValueError("no such order")
    return f"{order}: {note}"


def of_openai_agents(function: Callable[..., Any] = order_status, **changes: Any) -> Any:
    """Return what looks like a `FunctionTool`, made with `failure_error_function=None`."""

    class Invoker:
        __agents_bind_function_tool__ = None

        async def __call__(self, context: Any, arguments: str) -> Any:
            import json

            SEEN.append(context)
            return function(**json.loads(arguments))

    has = {
        "name": "order_status",
        "description": "Return where an order is.",
        "params_json_schema": dict(SCHEMA),
        "on_invoke_tool": Invoker(),
        "is_enabled": True,
        "needs_approval": False,
        "tool_input_guardrails": None,
        "tool_output_guardrails": None,
        "timeout_seconds": None,
        "_use_default_failure_error_function": False,
        "_failure_error_function": None,
        "_is_agent_tool": False,
    }
    return SimpleNamespace(**has | changes)


def of_langchain(function: Callable[..., Any] = order_status, **changes: Any) -> Any:
    """Return what looks like a `BaseTool`."""

    async def ainvoke(arguments: dict[str, Any], config: Any) -> Any:
        assert {"callbacks": []} == config
        return function(**arguments)

    has = {
        "name": "order_status",
        "description": "Return where an order is.",
        "tool_call_schema": dict(SCHEMA),
        "ainvoke": ainvoke,
        "handle_tool_error": False,
        "handle_validation_error": False,
        "return_direct": False,
        "metadata": None,
        "_injected_args_keys": frozenset(),
    }
    return SimpleNamespace(**has | changes)


def of_pydantic_ai(function: Callable[..., Any] = order_status, **changes: Any) -> Any:
    """Return what looks like a `Tool` of pydantic-ai."""

    async def call(arguments: dict[str, Any], context: Any) -> Any:
        assert context is None
        return function(**arguments)

    validator = SimpleNamespace(validate_python=lambda given: given)
    has = {
        "name": "order_status",
        "description": "Return where an order is.",
        "function_schema": SimpleNamespace(json_schema=dict(SCHEMA), validator=validator, call=call),
        "takes_ctx": False,
        "requires_approval": False,
        "prepare": None,
        "args_validator": None,
        "timeout": None,
    }
    return SimpleNamespace(**has | changes)


SEEN: list[Any] = []
"""The contexts that tools of openai-agents were given."""


def with_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a context to give to a tool, if openai-agents is not there to make one."""
    if is_there("openai-agents"):
        return
    made = ModuleType("agents.tool_context")
    made.__dict__["ToolContext"] = SimpleNamespace
    monkeypatch.setitem(sys.modules, "agents", ModuleType("agents"))
    monkeypatch.setitem(sys.modules, "agents.tool_context", made)
    monkeypatch.delitem(sys.modules, "fsm_orch.agents.bridges.openai_context", raising=False)


def real(library: str) -> Any:
    """Return the tool that a library makes of a function."""
    if library == "openai-agents":
        from agents import function_tool

        return function_tool(order_status, failure_error_function=None, strict_mode=False)
    if library == "langgraph":
        from langchain_core.tools import tool

        return tool(order_status)
    from pydantic_ai import Tool as TheirTool

    return TheirTool(order_status)
