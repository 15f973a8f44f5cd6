"""Lenders: how a tool of another library is read and called, by what it has and not by its class.

A library does more around a call than to call: it may turn a failure into a text that looks like a result, ask a human,
or hand over. Here that would be lost without a word, so a tool with any of it is refused, and told all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from ..define.wording import kind_of
from ..errors import ToolFailed
from .lent import LentTool, lent
from .shortened import as_text

HANDS_OVER_TO = "__handoff_destination"
"""The key in the metadata of a LangChain tool that hands over: langgraph-swarm and langgraph-supervisor set it."""

_APPROVAL = "a human must approve it: give approval=True"
_NO_TEXT = "so a failure would be read as a result"


def lent_by(tool: Any, *, is_approved: bool) -> LentTool:
    """Return a tool of openai-agents, LangChain or pydantic-ai as a lent one.

    Args:
        is_approved: whether a human is going to approve each use.

    Raises TypeError: if it is none of these, or cannot be lent; says all that is in the way.
    """
    if _has(tool, "on_invoke_tool", "params_json_schema"):
        origin, problems, make = "openai-agents", _of_openai_agents(tool), _openai_agents
        needs_approval = getattr(tool, "needs_approval", False) is not False
    elif _has(tool, "ainvoke", "tool_call_schema"):
        origin, problems, make, needs_approval = "LangChain", _of_langchain(tool), _langchain, False
    elif _has(tool, "function_schema", "takes_ctx"):
        origin, problems, make = "pydantic-ai", _of_pydantic_ai(tool), _pydantic_ai
        needs_approval = bool(getattr(tool, "requires_approval", False))
    else:
        raise TypeError(
            f"Tool.of takes a FunctionTool of openai-agents, a BaseTool of LangChain or a Tool of pydantic-ai, "
            f"not {kind_of(tool)}: a function or a machine is given as it is, or by Tool(...)"
        )
    texts = {"name": getattr(tool, "name", None), "description": getattr(tool, "description", None) or ""}
    if no_text := [name for name, text in texts.items() if not isinstance(text, str)]:
        raise TypeError(f"{kind_of(tool)} of {origin} cannot be a tool: {' and '.join(no_text)} must be a text")
    wrong = [*problems, *([_APPROVAL] if needs_approval and not is_approved else [])]
    if wrong:
        raise TypeError(f"{tool.name} of {origin} cannot be a tool: {'; '.join(wrong)}")
    return make(tool)


def _has(tool: Any, *names: str) -> bool:
    # not `isinstance`, which asks the object for its class, and takes what it says for true
    try:
        return not issubclass(type(tool), type) and all(hasattr(tool, name) for name in names)
    except Exception:  # an object that raises when it is asked has none of them
        return False


def _of_openai_agents(tool: Any) -> Iterator[str]:
    """Yield what would be lost of a tool of openai-agents."""
    # a tool that is made by hand calls what it was given, and nothing catches what that raises
    is_wrapped = hasattr(tool.on_invoke_tool, "__agents_bind_function_tool__")
    is_told = getattr(tool, "_use_default_failure_error_function", True) or tool._failure_error_function is not None
    if getattr(tool, "_is_agent_tool", False):
        yield "it runs an agent, whose requests would not be metered: put that agent into a state"
    elif is_wrapped and is_told:
        yield f"it returns a text when it fails, {_NO_TEXT}: @function_tool(failure_error_function=None)"
    if getattr(tool, "is_enabled", True) is not True:
        yield "it has is_enabled=, which nobody would ask: leave it out, or put the tool into a state of its own"
    for name in ("tool_input_guardrails", "tool_output_guardrails"):
        if getattr(tool, name, None):
            yield f"it has {name}=, which would not run: check in the function, or by a guard"


def _openai_agents(tool: Any) -> LentTool:
    async def call(arguments: Mapping[str, Any], key: str, deps: Any) -> Any:
        from .bridges.openai_context import tool_context  # noqa: PLC0415 - an extra

        told = as_text(arguments)
        return await tool.on_invoke_tool(tool_context(tool.name, told, key=key, deps=deps), told)

    schema, timeout_s = tool.params_json_schema, getattr(tool, "timeout_seconds", None)
    return lent(tool.name, tool.description, schema, origin="openai-agents", call=call, timeout_s=timeout_s)


def _of_langchain(tool: Any) -> Iterator[str]:
    """Yield what would be lost of a tool of LangChain."""
    for name in ("handle_tool_error", "handle_validation_error"):
        if getattr(tool, name, False):
            yield f"it has {name}=, {_NO_TEXT}: leave it out"
    if getattr(tool, "return_direct", False):
        yield "it has return_direct=, and here a model reads each result: leave it out"
    if HANDS_OVER_TO in (getattr(tool, "metadata", None) or {}):
        yield "it hands over to another agent: write a handoff, triage.to(billing)"
    if injected := sorted(getattr(tool, "_injected_args_keys", ())):
        names = ", ".join(injected)
        yield f"it is given {names} by LangChain, which is not there: take it from deps, in a plain function"


def _langchain(tool: Any) -> LentTool:
    async def call(arguments: Mapping[str, Any], key: str, deps: Any) -> Any:  # noqa: ARG001
        returned = await tool.ainvoke(dict(arguments), config={"callbacks": []})
        if _has(returned, "goto", "update"):
            raise ToolFailed("it returned a Command, which nobody would follow: write a handoff, triage.to(billing)")
        return returned

    shown = tool.tool_call_schema
    schema = cast("type[BaseModel]", shown).model_json_schema() if isinstance(shown, type) else shown
    return lent(tool.name, tool.description, schema, origin="LangChain", call=call)


def _of_pydantic_ai(tool: Any) -> Iterator[str]:
    """Yield what would be lost of a tool of pydantic-ai."""
    if tool.takes_ctx:
        yield "it takes a RunContext, which is not there: take what it needs from deps, in a plain function"
    for name in ("prepare", "args_validator"):
        if getattr(tool, name, None) is not None:
            yield f"it has {name}=, which would not run: leave it out"


def _pydantic_ai(tool: Any) -> LentTool:
    async def call(arguments: Mapping[str, Any], key: str, deps: Any) -> Any:  # noqa: ARG001
        made = tool.function_schema
        returned = await made.call(made.validator.validate_python(dict(arguments)), None)
        if not _has(returned, "return_value", "content", "metadata"):
            return returned
        if returned.content or getattr(returned, "tools", None):
            raise ToolFailed("it returned a ToolReturn with more than its return_value, which would be lost")
        return returned.return_value  # and never its metadata, which no model is to read

    schema, timeout_s = tool.function_schema.json_schema, getattr(tool, "timeout", None)
    return lent(tool.name, tool.description, schema, origin="pydantic-ai", call=call, timeout_s=timeout_s)
