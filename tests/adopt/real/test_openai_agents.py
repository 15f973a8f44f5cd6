"""What is read of openai-agents, against openai-agents itself: above all what could make a bound false."""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from support.read_graphs import the_edge, ways

pytest.importorskip("agents.run_config", reason="openai-agents is not installed; nox -s adopt installs it")

from adopt.examples.agents_triage import triage
from agents import Agent, Handoff, MaxTurnsExceeded, ModelResponse, RunConfig, Runner, Usage, handoff, input_guardrail
from agents.models.default_models import get_default_model
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall

from fsm_orch.adopt import openai_agents
from fsm_orch.adopt.examine import examine, is_bounded
from fsm_orch.adopt.graph import END, Graph
from fsm_orch.adopt.worst import as_it_stands
from fsm_orch.errors import Unreadable


class HandsOff(Model):
    """Stand for a model that hands off to `triage` for ever."""

    def __init__(self) -> None:
        self.asked = 0

    async def get_response(self, *words: Any, **options: Any) -> ModelResponse:
        """Return one handoff."""
        self.asked += 1
        call = ResponseFunctionToolCall(
            type="function_call", name="transfer_to_triage", arguments="{}", call_id=f"call_{self.asked}"
        )
        return ModelResponse(output=[call], usage=Usage(), response_id=None)

    def stream_response(self, *words: Any, **options: Any) -> Any:
        """Raise, since nothing streams here."""
        raise NotImplementedError


def read(agent: object) -> Graph:
    """Return what is read of an agent."""
    return openai_agents.read(agent, "agent")


def test_all_that_a_triage_reaches_is_read() -> None:
    """A handoff to itself, one with a condition, and none that is never enabled."""
    graph = read(triage)

    assert {"triage": {"triage", "billing", "tech", END}, "billing": {"triage", END}, "tech": {"triage", END}} == ways(
        graph
    )
    assert (the_edge(graph, "triage", "tech").condition or "").startswith("is_enabled=")
    assert "invoices, payments" == the_edge(graph, "triage", "billing").description
    assert ["triage: the handoff transfer_to_old is never enabled"] == [*graph.unused]
    assert "FSM601" in {found.code for found in examine(graph, "app.py:1")}


def test_the_cap_is_the_one_that_the_sdk_keeps() -> None:
    """A triage that hands off to itself makes as many requests as are counted, and then raises."""
    agent: Agent[Any] = Agent(name="triage", instructions="Decide.")
    agent.handoffs = [agent]
    model = HandsOff()

    with pytest.raises(MaxTurnsExceeded):
        asyncio.run(Runner.run(agent, "hello", run_config=RunConfig(model=model, tracing_disabled=True)))

    assert model.asked == as_it_stands(read(agent), lambda _: None).requests == 10


def test_an_agent_that_is_a_tool_has_turns_of_its_own() -> None:
    """Its requests are not bounded by max_turns, so no number is said and nothing is proved."""
    inner = Agent(name="inner", instructions="Look.")
    agent = Agent(name="outer", instructions="Ask.", tools=[inner.as_tool("look", "Look it up.")])

    graph = read(agent)

    assert ("outer: the tool look is an agent, whose requests are not counted",) == graph.outside
    assert not is_bounded(graph)
    assert as_it_stands(graph, lambda _: None).requests is None


def test_an_agent_that_is_a_tool_of_another_is_found() -> None:
    """It is said of whoever is reached, not of the first alone."""
    inner = Agent(name="inner", instructions="Look.")
    last = Agent(name="last", tools=[inner.as_tool("look", "Look it up.")])

    assert not is_bounded(read(Agent(name="first", handoffs=[last])))


def test_an_agent_without_a_model_has_that_of_the_sdk() -> None:
    """Which one it is, is said beside the number."""
    graph = read(Agent(name="plain", instructions="Answer."))

    assert f"openai:{get_default_model()}" == graph.nodes["plain"].model
    assert any("names no model" in clause for clause in graph.assumed)


def test_guardrails_are_an_assumption() -> None:
    """They may ask models, and no one looks into them."""

    @input_guardrail
    async def check(context: Any, agent: Any, text: Any) -> Any:
        """Check it."""

    graph = read(Agent(name="guarded", instructions="Answer.", input_guardrails=[check]))

    assert any("no request to a model in 1 guardrail of guarded" in clause for clause in graph.assumed)


def test_guardrails_that_ask_models_are_not_in_the_number() -> None:
    """They are seen by their source, so that what a run costs as it stands is said to be more."""

    @input_guardrail
    async def check(context: Any, agent: Any, text: Any) -> Any:
        """Check it by an agent."""
        return await Runner.run(triage, text)

    graph = read(Agent(name="guarded", instructions="Answer.", input_guardrails=[check, check]))

    assert ("what 2 guardrails of guarded ask of models",) == graph.uncounted
    assert as_it_stands(graph, lambda _: None).is_more
    assert not any("guardrail" in clause for clause in graph.assumed)


def test_what_runs_on_a_handoff_is_not_kept() -> None:
    """A handoff with an on_handoff says so, with an input or without; one without it does not."""
    one, two = (Agent(name=name, instructions="Answer.") for name in ("one", "two"))
    ways = [
        handoff(one, on_handoff=lambda context: None),
        handoff(two, tool_name_override="by_form", on_handoff=lambda context, given: None, input_type=str),
        handoff(two),
    ]
    graph = read(Agent(name="entry", instructions="Decide.", handoffs=ways))

    assert ["transfer_to_one", "by_form"] == [
        said.partition("on_handoff of ")[2].partition(";")[0] for said in graph.lost if "on_handoff" in said
    ]


def test_a_handoff_by_hand_is_known_by_its_name() -> None:
    """What that agent hands off to is not known, and is said to be taken as nothing."""
    target = Agent(name="hidden", handoffs=[Agent(name="deeper")])

    async def go(context: Any, text: str) -> Agent[Any]:
        return target

    by_hand: Any = Handoff(
        tool_name="go", tool_description="", input_json_schema={}, on_invoke_handoff=go, agent_name="hidden"
    )
    graph = read(Agent(name="first", handoffs=[by_hand]))

    assert {"first", "hidden"} == {*graph.nodes}
    assert any(clause.startswith("hidden hands off to nobody") for clause in graph.assumed)


def test_two_agents_of_one_name_are_two() -> None:
    """A number tells them apart."""
    one, other = Agent(name="same"), Agent(name="same")

    assert {"first", "same", "same 2"} == {*read(Agent(name="first", handoffs=[one, other])).nodes}


@pytest.mark.parametrize("name", ["_agent_ref", "tool_name", "is_enabled", "input_filter"])
def test_a_name_that_is_gone_is_named(name: str) -> None:
    """The error says the framework, its version and what was missing."""

    def get(thing: object, wanted: str) -> object:
        if wanted == name:
            raise AttributeError(name)
        return object.__getattribute__(thing, wanted)

    with (
        patch.object(Handoff, "__getattribute__", get),
        pytest.raises(
            Unreadable, match=rf"openai-agents cannot be read: Handoff has no '{name}', in openai-agents 0\."
        ),
    ):
        read(triage)


def test_what_is_private_is_there() -> None:
    """A tool that is an agent is told by a private name; one that is gone must fail here first."""
    tool = Agent(name="inner").as_tool("look", "Look it up.")

    assert tool._is_agent_tool
    assert get_default_model()
