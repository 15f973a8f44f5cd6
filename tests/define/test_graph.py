"""Paths and cycles against brute force."""

from __future__ import annotations

import itertools
from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.define.graph import knots, least, reachable, reversed_graph, shortest_cycle, shortest_path, without

Graph = dict[Hashable, tuple[Hashable, ...]]
NODES: tuple[Hashable, ...] = (0, "a", (1, 2), frozenset({3}), 5, 6)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    nodes = draw(st.lists(st.sampled_from(NODES), unique=True, min_size=1, max_size=6))
    return {node: tuple(draw(st.lists(st.sampled_from(nodes), max_size=4))) for node in nodes}


def distances(graph: Graph) -> dict[tuple[Hashable, Hashable], int]:
    """Floyd and Warshall: the fewest edges between any two nodes, at least one edge."""
    far = {(a, b): 1 if b in graph[a] else 10**6 for a in graph for b in graph}
    for via, a, b in itertools.product(graph, graph, graph):
        far[a, b] = min(far[a, b], far[a, via] + far[via, b])
    return {pair: edges for pair, edges in far.items() if edges < 10**6}


def is_walk(graph: Graph, path: tuple[Hashable, ...]) -> bool:
    return all(after in graph[before] for before, after in itertools.pairwise(path))


@given(graphs(), st.data())
def test_shortest_path_is_a_shortest_walk(graph: Graph, data: st.DataObject) -> None:
    """A path is a walk from its start to a goal with the fewest edges, and None only where no goal is reached."""

    start = data.draw(st.sampled_from(list(graph)))
    goals = data.draw(st.lists(st.sampled_from(list(graph)), max_size=3))
    far = {**distances(graph), (start, start): 0}
    lengths = [far[start, goal] for goal in goals if (start, goal) in far]

    path = shortest_path(graph, [start], lambda node: node in goals)

    if path is None:
        assert [] == lengths
    else:
        assert start == path[0]
        assert path[-1] in goals
        assert is_walk(graph, path)
        assert min(lengths) == len(path) - 1


@given(graphs(), st.data())
def test_reachable_is_the_closure(graph: Graph, data: st.DataObject) -> None:
    """Reachable nodes are the starts and all that the transitive closure holds for them."""

    starts = data.draw(st.lists(st.sampled_from(list(graph))))
    far = distances(graph)

    expected = {node for node in graph if node in starts or any((start, node) in far for start in starts)}

    assert expected == reachable(graph, starts)


@given(graphs())
def test_reversed_graph_turns_every_edge(graph: Graph) -> None:
    """Turning round keeps nodes and turns each edge, parallel ones too; twice is as before."""

    turned = reversed_graph(graph)

    assert set(graph) == set(turned)
    edges = [(a, b) for a in graph for b in graph[a]]
    assert sorted((b, a) for a, b in map(_shown, edges)) == sorted(_shown((a, b)) for a in turned for b in turned[a])


def _shown(edge: tuple[Hashable, Hashable]) -> tuple[str, str]:
    return (repr(edge[0]), repr(edge[1]))


@given(graphs(), st.data())
def test_without_leaves_out_nodes_and_their_edges(graph: Graph, data: st.DataObject) -> None:
    """Removed nodes are gone with every edge at them, and all else is as it was."""

    removed = data.draw(st.lists(st.sampled_from(list(graph))))

    kept = without(graph, removed)

    assert [node for node in graph if node not in removed] == list(kept)
    for node, successors in kept.items():
        assert tuple(s for s in graph[node] if s not in removed) == successors


@given(graphs())
def test_shortest_cycle_is_a_shortest_closed_walk(graph: Graph) -> None:
    """A cycle is a closed walk with the fewest edges, and None only in an acyclic graph."""

    lengths = [edges for (a, b), edges in distances(graph).items() if a == b]

    cycle = shortest_cycle(graph)

    if cycle is None:
        assert [] == lengths
    else:
        assert cycle[0] == cycle[-1]
        assert is_walk(graph, cycle)
        assert min(lengths) == len(cycle) - 1
        assert len(set(cycle)) == len(cycle) - 1


@given(graphs())
def test_knots_are_the_nodes_that_reach_each_other(graph: Graph) -> None:
    """Two nodes are in one knot if a walk leads there and back, and a node is in one if a walk leads back to it."""

    walks = distances(graph).keys()
    expected = {frozenset(b for b in graph if {(a, b), (b, a)} <= walks) for a in graph if (a, a) in walks}

    found = knots(graph)
    firsts = [min(map([*graph].index, nodes)) for nodes in found]

    assert expected == {*found}
    assert len(expected) == len(found)
    assert sorted(firsts) == firsts


@given(graphs(), st.data())
def test_a_shortest_cycle_may_be_asked_for_through_some_nodes(graph: Graph, data: st.DataObject) -> None:
    """It starts with one of them, and is as short as any that does."""

    through = data.draw(st.lists(st.sampled_from(list(graph))))
    lengths = [edges for (a, b), edges in distances(graph).items() if a == b and a in through]

    cycle = shortest_cycle(graph, through=through)

    assert (min(lengths) if lengths else None) == (None if cycle is None else len(cycle) - 1)
    assert cycle is None or cycle[0] in through


def test_self_loop_is_the_shortest_cycle() -> None:
    """A self-loop is preferred to any longer cycle."""

    assert ("c", "c") == shortest_cycle({"a": ("b",), "b": ("a", "c"), "c": ("c",)})


def test_start_may_be_the_goal() -> None:
    """A path to where one stands is that node alone."""

    assert ("a",) == shortest_path({"a": ("a",)}, ["a"], lambda node: node == "a")


def test_none_is_a_node_like_any_other() -> None:
    """A graph over any hashables may hold None as a node."""

    assert (None, 1) == shortest_path({None: (1,), 1: ()}, [None], lambda node: node == 1)


@given(graphs(), st.data())
def test_least_is_the_price_of_the_cheapest_walk(graph: Graph, data: st.DataObject) -> None:
    """Among all walks from a start without a repeated node one is cheapest, and nodes without one have no price."""
    starts = data.draw(st.sets(st.sampled_from(list(graph)), max_size=2))
    price = {node: data.draw(st.integers(0, 3)) for node in graph}
    walks = [
        walk for size in range(1, len(graph) + 1) for walk in itertools.permutations(graph, size) if walk[0] in starts
    ]
    found: dict[Hashable, int] = {}
    for walk in walks:
        if is_walk(graph, walk):
            paid = sum(price[node] for node in walk)
            found[walk[-1]] = min(paid, found.get(walk[-1], paid))

    assert least(graph, starts, price.__getitem__) == found
