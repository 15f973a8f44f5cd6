"""Requests of nodes of LangGraph that are tried again, or whose errors are handled, against what is printed of them."""

from typing import Any, Literal, TypedDict

import pytest
from support.counted import Asked, standing, too_small

pytest.importorskip("langgraph", reason="LangGraph is not installed; nox -s adopt installs it")

import functools
from contextlib import suppress
from unittest.mock import AsyncMock

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRetryMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy, Send

from fsm_orch.adopt import detect
from fsm_orch.adopt.assumed import assumptions
from fsm_orch.adopt.plan import Caps
from fsm_orch.adopt.worst import Worst, as_it_stands

client = Asked()


class Notes(TypedDict):
    text: str


def fails(notes: Notes) -> Notes:
    client.create()
    raise ConnectionError


def answers(notes: Notes) -> dict[str, str]:
    client.create()
    return {}


def handles(notes: Notes) -> Notes:
    client.create()
    client.create()
    return notes


def tries_again(notes: Notes) -> Command[Any]:
    client.create()
    return Command(goto="work")


def policy(attempts: int, on: type[Exception] = Exception) -> RetryPolicy:
    """Return how often a node is tried, without a wait."""
    return RetryPolicy(max_attempts=attempts, initial_interval=0.0, jitter=False, retry_on=on)


def one(work: Any = fails, **options: Any) -> StateGraph[Any, Any, Any, Any]:
    """Return a graph of one node, and one after it."""
    graph = StateGraph(Notes)
    graph.add_node("work", work, **options).add_node("after", answers)
    return graph.add_edge(START, "work").add_edge("work", "after").add_edge("after", END)


def to_work(notes: Notes) -> Literal["work"]:
    return "work"


def again(limit: int = 5) -> Any:
    """Return a graph whose first node a router chooses, and whose node goes to itself; each step asks once."""
    graph = StateGraph(Notes)
    graph.add_node("work", answers).set_conditional_entry_point(to_work, ["work"]).add_edge("work", "work")
    return graph.compile().with_config(recursion_limit=limit)


HOSTILE = {
    "tried five times": lambda: one(retry_policy=policy(5)),
    "the policy of several that tries most": lambda: one(retry_policy=[policy(2, ValueError), policy(4)]),
    "tried by default": lambda: one().set_node_defaults(retry_policy=policy(6)),
    "handled": lambda: one(error_handler=handles),
    "handled by default, tried too": lambda: one().set_node_defaults(error_handler=handles, retry_policy=policy(3)),
    "handled by another try for ever": lambda: one(error_handler=tries_again),
    "several at once": lambda: one(answers).add_edge(START, "after"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_number_is_too_small(name: str) -> None:
    """Neither that of a graph as it stands, compiled or not, nor what is proved of a machine."""
    builder, before = HOSTILE[name](), client.requests
    graph = builder.compile().with_config(recursion_limit=9)
    with suppress(ConnectionError, GraphRecursionError):
        graph.invoke({"text": "x"})
    requests = client.requests - before

    assert requests > 1
    assert [] == too_small(graph, requests)
    assert [] == too_small(HOSTILE[name](), requests)


@pytest.mark.parametrize("limit", [1, 5])
def test_what_chooses_the_first_node_takes_no_step(limit: int) -> None:
    """As many requests are printed as a run of so many steps makes."""
    before = client.requests
    with suppress(GraphRecursionError):
        again(limit).invoke({"text": "x"})

    assert limit == client.requests - before == standing(again(limit))


class Failing(BaseChatModel):
    """Asks, and has no reply."""

    @property
    def _llm_type(self) -> str:
        return "failing"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
        client.create()
        raise ConnectionError


class AsksTwice(AgentMiddleware[Any, Any]):
    """Asks again, where a run is not blocked."""

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        for _ in range(2):
            with suppress(ConnectionError):
                await handler(request)
        return AIMessage("no")


def agent(*around: Any) -> tuple[Any, Worst]:
    """Return an agent with middleware around its requests, and what is printed of it."""
    made = create_agent(Failing(), middleware=around)
    graph = detect.read(made, "agent")
    assert not graph.nodes["model"].is_counted
    return made, as_it_stands(graph, lambda _: None)


async def test_middleware_may_ask_again() -> None:
    """What stands around the request of an agent makes as many as it pleases, so the number is said to be more."""
    retrying, retried = agent(ModelRetryMiddleware(max_retries=5, initial_delay=0.0, jitter=False))
    twice, asked_twice = agent(AsksTwice())
    before = client.requests
    retrying.invoke({"messages": []})
    between = client.requests
    await twice.ainvoke({"messages": []})

    assert (6, 2) == (between - before, client.requests - between)
    assert [(1, True)] * 2 == [(worst.requests, worst.is_more) for worst in (retried, asked_twice)]
    twice.builder.nodes["model"].runnable.func = None
    assert as_it_stands(detect.read(twice, "agent"), lambda _: None).is_more
    assert (1, False) == (agent()[1].requests, agent()[1].is_more)


def test_tries_are_counted() -> None:
    """Each node asks once, and its handler twice; what is a default holds for both nodes, and for handlers too."""
    both = {"error_handler": handles, "retry_policy": policy(6)}

    assert 5 + 1 == standing(one(retry_policy=policy(5)))
    assert (1 + 2) + 1 == standing(one(error_handler=handles))
    assert 2 * (1 + 2) == standing(one().set_node_defaults(error_handler=handles))
    assert (
        2 * (6 + 2 * 6)
        == standing(one().set_node_defaults(**both))
        == standing(one().set_node_defaults(**both).compile())
    )


AGAIN: Any = Command(goto="work")
ALL: Any = [Send("work", {"text": "x"})] * 99


class Renamed(Command[Any]):
    """A command of another name."""


class Clerk:
    """Works by a method that calls another."""

    def work(self, notes: Notes) -> Any:
        return self.again()

    def again(self) -> Any:
        answers({"text": ""})
        return Command(goto="work")


def by_a_name(notes: Notes) -> Any:
    client.create()
    return AGAIN


def by_another_class(notes: Notes) -> Any:
    client.create()
    return Renamed(goto="work")


def around(work: Any) -> Any:
    """Return a function around another, whose result is dropped."""

    @functools.wraps(work)
    def inner(notes: Notes) -> Any:
        work(notes)
        return AGAIN

    return inner


HIDDEN: dict[str, Any] = {
    "by a name": by_a_name,
    "by another class": by_another_class,
    "by a method": Clerk().work,
    "around a function": around(answers),
    "in a chain": RunnableLambda(lambda notes: notes) | RunnableLambda(by_a_name),
    "for async runs alone": RunnableLambda(answers, afunc=AsyncMock(side_effect=by_a_name)),
}


@pytest.mark.parametrize("name", HIDDEN)
async def test_ways_that_were_not_seen_are_assumed_away(name: str) -> None:
    """A node goes back to itself until the limit, and what is printed says that it was taken to go on."""
    graph, before = one(HIDDEN[name]).compile().with_config(recursion_limit=5), client.requests
    with suppress(GraphRecursionError):
        await graph.ainvoke({"text": "x"})

    assert client.requests - before > 2
    assert "no way out of work but those that are declared or were seen in the code" in assumed(graph)


def look() -> str:
    """Look."""
    return "seen"


async def look_and_go_on() -> Any:
    """Go on to a node that nothing declares."""
    done = ToolMessage("seen", tool_call_id="1", name="look")
    return Command(goto="after", update={"messages": [done]})


def asks_once(state: MessagesState) -> Any:
    client.create()
    return {}


async def test_ways_of_a_tool_that_is_another_if_it_is_async_are_assumed_away() -> None:
    """What is read of a tool is its function for runs that are not async."""
    tools = {
        "two": StructuredTool.from_function(look, look_and_go_on),
        "wrapped": StructuredTool.from_function(functools.wraps(look)(lambda: "seen")),
        "one": StructuredTool.from_function(look),
    }
    graphs = {
        key: StateGraph(MessagesState)
        .add_node("tools", ToolNode([tool]))
        .add_node("after", asks_once)
        .add_edge(START, "tools")
        .compile()
        for key, tool in tools.items()
    }
    asks, before = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}]), client.requests
    await graphs["two"].ainvoke({"messages": [asks]})
    hiding = {key for key, graph in graphs.items() if any("no way out of tools" in each for each in assumed(graph))}

    assert (1, 0) == (client.requests - before, standing(graphs["two"]))
    assert {"two", "wrapped"} == hiding


def test_nodes_that_may_be_started_many_times_are_assumed_not_to_be() -> None:
    """A router whose results are not in sight may start a node as often as it pleases."""
    graph = StateGraph(Notes)
    graph.add_node("work", answers).set_conditional_entry_point(lambda notes: ALL, ["work"])
    compiled, before = graph.compile().with_config(recursion_limit=9), client.requests
    compiled.invoke({"text": "x"})

    assert client.requests - before == 99
    assert "no Send in what chooses after start: none was seen there" in assumed(compiled)


NAMED = "__end__"


@around
def wrapped(notes: Notes) -> Any:
    return "__end__"


def shadowed(notes: Notes) -> Any:
    NAMED = "hid"
    NAMED += "den"
    return NAMED


def by_name(notes: Notes) -> Any:
    return NAMED


def routed(router: Any) -> Any:
    """Return a graph with a node that nothing but a router leads to."""
    graph = StateGraph(Notes)
    graph.add_node("begin", lambda notes: {"text": "x"}).add_node("hidden", answers).set_entry_point("begin")
    return graph.add_conditional_edges("begin", router).compile()


@pytest.mark.parametrize("router", [wrapped, shadowed])
def test_a_router_whose_results_are_not_in_sight_may_lead_anywhere(router: Any, monkeypatch: Any) -> None:
    """Be another function around it, or a global of a variable's name."""
    monkeypatch.setitem(globals(), "AGAIN", "hidden")
    before = client.requests
    routed(router).invoke({"text": "x"})

    assert client.requests - before == 1
    assert [] == too_small(routed(router), 1)


def test_a_router_by_a_name_is_an_assumption(monkeypatch: Any) -> None:
    """A name may stand for another node when the graph runs."""
    graph, before = routed(by_name), client.requests
    printed, most = assumed(graph), standing(graph)
    monkeypatch.setitem(globals(), "NAMED", "hidden")
    graph.invoke({"text": "x"})

    assert client.requests - before == 1 > (most or 0)
    assert "no way out of begin but those that are declared or were seen in the code" in printed


def test_a_way_that_is_not_declared_is_read() -> None:
    """LangGraph goes where a command says, whatever the annotation of the node."""

    def work(notes: Notes) -> Command[Literal["after"]]:
        client.create()
        return Command(goto="work")

    graph, before = one(work).compile().with_config(recursion_limit=5), client.requests
    with suppress(GraphRecursionError):
        graph.invoke({"text": "x"})

    assert client.requests - before > 2
    assert [] == too_small(graph, client.requests - before)


def test_nothing_is_assumed_of_results_in_sight() -> None:
    """A node that returns what it was given, or a dictionary, sends a run nowhere."""
    assert not any("no way out" in clause or "Send" in clause for clause in assumed(one(answers)))


def assumed(thing: Any) -> tuple[str, ...]:
    """Return what is taken for granted of a graph."""
    graph = detect.read(thing, "thing")
    return assumptions(graph, as_it_stands(graph, lambda _: None), Caps())
