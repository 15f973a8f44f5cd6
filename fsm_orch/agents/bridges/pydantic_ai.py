"""Agents of pydantic-ai as agents of states; needs the extra `pydantic-ai`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model as TheirModel
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings as TheirSettings
from pydantic_ai.usage import RequestUsage, UsageLimits

from ...define.source import qualified_name, where_called
from ...errors import VisitError
from ...messages import Message
from ..base import Visit
from .exchange import Answered, Exchange, Wanted, came, used
from .foreign import ForeignAgent, Options, unsayable


class PydanticAgent(ForeignAgent):
    """An `Agent` of pydantic-ai as the agent of a state.

        billing = State(PydanticAgent(app.billing, reads=Conv.query, writes=Conv.answer, calls=3), max_visits=2)

    It runs as it is, with its instructions, tools and retries. Its model is the state's; the handoffs are those of the
    state; what it puts out are the fields that the state writes, whatever its `output_type`. Its `deps` are the
    dependencies of the run. An agent that a tool of it runs has a model of its own, which nobody meters. Native tools,
    which a provider uses, fail the visit.

    Args:
        agent: as it is.
        options: what it reads and writes, its calls, caps, model, settings and window: see `Options`. Of the agent's
            own settings `tool_choice` and `parallel_tool_calls` alone count.
        version: told to the digest. Instructions that functions make cannot be read: change this when they change.

    It is taken for code, which after a crash does not act again unless its state is `repeatable`.

    Raises TypeError: if it is no agent, or has output validators, which would not run; or as an `LLMAgent`.
    Raises ValueError: as an `LLMAgent` does.
    """

    def __init__(self, agent: Agent[Any, Any], *, version: str = "", **options: Unpack[Options]) -> None:
        if not isinstance(agent, Agent):
            raise TypeError(f"PydanticAgent takes an Agent of pydantic-ai, not a {type(agent).__name__}")
        if wrong := [*_problems(agent)]:
            raise TypeError(f"PydanticAgent cannot take {agent.name or 'the agent'}: {'; '.join(wrong)}")
        super().__init__(
            "PydanticAgent",
            known_as=agent.name or "agent",
            acts=True,
            canonical={**_canonical(agent), "version": version},
            where=where_called(),
            **options,
        )
        self._agent = agent

    async def _run(self, visit: Visit[Any, Any], exchange: Exchange) -> None:
        with self._agent.override(model=_Metered(self, exchange)):
            await self._agent.run(
                self.asked(visit),
                output_type=str,
                deps=visit.deps,
                usage_limits=UsageLimits(request_limit=None),  # the visit counts them
                infer_name=False,
            )


class _Metered(TheirModel):
    """Their model, whose requests are those of a visit."""

    def __init__(self, agent: PydanticAgent, exchange: Exchange) -> None:
        super().__init__()
        self._asking = agent
        self._exchange = exchange

    @property
    def model_name(self) -> str:
        """The name of the visit's model."""
        return self._exchange.visit.model.name

    @property
    def system(self) -> str:
        """Whose model it is."""
        return "fsm_orch"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: TheirSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model of the visit."""
        set_, asked = model_settings or {}, model_request_parameters
        if asked.native_tools:
            names = ", ".join(type(tool).__name__ for tool in asked.native_tools)
            raise VisitError(
                f"{names} would be used by the provider, in a request that no other model has: leave it out"
            )
        shown = [*asked.function_tools, *asked.output_tools]
        wanted = Wanted(
            instructions="\n".join(_instructions(messages)),
            messages=tuple(_messages(messages)),
            tools=tuple(self._asking.tool(tool.name, tool.description, tool.parameters_json_schema) for tool in shown),
            must_use=set_.get("tool_choice") not in (None, "auto", "none"),
            is_list=set_.get("parallel_tool_calls") is not False,
        )
        return self._told(await self._exchange.ask(wanted))

    def _told(self, answered: Answered) -> ModelResponse:
        parts = list[Any]()
        for use in answered.uses:
            parts.append(ToolCallPart(use.name, dict(use.arguments), tool_call_id=self._exchange.next_id()))
        if not parts:
            parts.append(TextPart(answered.text))
        usage = RequestUsage()
        if answered.usage is not None:
            taken, written = answered.usage.input_tokens, answered.usage.output_tokens
            usage = RequestUsage(input_tokens=taken, output_tokens=written)
        return ModelResponse(parts=parts, usage=usage, model_name=self.model_name)


def _problems(agent: Agent[Any, Any]) -> Iterator[str]:
    """Yield what would be lost of an agent."""
    if getattr(agent, "_output_validators", ()):
        yield "it has output validators, which would not run: validate in the context, by a field_validator"
    for tool in _tools(agent):
        if tool.requires_approval:
            yield f"its tool {tool.name} needs approval: give it to an LLMAgent, Tool.of({tool.name}, approval=True)"
    yield from unsayable((tool.name, tool.description, tool.function_schema.json_schema) for tool in _tools(agent))


def _tools(agent: Agent[Any, Any]) -> Iterator[Any]:
    """Yield the tools that are known before a run: those of functions."""
    for toolset in agent.toolsets:
        yield from getattr(toolset, "tools", {}).values()


def _canonical(agent: Agent[Any, Any]) -> Mapping[str, Any]:
    # neither has a public name, and a digest without them would still be right where `version` is kept
    told = [getattr(each, "instruction", each) for each in getattr(agent, "_instructions", ())]
    said = [*getattr(agent, "_system_prompts", ()), *told]
    tools = [[tool.name, tool.description, tool.function_schema.json_schema] for tool in _tools(agent)]
    made = [qualified_name(tool.function) for tool in _tools(agent)]
    texts = [each if isinstance(each, str) else qualified_name(each) if callable(each) else None for each in said]
    return {"instructions": texts, "tools": tools, "functions": made}


def _instructions(messages: Sequence[ModelMessage]) -> Iterator[str]:
    """Yield what the model is told to do."""
    for message in messages:
        if not isinstance(message, ModelResponse):
            yield from (part.content for part in message.parts if isinstance(part, SystemPromptPart))
    told = next(
        (message.instructions for message in reversed(messages) if not isinstance(message, ModelResponse)), None
    )
    if told:
        yield told


def _messages(messages: Sequence[ModelMessage]) -> Iterator[Message]:
    """Yield what was said so far, but for instructions, in messages that any model takes."""
    for message in messages:
        for part in message.parts:
            match part:
                case UserPromptPart():
                    yield Message(role="user", content=_text(part.content))
                case ToolReturnPart():
                    yield came(part.model_response_str(), has_failed=part.outcome != "success")
                case RetryPromptPart():
                    yield came(part.model_response(), has_failed=True)
                case TextPart() if part.content:
                    yield Message(role="assistant", content=part.content)
                case ToolCallPart():
                    yield used(part.tool_name, part.args_as_dict())
                case _:  # such as a thought, which another model cannot be shown
                    pass


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part for part in content if isinstance(part, str))
