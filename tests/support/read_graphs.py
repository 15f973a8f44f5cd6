"""Short words for what was read of a graph."""

from fsm_orch.adopt.graph import Edge, Graph


def ways(graph: Graph) -> dict[str, set[str]]:
    """Return where each node leads."""
    return {key: {edge.target for edge in graph.leaving(key)} for key in graph.nodes}


def the_edge(graph: Graph, source: str, target: str) -> Edge:
    """Return the one edge between two nodes."""
    (edge,) = (edge for edge in graph.leaving(source) if edge.target == target)
    return edge


def blind(graph: Graph) -> set[str]:
    """Return the nodes in which no request was seen."""
    return {key for key, node in graph.nodes.items() if node.blind}
