"""What a foreign agent does to get round its meter, its bounds or a human: by the frameworks, and by plain ones."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from support.foreign import EACH, Conv, LoopAgent, agent_of, is_there, order_status, support
from test_bridges import decides, run

from fsm_orch import Message
from fsm_orch.agents.bridges.exchange import Exchange, Wanted

SOLVED = {"handoff": "solved", "answer": "It is packed."}
GIVEN: dict[str, Any] = {"reads": Conv.query, "writes": Conv.answer}


class Tree(BaseModel):
    """What holds itself."""

    name: str
    kids: list[Tree] = []


each = pytest.mark.parametrize("framework", EACH)
with_graphs = pytest.mark.skipif(not is_there("langgraph"), reason="no langgraph")


def graph(*nodes: Any, **options: Any) -> Any:
    """Return a graph of nodes that run one after the other."""
    from langgraph.graph import END, START, MessagesState, StateGraph

    builder: Any = StateGraph(MessagesState)
    names = [f"node_{number}" for number in range(len(nodes))]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder.compile(**options)


async def asks(state: Any) -> dict[str, Any]:
    """Ask the model of the visit, as a node does."""
    from fsm_orch.agents.bridges.langgraph import MeteredChat

    return {"messages": [await MeteredChat().ainvoke(state["messages"])]}


@each
def test_an_empty_text_is_a_decision_and_nobody_asks_again(framework: str) -> None:
    """A framework may take an empty text for no answer; it is told the fields instead, and what was decided stands."""
    empty = decides({"handoff": "solved", "answer": ""})
    result, model = run(support(agent_of(framework)), empty, *[decides(SOLVED)] * 3)

    assert ("done", "") == (result.state.name, result.context.answer)
    assert 1 == len(model.requests)


@pytest.mark.parametrize("said", ["", "  \n"])
def test_a_framework_is_never_told_an_empty_text(said: str) -> None:
    """Whichever framework it is."""
    told = list[str]()

    class Once(LoopAgent):
        async def _run(self, visit: Any, exchange: Exchange) -> None:
            told.append((await exchange.ask(Wanted("Help.", (Message(role="user", content="?"),)))).text)

    result, _ = run(support(Once(**GIVEN)), {"handoff": "solved", "answer": said})

    assert "done" == result.state.name
    assert [True] == [bool(text.strip()) for text in told]


@with_graphs
@pytest.mark.parametrize("way", ["sync", "in a thread", "callbacks", "stream", "llm"])
def test_a_graph_asks_no_chat_model_of_its_own_however_it_does_it(way: str) -> None:
    """It fails before the request is sent: without await, in a thread of LangChain, with callbacks of its own."""
    from langchain_core.language_models.fake import FakeListLLM
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    from fsm_orch.agents.bridges.langgraph import LangGraphAgent

    sent = list[str]()

    class Own(FakeListChatModel):
        def _call(self, *_: Any, **__: Any) -> str:
            sent.append(way)
            return "own"

        def _stream(self, *_: Any, **__: Any) -> Any:
            sent.append(way)
            return super()._stream(*_, **__)

    class Plain(FakeListLLM):
        def _call(self, *_: Any, **__: Any) -> str:
            sent.append(way)
            return "own"

    held: dict[str, Any] = {"own": Own(responses=["own"]), "llm": Plain(responses=["own"])}  # not seen when it is built

    async def node(state: Any) -> dict[str, Any]:
        match way:
            case "sync":
                held["own"].invoke("?")
            case "callbacks":
                await held["own"].ainvoke("?", config={"callbacks": []})
            case "stream":
                _ = list(held["own"].stream("?", config={"callbacks": []}))
            case _:
                held["llm"].invoke("?")
        return await asks(state)

    def blocks(state: Any) -> dict[str, Any]:
        held["own"].invoke(state["messages"])
        return {}

    made = graph(blocks, asks) if way == "in a thread" else graph(node)
    result, model = run(support(LangGraphAgent(made, **GIVEN)), SOLVED)

    assert "asks a" in (result.landing.detail if result.landing else "")
    assert ([], 0) == (sent, len(model.requests))


@with_graphs
def test_a_graph_is_answered_by_its_own_run_and_never_from_a_cache() -> None:
    """LangChain may keep answers for the whole process: here they would be those of another run."""
    from langchain_core.caches import InMemoryCache
    from langchain_core.globals import set_llm_cache

    from fsm_orch.agents.bridges.langgraph import LangGraphAgent

    machine = support(LangGraphAgent(graph(asks), **GIVEN))
    set_llm_cache(InMemoryCache())
    try:
        answers = [run(machine, SOLVED | {"answer": said})[0].context.answer for said in ("first", "second")]
    finally:
        set_llm_cache(None)

    assert ["first", "second"] == answers


@with_graphs
def test_a_graph_that_stops_for_a_human_does_not_go_on_without() -> None:
    """What was decided before it stopped does not stand; one that always stops is refused when it is made."""
    from langgraph.types import interrupt

    from fsm_orch.agents.bridges.langgraph import LangGraphAgent

    async def approves(state: Any) -> dict[str, Any]:
        interrupt("may it go out?")
        return {}

    result, _ = run(support(LangGraphAgent(graph(asks, approves), **GIVEN)), SOLVED)

    assert "human" == result.state.name
    assert "stopped to ask a human" in (result.landing.detail if result.landing else "")
    for option in ("interrupt_before", "interrupt_after"):
        with pytest.raises(TypeError, match="stops for a human"):
            LangGraphAgent(graph(asks, asks, **{option: ["node_1"]}), **GIVEN)


@pytest.mark.skipif(not is_there("openai-agents"), reason="no openai-agents")
def test_what_is_added_to_an_agent_later_is_not_run() -> None:
    """Nobody has looked at it, and a state without tools acts again after a crash."""
    from agents import Agent, AgentHooks, function_tool, input_guardrail

    from fsm_orch.agents.bridges.openai_agents import OpenAIAgent

    theirs = Agent[Any](name="triage", instructions="Help.")
    agent = OpenAIAgent(theirs, **GIVEN)
    theirs.tools.append(function_tool(order_status))
    result, model = run(support(agent), SOLVED)
    guarded = Agent[Any](name="triage", input_guardrails=[input_guardrail(lambda *_: None)])  # type: ignore[arg-type]

    assert ("done", "llm") == (result.state.name, agent.spec.kind)
    assert "order_status" not in str(model.requests[0])
    assert "code" == OpenAIAgent(Agent[Any](name="triage", hooks=AgentHooks[Any]()), **GIVEN).spec.kind
    assert "code" == OpenAIAgent(guarded, **GIVEN).spec.kind


@pytest.mark.skipif(not is_there("pydantic-ai"), reason="no pydantic-ai")
def test_a_tool_that_no_model_can_be_asked_for_is_refused_when_the_agent_is_made() -> None:
    """And not by a visit that fails: its arguments are a model that holds itself."""
    from pydantic_ai import Agent as TheirAgent

    from fsm_orch.agents.bridges.pydantic_ai import PydanticAgent

    def plant(tree: Tree) -> str:
        """Plant a tree."""
        return tree.name

    plant.__annotations__["tree"] = Tree
    plain: Any = TheirAgent(name="triage", tools=[plant])
    with pytest.raises(TypeError, match="its tool plant cannot be a tool: a model cannot be asked for"):
        PydanticAgent(plain, **GIVEN)
