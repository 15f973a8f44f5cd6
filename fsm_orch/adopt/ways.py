"""Where a graph of another framework leads: its cycles, what is reached, what ends."""

from collections.abc import Mapping

from ..define.graph import reachable, reversed_graph, without
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
    back: Ways = reversed_graph(every)
    found: list[Ways] = []
    done: set[str] = set()
    for key in graph.nodes:
        if key in done:
            continue
        after: frozenset[str] = reachable(every, [key])
        before: frozenset[str] = reachable(back, [key])
        mutual = after & before
        done |= mutual
        if len(mutual) > 1 or key in every[key]:
            found.append(without(every, every.keys() - mutual))
    return tuple(found)


def cyclic(graph: Graph) -> frozenset[str]:
    """Return the nodes that a run may come back to."""
    return frozenset(key for cycle in cycles(graph) for key in cycle)
