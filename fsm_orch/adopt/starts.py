"""Where a run starts: of several starts, all taken at once, a node of our own stands before them, and forks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .graph import Edge, Node


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a run begins, and what had to be added for that."""

    entry: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    forks: frozenset[str]


def opening(starts: Sequence[str], taken: Mapping[str, object]) -> Opening:
    """Return the one start; else a node before all of them, under a name that is not taken."""
    if len(starts) == 1:
        return Opening(starts[0], {}, (), frozenset())
    key = next(
        name for name in ("start", "all_starts", *(f"start_{n}" for n in range(len(taken)))) if name not in taken
    )
    edges = tuple(Edge(source=key, target=start, via="start", chooses="always") for start in starts)
    return Opening(key, {key: Node(key=key, calls=0)}, edges, frozenset({key}))


def begins_with(key: str) -> str:
    """Return what is assumed where each run is told its first node, and the graph is not."""
    return f"a run begins with {key}, which is listed first"
