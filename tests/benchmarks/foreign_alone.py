"""What three frameworks do by themselves, and in a state, when a model goes wrong in the same four ways.

    python -m venv peers && peers/bin/pip install -e '.[openai-agents,langgraph,pydantic-ai,mcp,test]' anthropic
    PYTHONPATH=.:tests peers/bin/python tests/benchmarks/foreign_alone.py

A table for the docs: requests that were made, and how it ended. No key, no network: each framework asks a model of its
own kind that says the same for ever.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

from agents import Agent, ModelResponse, RunConfig, Usage, function_tool
from agents import Runner as TheirRunner
from agents.models.interface import Model
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import Command
from openai.types.responses import ResponseFunctionToolCall
from pydantic import Field
from pydantic_ai import Agent as PydanticAiAgent
from pydantic_ai.messages import ModelResponse as PydanticAiResponse
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from support.foreign import USES, Conv, agent_of, broken, order_status, support
from support.shop import use

from fsm_orch import Runner, ScriptedModel

STORIES: dict[str, tuple[str, dict[str, int]]] = {
    "it hands over to itself for ever": ("transfer_to_triage", {}),
    "it uses a tool for ever": ("order_status", {"order": 4711}),
    "it hands over to nobody": ("transfer_to_refunds", {}),
    "its tool raises": ("broken", {}),
}
OURS: dict[str, Any] = {
    "it hands over to itself for ever": {"handoff": "again", "answer": "x"},
    "it uses a tool for ever": use("order_status", order=4711),
    "it hands over to nobody": {"handoff": "refunds", "answer": "x"},
    "its tool raises": use("broken"),
}


class _Theirs(Model):
    def __init__(self, name: str, arguments: str) -> None:
        self.requests, self._name, self._arguments = 0, name, arguments

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        self.requests += 1
        call = ResponseFunctionToolCall(
            type="function_call", call_id=str(self.requests), name=self._name, arguments=self._arguments
        )
        return ModelResponse(output=[call], usage=Usage(requests=1), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


async def openai_agents(name: str, arguments: dict[str, int]) -> tuple[int, str]:
    """Return the requests of openai-agents by itself, and how it ended."""
    model = _Theirs(name, json.dumps(arguments))
    raises = function_tool(broken, failure_error_function=None)  # as in a state; by default the model is told a text
    triage: Any = Agent(name="triage", tools=[function_tool(order_status), raises])
    triage.handoffs = [triage]
    return await _ended(
        lambda: model.requests,
        TheirRunner.run(triage, "hello", run_config=RunConfig(model=model, tracing_disabled=True)),
    )


class _Chat(BaseChatModel):
    name_: str
    arguments: dict[str, int]
    asked: list[int] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "for ever"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        self.asked.append(1)
        call = {"name": self.name_, "args": self.arguments, "id": str(len(self.asked))}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])


async def langgraph(name: str, arguments: dict[str, int]) -> tuple[int, str]:
    """Return the requests of LangGraph by itself, and how it ended."""
    model = _Chat(name_=name, arguments=arguments)
    graph: Any = create_agent(model, tools=[order_status, broken])
    if name.startswith("transfer"):  # a node that goes where its model says, as langgraph-swarm has it

        async def triage(state: MessagesState) -> Any:
            said = await model.ainvoke("hello")
            return Command(goto=said.tool_calls[0]["name"].removeprefix("transfer_to_"))

        builder = StateGraph(MessagesState)
        builder.add_node("triage", triage)
        builder.set_entry_point("triage")
        graph = builder.compile()
    return await _ended(lambda: len(model.asked), graph.ainvoke({"messages": [("user", "hello")]}))


async def pydantic_ai(name: str, arguments: dict[str, int]) -> tuple[int, str]:
    """Return the requests of pydantic-ai by itself, and how it ended."""
    asked = list[int]()

    def says(messages: Any, info: AgentInfo) -> PydanticAiResponse:
        asked.append(1)
        return PydanticAiResponse(parts=[ToolCallPart(name, arguments)])

    def transfer_to_triage() -> str:
        """Hand over."""
        return "go on"

    tools = [order_status, broken, transfer_to_triage]
    agent: Any = PydanticAiAgent(FunctionModel(says), tools=tools)
    return await _ended(lambda: len(asked), agent.run("hello"))


async def _ended(requests: Callable[[], int], running: Any) -> tuple[int, str]:
    try:
        await running
    except Exception as error:
        return requests(), f"raises {type(error).__name__}"
    return requests(), "ends as if all were well"


async def in_a_state(framework: str, story: str) -> tuple[int, str]:
    """Return the requests of the same in a state of a machine, and how the run ended."""
    line = OURS[story]

    def says(request: Any) -> Any:
        has_tools = "reply" in request.schema["properties"]
        return {"reply": line} if has_tools and "reply" not in line else line

    model = ScriptedModel([says] * 20_000)
    result = await Runner(support(agent_of(framework)), model=model).run(Conv(query="hello"))
    landing = "" if result.landing is None else f" ({result.landing.reason})"
    return len(model.requests), f"lands in {result.state.name}{landing}"


ALONE = {"openai-agents": openai_agents, "langgraph": langgraph, "pydantic-ai": pydantic_ai}


def rows() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| what the model does | framework | alone | in a state, `calls=3`, `max_visits=2` |"
    yield "|---|---|---|---|"
    for story, (name, arguments) in STORIES.items():
        for framework, alone in (
            ("openai-agents", openai_agents),
            ("langgraph", langgraph),
            ("pydantic-ai", pydantic_ai),
        ):
            made, end = asyncio.run(alone(name, arguments))
            ours, landed = asyncio.run(in_a_state(framework, story))
            USES.clear()
            yield f"| {story} | {framework} | {made:,} requested, {end} | {ours} requested, {landed} |"


if __name__ == "__main__":
    logging.disable()
    for row in rows():
        print(row, flush=True)
