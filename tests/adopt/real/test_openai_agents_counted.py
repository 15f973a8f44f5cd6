"""Requests that hostile agents of openai-agents really make, against the numbers that are printed of them."""

import asyncio
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from support.counted import assuming, standing

pytest.importorskip("agents.run_config", reason="openai-agents is not installed; nox -s adopt installs it")

from agents import (
    Agent,
    AgentHooks,
    AgentOutputSchemaBase,
    AgentsException,
    Handoff,
    ModelResponse,
    ModelRetrySettings,
    ModelSettings,
    RunConfig,
    Runner,
    ToolsToFinalOutputResult,
    Usage,
    function_tool,
    handoff,
)
from agents.models.interface import Model
from agents.sandbox import SandboxAgent
from agents.sandbox.capabilities import Memory
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from fsm_orch.adopt import detect


class Says(Model):
    """Stand for a model that calls the first tool or handoff that it is given, and counts its requests."""

    def __init__(self) -> None:
        self.asked = 0

    async def get_response(self, *words: Any, **options: Any) -> ModelResponse:
        """Return a call of the first thing that can be called, else a text."""
        self.asked += 1
        named = [each.tool_name for each in options.get("handoffs", ())] + [
            each.name for each in options.get("tools", ())
        ]
        said: Any = (
            ResponseFunctionToolCall(type="function_call", name=named[0], arguments="{}", call_id=f"c{self.asked}")
            if named
            else ResponseOutputMessage(
                id="m",
                type="message",
                role="assistant",
                status="completed",
                content=[ResponseOutputText(type="output_text", text="done", annotations=[])],
            )
        )
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *words: Any, **options: Any) -> Any:
        """Raise, since nothing streams here."""
        raise NotImplementedError


class Twice(Says):
    """Asks its own model twice for one request."""

    async def get_response(self, *words: Any, **options: Any) -> ModelResponse:
        await super().get_response(*words, **options)
        return await super().get_response(*words, **options)


class Failing(Says):
    """Fails always, so that it is asked again by who is told to."""

    async def get_response(self, *words: Any, **options: Any) -> ModelResponse:
        self.asked += 1
        raise ConnectionError("gone")


model = Says()


async def ask_many(*_: Any, **more: Any) -> None:
    """Ask a model eleven times in a way that source does not show."""
    for _n in range(11):
        await getattr(model, "get_response")()  # noqa: B009 - hidden


class Hooks(AgentHooks[Any]):
    """Asks when an agent starts."""

    async def on_start(self, context: Any, agent: Any) -> None:
        await ask_many()


class Shape(AgentOutputSchemaBase):
    """Asks whether an answer is in order."""

    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return "shape"

    def json_schema(self) -> dict[str, Any]:
        return {}

    def is_strict_json_schema(self) -> bool:
        return False

    def validate_json(self, json_str: str) -> Any:
        model.asked += 11
        return "in order"


class Own(Agent[Any]):
    """Asks before it says what it is told."""

    async def get_system_prompt(self, run_context: Any) -> str:
        await ask_many()
        return "Answer."


async def told(context: Any, agent: Any) -> str:
    await ask_many()
    return "Answer."


async def prompted(data: Any) -> Any:
    await ask_many()
    return {"id": "p"}


async def is_enabled(context: Any, agent: Any) -> bool:
    await ask_many()
    return True


async def filtered(data: Any) -> Any:
    await ask_many()
    return data


async def ended(context: Any, results: Any) -> Any:
    await ask_many()
    return ToolsToFinalOutputResult(is_final_output=True, final_output="done")


async def handed(context: Any) -> None:
    await ask_many()


@function_tool
def look() -> str:
    """Look."""
    return "seen"


last: Agent[Any] = Agent(name="last", instructions="Answer.")


def triage(**options: Any) -> Agent[Any]:
    """Return an agent that hands off to the last one."""
    return Agent(name="a", instructions="Decide.", handoffs=[handoff(last, **options)])


async def invoked(context: Any, given: str) -> Agent[Any]:
    await ask_many()
    return busy


async def on_handoff(context: Any) -> None:
    """Stand beside `invoked`, which does not call it."""


busy: Agent[Any] = Agent(name="busy", instructions="Answer.", tools=[last.as_tool("ask", "Ask.")])
by_hand = handoff(last)
by_hand.on_invoke_handoff = invoked


HOSTILE: dict[str, tuple[Agent[Any], str]] = {
    "a hook": (Agent(name="a", instructions="Answer.", hooks=Hooks()), "1 hook of a"),
    "computed instructions": (Agent(name="a", instructions=told), "1 instructions function of a"),
    "a computed prompt": (Agent(name="a", prompt=prompted), "1 prompt function of a"),
    "who ends": (Agent(name="a", tools=[look], tool_use_behavior=ended), "1 tool_use_behavior function of a"),
    "a shape": (Agent(name="a", output_type=Shape()), "1 output_type class of a"),
    "a class of its own": (Own(name="a"), "own method"),
    "what runs on a handoff": (triage(on_handoff=handed), "1 on_handoff function of a"),
    "a filter": (triage(input_filter=filtered), "1 input_filter function of a"),
    "whether a handoff is enabled": (triage(is_enabled=is_enabled), "1 is_enabled function of a"),
    "a handoff by hand": (Agent(name="a", handoffs=[by_hand]), "1 handoff function of a"),
    "who is handed to by hand": (Agent(name="a", handoffs=[by_hand]), "last hands off to nobody, and has no agents"),
    "a model of its own": (
        Agent(name="a", model=Twice(), tools=[look]),
        "one request to a model for each that is asked of the client of a",
    ),
}


def run(agent: Agent[Any], asked: Says) -> int:
    """Return how many requests a run makes at most until it ends or is stopped."""
    before = model.asked
    mine = agent.model if isinstance(agent.model, Says) else asked
    given = RunConfig(model=None if mine is agent.model else mine, tracing_disabled=True)
    with suppress(AgentsException, ConnectionError):
        asyncio.run(Runner.run(agent, "hello", run_config=given))
    return (mine.asked if mine is not model else 0) + model.asked - before


@pytest.mark.parametrize("name", HOSTILE)
def test_what_asks_beside_the_turns_is_assumed_away(name: str) -> None:
    """A run makes more requests than its turns, and what is printed says where none was taken to be made."""
    agent, clause = HOSTILE[name]
    made, most = run(agent, Says()), standing(agent)

    assert most is not None
    assert made > most
    assert any(clause in said for said in assuming(agent)), assuming(agent)


def test_what_only_has_the_name_of_what_the_sdk_keeps_is_not_spoken_of() -> None:
    """Functions of a handoff by hand are looked at once, and others beside them in their module are not."""
    way: Any = Handoff(
        tool_name="go",
        tool_description="",
        input_json_schema={},
        on_invoke_handoff=invoked,
        agent_name="busy",
        is_enabled=is_enabled,
    )
    agent: Agent[Any] = Agent(name="a", handoffs=[way])

    assert any("in 1 is_enabled function of a" in said for said in assuming(agent))
    assert not any("on_handoff" in said for said in (*assuming(agent), *detect.read(agent, "agent").lost))


def test_requests_that_are_made_again_are_more() -> None:
    """Where retry settings say so, no number is said to be the most."""
    again = ModelSettings(
        retry=ModelRetrySettings(
            max_retries=11, backoff={"initial_delay": 0, "jitter": False}, policy=lambda given: True
        )
    )
    agent: Agent[Any] = Agent(name="a", instructions="Answer.", model_settings=again)
    made, most = run(agent, Failing()), standing(agent)

    assert most is not None
    assert made > most
    assert any("by the retry settings of a (up to 11 times)" in said for said in assuming(agent))


KNOWN = {
    Agent: {
        *("name", "handoff_description", "tools", "mcp_servers", "mcp_config", "instructions", "prompt", "handoffs"),
        *("model", "model_settings", "input_guardrails", "output_guardrails", "output_type", "hooks"),
        *("tool_use_behavior", "reset_tool_choice"),
    },
    SandboxAgent: {
        *("name", "handoff_description", "tools", "mcp_servers", "mcp_config", "instructions", "prompt", "handoffs"),
        *("model", "model_settings", "input_guardrails", "output_guardrails", "output_type", "hooks"),
        *("tool_use_behavior", "reset_tool_choice", "default_manifest", "base_instructions", "capabilities", "run_as"),
    },
    Handoff: {
        *("tool_name", "tool_description", "input_json_schema", "on_invoke_handoff", "agent_name", "input_filter"),
        *("nest_handoff_history", "strict_json_schema", "is_enabled"),
    },
}
"""What is read, or holds no code of the user's."""


@pytest.mark.parametrize("kind", KNOWN)
def test_no_other_field_may_hold_code(kind: Any) -> None:
    """One that is new there is to be read, or to be added to those that are harmless."""
    assert set() == {field.name for field in fields(kind) if not field.name.startswith("_")} - KNOWN[kind]


def test_a_memory_in_a_sandbox_is_more() -> None:
    """It is written by agents of the framework's own, each with turns of its own; one that is only read asks nobody."""
    writes, reads = (SandboxAgent(name="a", capabilities=[Memory(**given)]) for given in ({}, {"generate": None}))

    assert any("what the memory of a asks of models" in said for said in assuming(writes))
    assert not any("the memory of a" in said for said in assuming(reads))
    assert detect.read(reads, "x").nodes["a"].calls is None
