"""What is read of LangGraph, against LangGraph itself: above all what could make a bound false."""

from functools import wraps
from typing import Any, Literal, TypedDict
from unittest.mock import patch

import pytest
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("langgraph_swarm", reason="LangGraph is not installed; nox -s adopt installs it")

from adopt.examples import langgraph_flows
from adopt.examples.langgraph_flows import ChatOpenAI, Notes, alice, look, swarm
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Send
from langgraph.types import Command as Sent
from pydantic import BaseModel

from fsm_orch.adopt import langgraph
from fsm_orch.adopt.examine import examine, is_bounded
from fsm_orch.adopt.graph import Graph
from fsm_orch.adopt.worst import as_it_stands
from fsm_orch.errors import Unreadable

cheap = ChatOpenAI(messages=iter([]), model_name="gpt-4o-mini")
dear = ChatOpenAI(messages=iter([]), model_name="gpt-4o")


class Where(TypedDict):
    """What a router is told."""

    query: str
    to: Any


def flow(**nodes: Any) -> Any:
    """Return a graph with these nodes, the first of which is its start."""
    made = StateGraph(Where)
    for name, function in nodes.items():
        made.add_node(name, function)
    made.add_edge(START, next(iter(nodes)))
    return made


def read(made: Any) -> Graph:
    """Return what is read of a graph."""
    return langgraph.read(made, "graph")


def codes(graph: Graph) -> set[str]:
    """Return what is found in a graph."""
    return {found.code for found in examine(graph, "app.py:1")}


def by_variable(notes: Where):
    return notes["to"]


def one_by_type(notes: Where) -> Literal["a", "b"]:
    return notes["to"]


def test_a_router_with_a_path_map_may_name_several() -> None:
    """LangGraph runs both of a list from a variable, and so the reader takes the router as a fork."""
    ran: list[str] = []
    made = flow(start=look, a=lambda notes: ran.append("a"), b=lambda notes: ran.append("b"))
    made.add_conditional_edges("start", by_variable, {"a": "a", "b": "b"})
    made.compile().invoke({"query": "", "to": ["a", "b"]})

    graph = read(made)

    assert {"a", "b"} == {*ran}
    assert {"start"} == graph.may_fork
    assert not is_bounded(graph)
    assert "FSM610" in codes(graph)
    assert "each" == graph.cap.counts


def test_a_router_of_one_name_is_bounded() -> None:
    """Its type says that it names one."""
    made = flow(start=look, a=look, b=look)
    made.add_conditional_edges("start", one_by_type, {"a": "a", "b": "b"})

    assert is_bounded(read(made))


def test_two_routers_of_one_node_both_run() -> None:
    """Neither shuts the other out, and so the node is a fork."""
    ran: list[str] = []
    made = flow(start=look, a=lambda notes: ran.append("a"), b=lambda notes: ran.append("b"))

    def first(notes: Where) -> str:
        return "a"

    def second(notes: Where) -> str:
        return "b"

    made.add_conditional_edges("start", first, ["a"])
    made.add_conditional_edges("start", second, ["b"])
    made.compile().invoke({"query": "", "to": ""})

    assert {"a", "b"} == {*ran}
    assert {"start"} == read(made).forks


def test_a_router_at_the_start_may_name_several() -> None:
    """The node that stands for the start is a fork then."""
    made = StateGraph(Where)
    made.add_node("a", look)
    made.add_node("b", look)
    made.add_conditional_edges(START, by_variable, ["a", "b"])

    assert not is_bounded(read(made))


def spread_by_command(notes: Where) -> Command[Literal["a", "b"]]:
    return Command(goto=notes["to"])


def renamed_command(notes: Where):
    return Sent(goto="a")


def helped(notes: Where) -> Command[Literal["a", "b"]]:
    return spread_by_command(notes)


@pytest.mark.parametrize("node", [spread_by_command, helped])
def test_a_command_may_name_several(node: Any) -> None:
    """The type of a command says where it leads, and not that it leads to one."""
    ran: list[str] = []
    made = flow(start=node, a=lambda notes: ran.append("a"), b=lambda notes: ran.append("b"))
    made.compile().invoke({"query": "", "to": ["a", "b"]})

    assert {"a", "b"} == {*ran}
    assert {"start"} == read(made).may_fork


class Router(BaseModel):
    next: Literal["a", "b", "FINISH"]


class Loose(TypedDict):
    next: Literal["a", "b"]


class Desk:
    """Stand for an app whose nodes are methods."""

    llm: Any = None

    def ask(self, notes: Where) -> Command[Literal["a", "b", "__end__"]]:
        goto = self.llm.with_structured_output(Router).invoke(notes["query"]).next
        return Command(goto=END if goto == "FINISH" else goto)

    def loose(self, notes: Where) -> Command[Literal["a", "b"]]:
        return Command(goto=self.llm.with_structured_output(Loose).invoke(notes["query"])["next"])

    def back(self, notes: Where) -> Command[Literal["ask"]]:
        self.llm.invoke(notes["query"])
        return Command(goto="ask")

    def by_another(self, notes: Where):
        return self.back(notes)


def test_nodes_that_are_methods_are_read() -> None:
    """A model chooses by its structured output, and one node at a time; a constant command is what code chooses."""
    desk = Desk()
    made = StateGraph(Where)
    made.add_node("ask", desk.ask)
    made.add_node("a", desk.back)
    made.add_node("b", desk.back)
    made.add_edge(START, "ask")
    graph = read(made)

    assert is_bounded(graph)
    assert {"ask": {"a", "b", END}, "a": {"ask"}, "b": {"ask"}} == ways(graph)
    assert ["llm"] * 3 == [node.kind for node in graph.nodes.values()]
    assert {"model"} == {edge.chooses for edge in graph.leaving("ask")}
    assert {"code"} == {edge.chooses for key in "ab" for edge in graph.leaving(key)}


def test_what_a_model_writes_into_a_dictionary_may_be_several() -> None:
    """LangChain holds no reply to the types of a TypedDict."""

    class Replies(BaseChatModel):
        """Replies with a list where one of two names was asked for."""

        @property
        def _llm_type(self) -> str:
            return "replies"

        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
            call = {"name": "Loose", "args": {"next": ["a", "b"]}, "id": "1"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])

    class Loosely(Desk):
        llm = Replies()

    ran: list[str] = []
    made = flow(start=Loosely().loose, a=lambda notes: ran.append("a"), b=lambda notes: ran.append("b"))
    made.compile().invoke({"query": "", "to": []})

    assert {"a", "b"} == {*ran}
    assert {"start"} == read(made).may_fork


def test_a_command_of_a_method_beside_a_node_is_seen() -> None:
    """Where a method that is called by self sends a run, and what it asks of models, is its caller's."""
    graph = read(flow(start=Desk().by_another, ask=look))

    assert "ask" in ways(graph)["start"]
    assert ("llm", 1) == (graph.nodes["start"].kind, graph.nodes["start"].calls)


def test_a_command_by_another_name_is_seen() -> None:
    """An import under another name hides nothing."""
    assert {"a"} <= ways(read(flow(start=renamed_command, a=look)))["start"]


def test_a_command_of_a_helper_is_seen() -> None:
    """Where a function that is called sends a run, its caller does."""

    def helper(notes: Where):
        return renamed_command(notes)

    graph = read(flow(start=helper, a=look))

    assert "a" in ways(graph)["start"]
    assert not is_bounded(graph)


def test_a_wrapped_router_may_name_several() -> None:
    """What stands around it may return other things than its type says."""

    def both(function: Any) -> Any:
        @wraps(function)
        def wrapper(notes: Where) -> Any:
            return ["a", "b"]

        return wrapper

    made = flow(start=look, a=look, b=look)
    made.add_conditional_edges("start", both(one_by_type), ["a", "b"])

    assert {"start"} == read(made).may_fork


def test_a_command_and_an_edge_are_a_fork() -> None:
    """LangGraph takes both."""
    made = flow(start=renamed_command, a=look, b=look)
    made.add_edge("start", "b")

    assert {"start"} == read(made).forks


def ask(notes: Where) -> Where:
    return {"query": str(dear.invoke(notes["query"]).content), "to": ""}


def ask_both(notes: Where) -> Where:
    return {"query": f"{cheap.invoke('').content}{dear.invoke('').content}", "to": ""}


def test_what_is_sent_to_a_model_has_no_bound() -> None:
    """As many requests as the code pleases are made in one step, and so no number is said."""

    def spread(notes: Where) -> list[Send]:
        return [Send("ask", notes) for _ in notes["query"]]

    made = flow(start=look, ask=ask)
    made.add_conditional_edges("start", spread, ["ask"])

    worst = as_it_stands(read(made), lambda _: None)

    assert worst.requests is None
    assert "start starts as many nodes" in worst.unbounded


def test_a_node_of_two_models_names_none() -> None:
    """The price of the cheaper one would be a false number."""
    assert read(flow(ask=ask_both)).nodes["ask"].model is None
    assert "openai:gpt-4o" == read(flow(ask=ask)).nodes["ask"].model


def test_an_inner_graph_that_is_run_by_any_name_has_no_bound() -> None:
    """A call of a compiled graph is a run, whatever the variable is called."""
    helper = flow(ask=ask).compile()

    def outer(notes: Where) -> Any:
        return helper.invoke(notes)

    assert read(flow(outer=outer)).nodes["outer"].calls is None


def test_a_node_inside_that_sends_the_outer_graph_is_read() -> None:
    """A command for the parent is a way of the outer graph."""

    def up(notes: Where):
        return Command(goto="b", graph=Command.PARENT)

    made = flow(inner=flow(up=up).compile(), b=look)

    assert "b" in ways(read(made))["inner"]


def test_nodes_without_a_request_are_blind() -> None:
    """Which they are, the page of an import says."""
    assert {"look", "judge", "write"} <= blind(langgraph.read(langgraph_flows.cycle, "cycle"))


def test_the_limit_is_the_one_that_langgraph_keeps() -> None:
    """A loop makes as many steps as are counted, and then raises."""
    ran: list[int] = []

    def step(notes: Where) -> None:
        ran.append(1)

    made = flow(step=step)
    made.add_edge("step", "step")
    compiled = made.compile().with_config({"recursion_limit": 7})
    with pytest.raises(GraphRecursionError):
        compiled.invoke({"query": "", "to": ""})

    graph = read(compiled)

    assert (7, 7) == (graph.cap.value, len(ran))
    assert read(made.compile()).cap.value == 10_007


def test_handoffs_of_a_swarm_are_declared() -> None:
    """Their descriptions are those of the tools."""
    graph = langgraph.read(swarm, "swarm")

    assert {"Alice": {"Bob", END}, "Bob": {"Alice", END}, "start": {"Alice", "Bob"}} == ways(graph)
    assert "Hand over to Bob, who speaks like a pirate" == the_edge(graph, "Alice", "Bob").description
    assert "You are Alice, who adds." == graph.nodes["Alice"].instructions
    assert is_bounded(graph)


@pytest.mark.parametrize("name", ["builder", "config"])
def test_a_compiled_graph_without_what_is_read(name: str) -> None:
    """What is gone is named, and what is not needed is not missed."""

    def get(thing: object, wanted: str) -> object:
        if wanted == name:
            raise AttributeError(name)
        return object.__getattribute__(thing, wanted)

    with patch.object(CompiledStateGraph, "__getattribute__", get):
        if name == "builder":
            with pytest.raises(Unreadable, match=r"LangGraph cannot be read: .* has no 'builder', in langgraph 1\."):
                read(alice)
        else:
            assert 10_007 == read(alice).cap.value


def test_what_is_private_is_there() -> None:
    """The reader needs these by name; one that is gone must fail here first."""
    from langgraph._internal import _config

    made = flow(start=look, a=look)
    made.add_conditional_edges("start", one_by_type, {"a": "a", "b": END})

    assert 10_007 == _config.DEFAULT_RECURSION_LIMIT
    assert {"runnable", "ends", "defer", "retry_policy"} <= {*dir(made.nodes["start"])}
    assert {"path", "ends"} <= {*dir(made.branches["start"]["one_by_type"])}
    assert hasattr(made, "waiting_edges")
    assert Notes.__annotations__
