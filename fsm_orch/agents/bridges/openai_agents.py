"""Agents of openai-agents as agents of states, run by their own Runner; needs the extra `openai-agents`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, Unpack

from agents import Agent, FunctionTool, Handoff, ModelResponse, RunConfig, Runner
from agents import ModelSettings as TheirSettings
from agents import Usage as TheirUsage
from agents.models.interface import Model as TheirModel
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from ...define.source import qualified_name, where_called
from ...messages import Message, Role
from ..base import Visit
from .exchange import Answered, Destination, Exchange, Wanted, came, used
from .foreign import ForeignAgent, Options, unsayable


class OpenAIAgent(ForeignAgent):
    """An `Agent` of openai-agents as the agent of a state.

        triage = State(OpenAIAgent(app.triage, reads=Conv.query, writes=Conv.answer, calls=2), initial=True)

    Its own Runner runs it, with its instructions, tools, hooks and guardrails. Its model is the state's; its handoffs
    are those of the state, and no others are offered; what it puts out are the fields that the state writes, whatever
    its `output_type`. Its `context` is the dependencies of the run. What it decides last stands. An agent among its
    tools (`as_tool`) asks the same model, unless it has a `run_config` of its own: that, and a guardrail that asks a
    model, is not metered.

    Args:
        agent: as it is.
        options: what it reads and writes, its calls, caps, model, settings and window: see `Options`. Of the agent's
            own settings `tool_choice` and `parallel_tool_calls` alone count.

    With tools, hooks or guardrails it is taken for code, which after a crash does not act again unless its state is
    `repeatable`. What is added to the agent's tools later is not seen.

    Raises TypeError: if something of the agent would be lost or not be metered; says all of it. Or as an `LLMAgent`.
    Raises ValueError: as an `LLMAgent` does.
    """

    def __init__(self, agent: Agent[Any], **options: Unpack[Options]) -> None:
        if wrong := [*_problems(agent)]:
            raise TypeError(f"OpenAIAgent cannot take {agent.name!r}: {'; '.join(wrong)}")
        super().__init__(
            "OpenAIAgent",
            known_as=agent.name,
            acts=bool(agent.tools or agent.hooks or agent.input_guardrails or agent.output_guardrails),
            canonical=_canonical(agent),
            where=where_called(),
            **options,
        )
        # lists of its own: what is added to the agent later was neither looked at nor told to the digest
        self._agent = agent.clone(
            handoffs=[],
            output_type=None,
            tools=[*agent.tools],
            mcp_servers=[],
            input_guardrails=[*agent.input_guardrails],
            output_guardrails=[*agent.output_guardrails],
        )
        self._handing_over = dict(_handing_over(agent))

    async def _run(self, visit: Visit[Any, Any], exchange: Exchange) -> None:
        await Runner.run(
            self._agent,
            self.asked(visit),
            context=visit.deps,
            max_turns=self.spec.calls + 1,  # never less than what is metered
            run_config=RunConfig(model=_Metered(self, exchange, self._handing_over), tracing_disabled=True),
        )


class _Metered(TheirModel):
    """Their model, whose requests are those of a visit."""

    def __init__(self, agent: OpenAIAgent, exchange: Exchange, handing_over: Mapping[str, Destination]) -> None:
        self._agent = agent
        self._exchange = exchange
        self._handing_over = handing_over

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: TheirSettings,
        tools: list[Any],
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        """Ask the model of the visit."""
        wanted = Wanted(
            instructions=system_instructions or "",
            messages=tuple(_messages(input)),
            tools=tuple(self._agent.tool(tool.name, tool.description, tool.params_json_schema) for tool in tools),
            handing_over=self._handing_over,
            must_use=model_settings.tool_choice not in (None, "auto", "none"),
            is_list=model_settings.parallel_tool_calls is not False,
        )
        return self._told(await self._exchange.ask(wanted))

    def stream_response(self, *_: Any, **__: Any) -> NoReturn:
        """Raise NotImplementedError: a state runs its agent to its end."""
        raise NotImplementedError

    def _told(self, answered: Answered) -> ModelResponse:
        made = list[Any]()
        for use in answered.uses:
            written, call = json.dumps(use.arguments), self._exchange.next_id()
            made.append(ResponseFunctionToolCall(type="function_call", call_id=call, name=use.name, arguments=written))
        if not made:
            text = ResponseOutputText(type="output_text", text=answered.text, annotations=[])
            made.append(
                ResponseOutputMessage(id="said", type="message", role="assistant", status="completed", content=[text])
            )
        usage = TheirUsage(requests=1)
        if answered.usage is not None:
            taken, given = answered.usage.input_tokens, answered.usage.output_tokens
            usage = TheirUsage(requests=1, input_tokens=taken, output_tokens=given, total_tokens=taken + given)
        return ModelResponse(output=made, usage=usage, response_id=None)


def _problems(agent: Agent[Any]) -> Iterator[str]:
    """Yield what would be lost of an agent, or not be metered."""
    if agent.mcp_servers:
        yield "it has mcp_servers=, whose tools nobody knows before: give them to an LLMAgent, tools=MCP(...).tools()"
    if agent.prompt is not None:
        yield "it has prompt=, which OpenAI keeps: write instructions="
    for tool in agent.tools:
        if not isinstance(tool, FunctionTool):
            yield f"its tool {tool.name} is run by OpenAI, in a request that no other model has: leave it out"
        elif tool.needs_approval is not False:
            yield f"its tool {tool.name} needs approval: give it to an LLMAgent, Tool.of({tool.name}, approval=True)"
    yield from unsayable((tool.name, tool.description, tool.params_json_schema) for tool in _functions(agent.tools))
    if not isinstance(agent.tool_use_behavior, str) or agent.tool_use_behavior != "run_llm_again":
        yield "its tool_use_behavior= lets a tool have the last word, and a model decides: leave it out"


def _handing_over(agent: Agent[Any]) -> Iterator[tuple[str, Destination]]:
    for each in agent.handoffs:
        if isinstance(each, Handoff):
            yield each.tool_name, each.agent_name
        else:
            yield Handoff.default_tool_name(each), each.name


def _canonical(agent: Agent[Any]) -> Mapping[str, Any] | None:
    told = agent.instructions
    instructions = told if isinstance(told, str) or told is None else qualified_name(told)
    if told is not None and instructions is None:
        return None
    tools = [[tool.name, tool.description, tool.params_json_schema] for tool in _functions(agent.tools)]
    choice = agent.model_settings.tool_choice
    return {
        "instructions": instructions,
        "tools": tools,
        "tool_choice": choice if isinstance(choice, str) else None,
        "is_list": agent.model_settings.parallel_tool_calls is not False,
        "hands_over": [*map(list, _handing_over(agent))],
    }


def _functions(tools: Iterable[Any]) -> Iterator[FunctionTool]:
    return (tool for tool in tools if isinstance(tool, FunctionTool))


def _messages(said: str | list[Any]) -> Iterator[Message]:
    """Yield what was said so far, in messages that any model takes."""
    if isinstance(said, str):
        yield Message(role="user", content=said)
        return
    for item in said:
        part: Mapping[str, Any] = item if isinstance(item, Mapping) else item.model_dump()
        match part.get("type"):
            case "function_call":
                yield used(part["name"], json.loads(part["arguments"]))
            case "function_call_output":
                yield came(_text(part["output"]))
            case None | "message":
                role: Role = "assistant" if part["role"] == "assistant" else "user"
                yield Message(role=role, content=_text(part["content"]))
            case _:  # such as a reasoning, which another model cannot be shown
                pass


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in content)
