"""What the bridges refuse, by the frameworks themselves: what would be lost, and what would not be metered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.foreign import Conv, LoopAgent, is_there, order_status, support
from support.shop import use

from fsm_orch import Final, Limits, Machine, Message, Runner, ScriptedModel, State, Window
from fsm_orch.agents.bridges.exchange import Wanted
from fsm_orch.errors import VisitError

SOLVED = {"handoff": "solved", "answer": "It is packed."}


def there(framework: str) -> Any:
    """Return the mark of a test that needs a framework."""
    return pytest.mark.skipif(not is_there(framework), reason=f"no {framework}")


def landed(agent: Any, *script: Any, deps: Any = None) -> tuple[str, str, int]:
    """Run an agent in a state; gives where it ended, what the landing says, and how many requests were made."""
    model = ScriptedModel(script)
    result = Runner(support(agent), model=model).run_sync(Conv(query="hello"), deps=deps)
    return result.state.name, "" if result.landing is None else result.landing.detail, len(model.requests)


def test_a_foreign_agent_takes_what_an_llm_agent_takes() -> None:
    """Numbers and kinds are checked as there; it makes no summaries."""
    with pytest.raises(ValueError, match="needs 1 call or more"):
        LoopAgent(calls=0)
    with pytest.raises(ValueError, match="makes no summaries"):
        LoopAgent(window=Window(summary=True))
    with pytest.raises(TypeError, match="calls= is a whole number"):
        LoopAgent(calls="three")


def test_a_field_that_no_model_can_be_asked_for_is_found_though_it_is_code() -> None:
    """An agent with tools is taken for code, and a model writes its fields nevertheless."""
    from fsm_orch import Context, DefinitionError

    class Odd(Context):
        query: str
        found: tuple[()] = ()

    with pytest.raises(DefinitionError, match="FSM124"):

        class Desk(Machine[Odd]):
            """Help."""

            work = State(LoopAgent(order_status, reads=Odd.query, writes=Odd.found), initial=True)
            done, human = Final(), Final(fallback=True)
            solved = work.to(done, "it is solved")
            other = work.to(human, "anything else")


def test_a_framework_that_must_use_a_tool_needs_one_more_call() -> None:
    """The last call of a visit offers none, so it is not sent, and why is said."""

    class Must(LoopAgent):
        async def _run(self, visit: Any, exchange: Any) -> None:
            tools = (self.tool("look", "Look.", {"type": "object", "properties": {}}),)
            await exchange.ask(Wanted("Help.", (Message(role="user", content="?"),), tools, must_use=True))

    name, why, requests = landed(Must(calls=1), SOLVED)

    assert ("human", 0) == (name, requests)
    assert "it must use a tool, and the last call of a visit offers none: give the agent more calls" in why


def test_a_framework_that_never_asks_has_decided_nothing() -> None:
    """Its visit fails, and says so."""

    class Silent(LoopAgent):
        async def _run(self, visit: Any, exchange: Any) -> None:
            pass

    state, why, _ = landed(Silent(reads=Conv.query, writes=Conv.answer))

    assert "human" == state
    assert "'triage' ended, and asked no model that is metered" in why


def test_what_a_framework_raises_after_the_decision_undoes_it() -> None:
    """A guardrail behind the model, or a node, has the last word."""

    class Guarded(LoopAgent):
        async def _run(self, visit: Any, exchange: Any) -> None:
            await super()._run(visit, exchange)
            raise RuntimeError("tripped")

    state, why, requests = landed(Guarded(reads=Conv.query, writes=Conv.answer), SOLVED)

    assert ("human", 1) == (state, requests)
    assert "RuntimeError" in why


@there("openai-agents")
def test_the_bridge_of_openai_agents_refuses_what_would_be_lost() -> None:
    """All of it is said at once, by name."""
    from agents import Agent, WebSearchTool, function_tool

    from fsm_orch.agents.bridges.openai_agents import OpenAIAgent

    approved = function_tool(order_status, needs_approval=True)
    agent: Any = Agent(
        name="Triage",
        tools=[WebSearchTool(), approved],
        tool_use_behavior="stop_on_first_tool",
        prompt={"id": "pmpt_1"},
        mcp_servers=[object()],  # type: ignore[list-item]
    )
    with pytest.raises(TypeError) as refused:
        OpenAIAgent(agent)

    said = str(refused.value)
    assert said.startswith("OpenAIAgent cannot take 'Triage': ")
    assert 5 == len(said.split("; "))
    for name in ("mcp_servers=", "prompt=", "web_search", "order_status needs approval", "tool_use_behavior="):
        assert name in said


@there("openai-agents")
def test_the_bridge_of_openai_agents_meters_an_agent_among_the_tools() -> None:
    """Its requests are calls too; an output type gives way to the fields of the state, and a guardrail has its say."""
    from agents import Agent, GuardrailFunctionOutput, output_guardrail

    from fsm_orch.agents.bridges.openai_agents import OpenAIAgent

    @output_guardrail
    async def never(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=output, tripwire_triggered=True)

    inner: Any = Agent(name="inner", instructions="Inner.")
    outer: Any = Agent(name="outer", tools=[inner.as_tool("inner", "Ask it.")])
    agent = OpenAIAgent(outer.clone(output_type=int), reads=Conv.query, writes=Conv.answer)
    script = [use("inner", input="hello"), {"handoff": "again", "answer": "from inside"}, {"reply": SOLVED}]
    guarded = OpenAIAgent(outer.clone(output_guardrails=[never]), reads=Conv.query, writes=Conv.answer)

    assert ("done", "", 3) == landed(agent, *script)
    assert "human" == landed(guarded, {"reply": SOLVED})[0]


@there("openai-agents")
def test_the_bridge_of_openai_agents_tells_the_names_of_handoffs_and_gives_the_dependencies() -> None:
    """What its instructions call a handoff is said to be that of the machine; one that it does not have is not said."""
    from agents import Agent, RunContextWrapper, function_tool, handoff

    from fsm_orch.agents.bridges.openai_agents import OpenAIAgent

    seen = list[Any]()

    def look(context: Any) -> str:
        """Look."""
        seen.append(context.context)
        return "seen"

    look.__annotations__["context"] = RunContextWrapper[Any]  # not as a text, which would be read elsewhere
    other, gone = Agent[Any](name="Other"), Agent[Any](name="Gone")
    first = Agent[Any](name="First", tools=[function_tool(look)])
    first.handoffs = [handoff(other, tool_name_override="ask_other"), gone]

    class Desk(Machine[Conv, str]):
        """Help."""

        one = State(OpenAIAgent(first, reads=Conv.query, writes=Conv.answer), initial=True)
        two = State(OpenAIAgent(other, reads=Conv.query, writes=Conv.answer))
        done, human = Final(), Final(fallback=True)
        onward = one.to(two, "it is for another")
        solved = one.to(done, "it is solved")
        ended = two.to(done)
        limits = Limits(tokens=60_000)

    model = ScriptedModel([use("look"), {"reply": SOLVED}])
    result = Runner(Desk, model=model).run_sync(Conv(query="hello"), deps="the shop")

    assert result.state is Desk.done
    assert ["the shop"] == seen
    said = model.requests[0].messages[0].content
    assert "ask_other is the handoff onward." in said
    assert "Gone" not in said


@there("langgraph")
def test_the_bridge_of_langgraph_refuses_what_is_not_metered() -> None:
    """A model that can be seen is refused when the agent is made, any other of LangChain before it is asked."""
    from langchain.agents import create_agent
    from langchain_core.language_models import FakeListChatModel
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, MessagesState, StateGraph

    from fsm_orch.agents.bridges.langgraph import LangGraphAgent, MeteredChat

    def graph_of(node: Any, target: str = END) -> Any:
        builder: Any = StateGraph(MessagesState)
        builder.add_node("work", node)
        builder.add_edge(START, "work")
        builder.add_edge("work", target)
        return builder

    sent = list[int]()

    class Own(FakeListChatModel):
        def _call(self, *_: Any, **__: Any) -> str:
            sent.append(1)
            return "x"

    own = Own(responses=["x"])

    async def held(state: Any) -> Any:
        return {"messages": [await own.ainvoke(state["messages"])]}

    async def made(state: Any) -> Any:
        return {"messages": [await Own(responses=["x"]).ainvoke(state["messages"])]}

    async def none(state: Any) -> Any:
        return {}

    def waits_not(state: Any) -> Any:
        return {"messages": [MeteredChat().invoke(state["messages"])]}

    given: Any = {"reads": Conv.query, "writes": Conv.answer}
    with pytest.raises(TypeError, match="'work' has a Own, which is not metered: give the graph MeteredChat"):
        LangGraphAgent(graph_of(held).compile())
    with pytest.raises(TypeError, match="node 'model' has a Own"):
        LangGraphAgent(create_agent(own, tools=[]))
    with pytest.raises(TypeError, match="compile it without"):
        LangGraphAgent(graph_of(none).compile(checkpointer=InMemorySaver()))
    with pytest.raises(TypeError, match="takes a compiled graph"):
        LangGraphAgent(graph_of(none))

    assert "asks a chat model of its own" in landed(LangGraphAgent(graph_of(made).compile(), **given))[1]
    assert [] == sent
    assert "asked no MeteredChat" in landed(LangGraphAgent(graph_of(none).compile(), **given))[1]
    assert "GraphRecursionError" in landed(LangGraphAgent(graph_of(none, "work").compile(), **given))[1]
    assert "asked with await" in landed(LangGraphAgent(graph_of(waits_not).compile(), **given))[1]
    with pytest.raises(VisitError, match="has no model of its own"):
        asyncio.run(MeteredChat().ainvoke("hello"))


@there("langgraph")
def test_the_bridge_of_langgraph_meters_each_node_and_offers_no_handing_over() -> None:
    """Two nodes are two calls, the last decides; a tool that hands over is a handoff of the state, or nothing."""
    from langchain.agents import create_agent
    from langchain_core.tools import StructuredTool
    from langgraph.graph import START, MessagesState, StateGraph
    from pydantic import BaseModel

    from fsm_orch.agents.bridges.langgraph import LangGraphAgent, MeteredChat

    chat = MeteredChat()

    async def draft(state: Any) -> Any:
        return {"messages": [await chat.ainvoke(state["messages"])]}

    builder: Any = StateGraph(MessagesState)
    for name, source in (("draft", START), ("check", "draft")):
        builder.add_node(name, draft)
        builder.add_edge(source, name)
    two = LangGraphAgent(builder.compile(), reads=Conv.query, writes=Conv.answer)

    class Told(BaseModel):
        text: str

    def hand(order: int) -> str:
        """Hand over."""
        return ""

    tool = StructuredTool.from_function(hand, metadata={"__handoff_destination": "billing"})
    swarm = LangGraphAgent(create_agent(MeteredChat(), tools=[tool]), reads=Conv.query, writes=Conv.answer)
    structured: Any = create_agent(MeteredChat(), tools=[], response_format=Told)
    told = LangGraphAgent(structured, reads=Conv.query, writes=Conv.answer)

    assert ("done", "", 2) == landed(two, {"handoff": "again", "answer": "x"}, SOLVED)
    assert ("done", "", 1) == landed(swarm, SOLVED)
    assert "leave out response_format=" in landed(told, use("Told", text="x"))[1]


@there("pydantic-ai")
def test_the_bridge_of_pydantic_ai_refuses_what_would_be_lost() -> None:
    """Output validators, approval, and what a provider would run."""
    from pydantic_ai import Agent, Tool, WebSearchTool
    from pydantic_ai.capabilities import NativeTool

    from fsm_orch.agents.bridges.pydantic_ai import PydanticAgent

    validated: Any = Agent(name="one")
    validated.output_validator(lambda output: output)
    approved: Any = Agent(name="two", tools=[Tool(order_status, requires_approval=True)])
    native: Any = Agent(name="three", capabilities=[NativeTool(WebSearchTool())])
    with pytest.raises(TypeError, match="cannot take one: it has output validators"):
        PydanticAgent(validated)
    with pytest.raises(TypeError, match="cannot take two: its tool order_status needs approval"):
        PydanticAgent(approved)
    with pytest.raises(TypeError, match="takes an Agent of pydantic-ai, not a str"):
        PydanticAgent("openai:gpt-5-mini")  # type: ignore[arg-type]

    state, why, requests = landed(PydanticAgent(native, reads=Conv.query, writes=Conv.answer), SOLVED)
    assert ("human", 0) == (state, requests)
    assert "WebSearchTool" in why


@there("pydantic-ai")
def test_the_bridge_of_pydantic_ai_tells_instructions_retries_and_dependencies() -> None:
    """A tool that asks to be tried again is told as a failure; the fields of the state are asked for."""
    from pydantic import BaseModel
    from pydantic_ai import Agent, ModelRetry, RunContext

    from fsm_orch.agents.bridges.pydantic_ai import PydanticAgent

    class Out(BaseModel):
        number: int

    agent: Any = Agent(name="one", output_type=Out, deps_type=str, system_prompt="Be kind.", instructions="Help.")
    seen = list[str]()

    def look(ctx: Any) -> str:
        """Look."""
        seen.append(ctx.deps)
        raise ModelRetry("look again")

    look.__annotations__["ctx"] = RunContext[str]
    agent.tool(look)
    model = ScriptedModel([use("look"), {"reply": SOLVED}])

    class Desk(Machine[Conv, str]):
        """Help."""

        one = State(PydanticAgent(agent, reads=Conv.query, writes=Conv.answer), initial=True)
        done, human = Final(), Final(fallback=True)
        solved = one.to(done, "it is solved")
        other = one.to(human, "anything else")
        limits = Limits(tokens=60_000)

    result = Runner(Desk, model=model).run_sync(Conv(query="hello"), deps="the shop")

    assert result.state is Desk.done
    assert ["the shop"] == seen
    assert model.requests[0].messages[0].content.startswith("Be kind.\nHelp.\n")
    assert '{"failed":' == model.requests[1].messages[-1].content[:10]
    assert "number" not in str(model.requests[0].schema)
