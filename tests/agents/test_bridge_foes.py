"""What a foreign agent does to get round its meter, its bounds or a human: by the frameworks, and by plain ones."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from support.foreign import EACH, Conv, LoopAgent, agent_of, is_there, order_status, support
from support.shop import use
from test_bridges import decides, run

from fsm_orch import (
    CallFailed,
    Final,
    Limits,
    Machine,
    MemoryStore,
    Message,
    Response,
    Runner,
    ScriptedModel,
    State,
    Usage,
    Window,
    guard,
)
from fsm_orch.agents.bridges.exchange import Exchange, Wanted
from fsm_orch.models import Request
from fsm_orch.testing import virtual_time

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


class Foe(LoopAgent):
    """An agent that does what it is told to."""

    def __init__(self, does: Any, **options: Any) -> None:
        super().__init__(**GIVEN | options)
        self._does = does

    async def _run(self, visit: Any, exchange: Exchange) -> None:
        await self._does(exchange)


def once(exchange: Exchange) -> Any:
    """Ask once."""
    return exchange.ask(Wanted("Help.", (Message(role="user", content="?"),)))


async def at_once(exchange: Exchange) -> None:
    """Ask ten times at once, whatever comes of it."""
    await asyncio.gather(*[once(exchange) for _ in range(10)], return_exceptions=True)


async def in_a_thread(exchange: Exchange) -> None:
    """Ask on a loop of its own, and take no failure for one."""

    def work() -> None:
        with suppress(BaseException):
            asyncio.run(once(exchange))

    await asyncio.to_thread(work)


async def deaf(exchange: Exchange) -> None:
    """Ask again and again, whatever is raised."""
    for _ in range(99):
        with suppress(BaseException):  # as some frameworks do
            await once(exchange)


async def after_its_end(exchange: Exchange) -> None:
    """Leave a task behind that goes on asking, and fail."""

    async def later() -> None:
        for _ in range(9):
            await asyncio.sleep(0)
            with suppress(Exception):
                await once(exchange)

    LATER.append(asyncio.create_task(later()))
    raise RuntimeError("it has had enough")


LATER: list[asyncio.Task[None]] = []


@pytest.mark.parametrize(
    ("does", "requests", "reason"),
    [(at_once, 3, "denied"), (in_a_thread, 0, "failure"), (deaf, 3, "denied"), (after_its_end, 0, "failure")],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_an_agent_sends_no_more_than_its_calls_whatever_it_does(does: Any, requests: int, reason: str) -> None:
    """It lands, for what it was denied, and nothing is sent when its visit has ended."""
    LATER.clear()
    bad = {"handoff": "refunds", "answer": "x"}
    result, model = run(support(Foe(does)), *[bad] * 30, retry=None)

    assert ("human", reason) == (result.state.name, result.landing and result.landing.reason)
    assert requests == len(model.requests)


def test_what_failed_before_it_was_answered_counts_no_more() -> None:
    """A framework that asks again after a failure, and is answered, has decided."""

    async def twice(exchange: Exchange) -> None:
        with suppress(CallFailed):
            await once(exchange)
        await once(exchange)

    result, model = run(support(Foe(twice)), CallFailed("overloaded", "later"), SOLVED, retry=None)

    assert ("done", 2) == (result.state.name, len(model.requests))


@guard
def is_said(conv: Conv) -> bool:
    """Return whether an answer, if there is one, is more than a word."""
    return " " in (conv.answer or "not yet")


def test_why_an_attempt_was_refused_is_told_once() -> None:
    """Its next request says it, and no later one, which would take it for the fault of another reply."""

    class Desk(Machine[Conv]):
        """Help."""

        work = State(LoopAgent(order_status, **GIVEN, calls=4), initial=True)
        done, human = Final(), Final(fallback=True)
        solved = work.to(done, "it is solved", guard=is_said)
        other = work.to(human, "anything else")

    short = {"reply": {**SOLVED, "answer": "Packed."}}
    result, model = run(Desk, short, use("order_status", order=1), {"reply": SOLVED}, retry=None)
    told = ["Your last reply was refused" in str(request.messages) for request in model.requests]

    assert ("done", [False, True, False]) == (result.state.name, told)


def test_no_result_is_shown_without_its_use() -> None:
    """A window may cut the use off, and providers refuse what is left of it."""
    result = Message(role="tool", content="came", tool_call_id="1", agent="triage")
    visit: Any = SimpleNamespace(
        messages=(result, Message(role="user", content="?")), refusals=(), state=SimpleNamespace(name="triage")
    )
    system = Message(role="system", content="Help.")
    exchange = Exchange(visit, LoopAgent().spec, Window(messages=2), {})

    assert ["system", "user"] == [said.role for said in exchange.said(Wanted("Help.", ()), system, ())]


@pytest.mark.parametrize("ends", ["cancelled", "timed out"])
def test_an_agent_that_does_not_hear_its_end_sends_nothing_after_it(ends: str) -> None:
    """It takes its cancellation for a failure, and asks again: nothing is sent, and the run lands."""
    sent = list[float]()

    class Slow(ScriptedModel):
        async def complete(self, request: Request) -> Response:
            sent.append(asyncio.get_running_loop().time())
            await asyncio.sleep(3_600)
            raise AssertionError

    async def story() -> tuple[str, int]:
        store = MemoryStore()
        limits = None if ends == "cancelled" else Limits(hops=6, tokens=120_000, deadline_s=5)
        runner = Runner(support(Foe(deaf)), model=Slow([]), store=store, limits=limits, retry=None)
        running = asyncio.create_task(runner.run(Conv(query="?"), run_id="one"))
        await asyncio.sleep(1)
        if ends == "cancelled":
            running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        (listed,) = await store.list()
        return listed.head.state, len(asyncio.all_tasks())

    with virtual_time() as loop:
        assert ("human", 1) == loop.run(story())
    assert 1 == len(sent)


@pytest.mark.parametrize("framework", EACH)
async def test_an_agent_that_two_runs_share_at_once_mixes_nothing_up(framework: str) -> None:
    """Each is answered by its own run, and sees nothing of the other."""
    machine = support(agent_of(framework))
    both = asyncio.Barrier(2)

    class Meets(ScriptedModel):
        async def complete(self, request: Request) -> Response:
            await both.wait()
            mine = request.messages[1].content
            seen.append((mine, [said.content for said in request.messages[1:]]))
            line: Any = use("order_status", order=int(mine))
            if '"result"' in request.messages[-1].content:
                line = {"reply": {"handoff": "solved", "answer": f"for {mine}"}}
            return Response(text=json.dumps(line), usage=Usage(requests=1, input_tokens=9, output_tokens=9))

    seen = list[tuple[str, list[str]]]()
    runner = Runner(machine, model=Meets([]))
    results = await asyncio.gather(*[runner.run(Conv(query=query)) for query in ("11", "22")])

    assert ["for 11", "for 22"] == [result.context.answer for result in results]
    assert 4 == len(seen)
    assert all({"11": "22", "22": "11"}[mine] not in " ".join(said) for mine, said in seen)


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
