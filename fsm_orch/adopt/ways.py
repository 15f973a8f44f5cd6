"""Where a graph of another framework leads: its cycles, what is reached, what ends."""

from collections.abc import Mapping

from ..define.graph import knots, reachable, reversed_graph
from .graph import END, Graph

Ways = Mapping[str, tuple[str, ...]]
"""The nodes that follow each node, once each and in order; edges to nothing are left out."""


def ways(graph: Graph) -> Ways:
    """Return what follows each node; `END` is a node that nothing follows."""
    known = {END, *graph.nodes}
    following = {
        key: tuple(dict.fromkeys(edge.target for edge in graph.leaving(key) if edge.target in known))
        for key in graph.nodes
    }
    return {**following, END: ()}


def reached(graph: Graph) -> frozenset[str]:
    """Return the nodes that some run comes to."""
    return reachable(ways(graph), [graph.entry]) - {END}


def ending(graph: Graph) -> frozenset[str]:
    """Return the nodes from which some run ends."""
    back: Ways = reversed_graph(ways(graph))
    return reachable(back, [END]) - {END}


def cycles(graph: Graph) -> tuple[Ways, ...]:
    """Return each greatest set of nodes that all reach each other, as a graph; a node alone is one if it has a loop."""
    every = ways(graph)
    place = {key: at for at, key in enumerate(every)}
    return tuple(
        {key: tuple(to for to in every[key] if to in nodes) for key in sorted(nodes, key=place.__getitem__)}
        for nodes in knots(every)
    )


def cyclic(graph: Graph) -> frozenset[str]:
    """Return the nodes that a run may come back to."""
    return frozenset().union(*knots(ways(graph)))


def is_line(graph: Graph) -> bool:
    """Return whether a run comes to each node once at most, and to one at a time, so that it ends by itself."""
    return not (graph.is_beside or cyclic(graph) & reached(graph))
