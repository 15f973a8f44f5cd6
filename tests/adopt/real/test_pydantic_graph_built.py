"""What is read of the builder of pydantic-graph 2.x, against pydantic-graph itself."""

import pytest
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("pydantic_graph.graph_builder", reason="pydantic-graph 2.x is not installed; nox -s adopt has it")

from typing import Literal

from adopt.examples import built_graph
from pydantic_graph import GraphBuilder, StepContext
from pydantic_graph.join import reduce_list_append

from fsm_orch.adopt import pydantic_graph
from fsm_orch.adopt.graph import END
from fsm_orch.errors import Unreadable


def test_paths_are_all_the_ways() -> None:
    """Forks and decisions are edges of the step before them; a join stays a node, which asks no model."""
    graph = pydantic_graph.read(built_graph.graph, "graph")

    assert "plan" == graph.entry
    assert {
        "plan": {"look_up"},
        "look_up": {"check_facts", "check_style"},
        "check_facts": {"reduce_list_append"},
        "check_style": {"reduce_list_append"},
        "reduce_list_append": {"judge"},
        "judge": {"plan", END},
    } == ways(graph)
    assert {"declared"} == {edge.trust for edge in graph.edges}


def test_forks_maps_and_joins_are_told_apart() -> None:
    """A broadcast forks, a map sends, and a join waits for all that lead to it."""
    graph = pydantic_graph.read(built_graph.graph, "graph")

    assert {"look_up"} == graph.forks
    assert {"plan"} == graph.sends
    assert {"reduce_list_append": ("check_facts", "check_style")} == graph.joins


def test_branches_keep_types_and_conditions() -> None:
    """A branch says the type it takes; one with a function of its own says the name of that too."""
    graph = pydantic_graph.read(built_graph.graph, "graph")
    again, done = the_edge(graph, "judge", "plan"), the_edge(graph, "judge", END)

    assert ("a value of str", "is_poor", "once more") == (again.via, again.condition, again.description)
    assert ("a value of Literal['good']", None, "code") == (done.via, done.condition, done.chooses)


def test_requests_of_agents_are_seen() -> None:
    """A step that runs an agent makes as many requests as that pleases; a join makes none and is not blind."""
    graph = pydantic_graph.read(built_graph.graph, "graph")

    assert graph.nodes["plan"].calls is None
    assert {"look_up", "check_facts", "check_style", "judge"} == blind(graph)


def test_what_stands_right_behind_the_start_stays_a_node() -> None:
    """A run that begins with a decision, whose branch is a broadcast, begins at a node that makes no request."""
    builder = GraphBuilder(input_type=str, output_type=list[str])

    @builder.step
    async def one(ctx: StepContext[None, None, str]) -> str:
        return "one"

    @builder.step
    async def two(ctx: StepContext[None, None, str]) -> str:
        return "two"

    both = builder.join(reduce_list_append, initial_factory=list[str])
    builder.add(
        builder.edge_from(builder.start_node).to(
            builder.decision(note="which?")
            .branch(builder.match(Literal["both"]).to(one, two))
            .branch(builder.match(str).to(one))
        ),
        builder.edge_from(one, two).to(both),
        builder.edge_from(both).to(builder.end_node),
    )
    graph = pydantic_graph.read(builder.build(), "graph")

    assert {"one", "two"} <= ways(graph)[graph.entry] | {target for key in graph.forks for target in ways(graph)[key]}
    assert 1 == len(graph.forks)
    assert not graph.nodes[graph.entry].blind


def test_a_path_that_leads_nowhere_is_said() -> None:
    """No way is dropped in silence."""
    builder = GraphBuilder(output_type=int)

    @builder.step
    async def only(ctx: StepContext[None, None, None]) -> int:
        return 1

    builder.add(builder.edge_from(builder.start_node).to(only), builder.edge_from(only).to(builder.end_node))
    graph = builder.build()
    graph.edges_by_source["only"][0].items.clear()

    with pytest.raises(Unreadable, match="Path leads to no node"):
        pydantic_graph.read(graph, "graph")


def test_a_name_that_is_gone_is_named() -> None:
    """The error says the framework, its version and what was missing."""
    builder = GraphBuilder(output_type=int)

    @builder.step
    async def only(ctx: StepContext[None, None, None]) -> int:
        return 1

    builder.add(builder.edge_from(builder.start_node).to(only), builder.edge_from(only).to(builder.end_node))
    graph = builder.build()
    del graph.edges_by_source["only"][0].items

    with pytest.raises(Unreadable, match=r"Path has no 'items', in pydantic-graph 2\.\d+"):
        pydantic_graph.read(graph, "graph")
