"""Paths and cycles over any hashables; knows no machine.

A graph is a mapping from every node to its successors, in a stable order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
Graph = Mapping[N, Collection[N]]


def shortest_path(graph: Graph[N], starts: Iterable[N], is_goal: Callable[[N], bool]) -> tuple[N, ...] | None:
    """Return a path with the fewest edges from one of `starts` to a goal, both ends included; None if there is none."""
    came_from: dict[N, N] = {start: start for start in starts}
    queue = deque(came_from)
    while queue:
        node = queue.popleft()
        if is_goal(node):
            return _trace(came_from, node)
        for successor in graph[node]:
            if successor not in came_from:
                came_from[successor] = node
                queue.append(successor)
    return None


def _trace(came_from: Mapping[N, N], node: N) -> tuple[N, ...]:
    path = [node]
    while came_from[path[-1]] != path[-1]:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def least(graph: Graph[N], starts: Iterable[N], price: Callable[[N], int]) -> dict[N, int]:
    """Return the price of the cheapest path from `starts` to each node that one reaches.

    Args:
        price: of a node, 0 or more, each time that a path comes to it; both ends are paid for.
    """
    paid = {start: price(start) for start in starts}
    queue = deque(paid)
    while queue:
        node = queue.popleft()
        for successor in graph[node]:
            further = paid[node] + price(successor)
            if further < paid.get(successor, further + 1):
                paid[successor] = further
                queue.append(successor)
    return paid


def reachable(graph: Graph[N], starts: Iterable[N]) -> frozenset[N]:
    """Return every node that some path reaches from `starts`, these included."""
    seen = set(starts)
    stack = list(seen)
    while stack:
        for successor in graph[stack.pop()]:
            if successor not in seen:
                seen.add(successor)
                stack.append(successor)
    return frozenset(seen)


def reversed_graph(graph: Graph[N]) -> dict[N, tuple[N, ...]]:
    """Return the graph with every edge turned round."""
    predecessors: dict[N, list[N]] = {node: [] for node in graph}
    for node, successors in graph.items():
        for successor in successors:
            predecessors[successor].append(node)
    return {node: tuple(sources) for node, sources in predecessors.items()}


def without(graph: Graph[N], removed: Collection[N]) -> dict[N, tuple[N, ...]]:
    """Return the graph without some nodes and the edges at them."""
    return {
        node: tuple(s for s in successors if s not in removed)
        for node, successors in graph.items()
        if node not in removed
    }


def knots(graph: Graph[N]) -> tuple[frozenset[N], ...]:
    """Return each greatest set of nodes that all reach each other, those with an earlier node first.

    A node alone is one if it follows itself. The time is in proportion to the graph (Kosaraju and Sharir, 1981).
    """
    back = reversed_graph(graph)
    left = set(graph)
    found: list[frozenset[N]] = []
    for first in reversed(_by_end(graph)):
        if first not in left:
            continue
        mutual, stack = {first}, [first]
        left.remove(first)
        while stack:
            for before in back[stack.pop()]:
                if before in left:
                    left.remove(before)
                    mutual.add(before)
                    stack.append(before)
        if len(mutual) > 1 or first in graph[first]:
            found.append(frozenset(mutual))
    place = {node: at for at, node in enumerate(graph)}
    return tuple(sorted(found, key=lambda nodes: min(place[node] for node in nodes)))


def _by_end(graph: Graph[N]) -> list[N]:
    """Return the nodes in the order in which a depth-first search is done with them."""
    seen: set[N] = set()
    done: list[N] = []
    for root in graph:
        stack = [] if root in seen else [(root, iter(graph[root]))]
        seen.add(root)
        while stack:
            node, successors = stack[-1]
            further = next((each for each in successors if each not in seen), None)
            if further is None:
                done.append(node)
                stack.pop()
            else:
                seen.add(further)
                stack.append((further, iter(graph[further])))
    return done


def shortest_cycle(graph: Graph[N], *, through: Iterable[N] | None = None) -> tuple[N, ...] | None:
    """Find a cycle with the fewest edges, its first node repeated at its end; None if there is none.

    Args:
        graph: what is searched.
        through: one of these stands on the cycle; None: any, and the time grows with the square of what is on cycles.
    """
    best: tuple[N, ...] | None = None
    closed = {node for knot in knots(graph) for node in knot}
    for node in graph if through is None else through:
        if node not in closed:
            continue
        for successor in graph[node]:
            way_back = shortest_path(graph, [successor], lambda n, home=node: n == home)  # type: ignore[misc]
            if way_back is not None and (best is None or len(way_back) < len(best) - 1):
                best = (node, *way_back)
    return best
