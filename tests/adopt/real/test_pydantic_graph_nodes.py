"""What is read of pydantic-graph 0.x, against pydantic-graph itself."""

import pytest
from support.counted import Asked, standing
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("pydantic_graph.graph", reason="pydantic-graph 0.x is not installed; nox -s adopt installs it")

from dataclasses import dataclass

from adopt.examples import nodes_graph
from pydantic_graph import BaseNode, End, Graph, GraphRunContext

from fsm_orch.adopt import pydantic_graph
from fsm_orch.adopt.graph import END
from fsm_orch.errors import Unreadable


def test_return_annotations_are_all_the_ways() -> None:
    """A node that goes on with itself, a cycle, an end and a trap of two nodes stand in the graph."""
    graph = pydantic_graph.read(nodes_graph.graph, "graph")

    assert "Ask" == graph.entry
    assert {"Ask": {"Answer", "Ask"}, "Answer": {"Ask", "Wait", END}, "Wait": {"Again"}, "Again": {"Wait"}} == ways(
        graph
    )
    assert {"declared"} == {edge.trust for edge in graph.edges}
    assert "always" == the_edge(graph, "Wait", "Again").chooses


def test_what_a_label_says_is_kept() -> None:
    """The label of an edge is its description, and the docstring of a class what the node is for."""
    graph = pydantic_graph.read(nodes_graph.graph, "graph")

    assert "unclear" == the_edge(graph, "Answer", "Ask").description
    assert ("Ask what is wanted", "") == (graph.nodes["Ask"].does, graph.nodes["Answer"].does)


def test_requests_of_agents_are_seen() -> None:
    """A node that runs an agent makes as many requests as that pleases, and the others are blind."""
    graph = pydantic_graph.read(nodes_graph.graph, "graph")

    assert graph.nodes["Ask"].calls is None
    assert {"Answer", "Wait", "Again"} == blind(graph)


@dataclass
class Anything(BaseNode[None, None, int]):
    async def run(self, ctx: GraphRunContext) -> BaseNode[None, None, int]:
        return Last()


@dataclass
class Last(BaseNode[None, None, int]):
    async def run(self, ctx: GraphRunContext) -> End[int]:
        return End(1)


def test_a_base_node_may_be_any_node() -> None:
    """A node that says only that it returns a node leads to all of them, which is assumed."""
    graph = pydantic_graph.read(Graph(nodes=(Anything, Last)), "graph")

    assert {"Anything", "Last"} == ways(graph)["Anything"]
    assert {"assumed"} == {edge.trust for edge in graph.leaving("Anything")}


client = Asked()


@dataclass
class First(BaseNode[None, None, int]):
    async def run(self, ctx: GraphRunContext) -> "Second":
        client.create()
        return Second()


@dataclass
class Second(BaseNode[None, None, int]):
    async def run(self, ctx: GraphRunContext) -> End[int]:
        client.create()
        return End(1)


async def test_where_a_run_begins_is_assumed() -> None:
    """A run that begins with another node than the first of the list may ask more than is printed, which is said."""
    graph = Graph(nodes=(Second, First))
    found = pydantic_graph.read(graph, "graph")
    await graph.run(First())

    assert (1, 2) == (standing(graph), client.requests)
    assert ("a run begins with Second, which is listed first",) == found.assumed
    assert {()} == {*found.not_kept().values()}


def test_a_name_that_is_gone_is_named() -> None:
    """The error says the framework, its version and what was missing."""
    graph = Graph(nodes=(Anything, Last))
    definition = graph.node_defs["Anything"]
    del definition.next_node_edges

    with pytest.raises(Unreadable, match=r"NodeDef has no 'next_node_edges', in pydantic-graph 0\.\d+"):
        pydantic_graph.read(graph, "graph")
