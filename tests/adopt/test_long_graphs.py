"""Graphs of thousands of nodes: no recursion, and work in proportion to them, counted in steps and not in seconds."""

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest

from fsm_orch.adopt.assumed import assumptions
from fsm_orch.adopt.examine import examine
from fsm_orch.adopt.graph import END, Cap, Edge, Graph, Node
from fsm_orch.adopt.plan import Caps
from fsm_orch.adopt.skeleton import skeleton
from fsm_orch.adopt.ways import cycles
from fsm_orch.adopt.worst import as_it_stands


def chain(length: int, *, is_cycle: bool, counts: Any = "steps") -> Graph:
    """Return a graph of nodes in a row; of a cycle the last one leads to the first too."""
    keys = [f"node {number}" for number in range(length)]
    pairs = [*pairwise(keys), (keys[-1], END), *([(keys[-1], keys[0])] if is_cycle else [])]
    return Graph(
        framework="a framework",
        name="chain",
        entry=keys[0],
        nodes={key: Node(key=key, kind="llm") for key in keys},
        edges=tuple(Edge(source=one, target=to, via="to", chooses="code") for one, to in pairs),
        cap=Cap(name="limit", value=100, unit="steps", counts=counts, then="it raises"),
        lost=(),
        on_unknown="raises",
    )


def paired(length: int) -> Graph:
    """Return a chain in which every second node leads back to the one before it."""
    line = chain(length, is_cycle=False)
    keys = [*line.nodes]
    pairs = zip(keys[::2], keys[1::2], strict=True)
    back = (Edge(source=to, target=one, via="back", chooses="code") for one, to in pairs)
    return replace(line, edges=(*line.edges, *back))


def work(of: Callable[[], object]) -> int:
    """Return how many lines of this package and its library are run."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        of()
    finally:
        sys.settrace(before)
    return lines


def everything(graph: Graph) -> None:
    """Do all that an import does with a graph, but the proof."""
    worst = as_it_stands(graph, lambda _: None)
    examine(graph, "app.py:1")
    assumptions(graph, worst, Caps())
    skeleton(graph, Caps(), "app:chain")


@pytest.mark.parametrize("is_cycle", [False, True])
@pytest.mark.parametrize("counts", ["steps", "each", "messages"])
def test_twice_the_graph_is_twice_the_work(counts: Any, *, is_cycle: bool) -> None:
    """From 200 nodes to 400: beyond the hundred nodes that a shortest cycle is looked for through."""
    small, great = (chain(length, is_cycle=is_cycle, counts=counts) for length in (200, 400))

    assert work(lambda: everything(great)) < 2.5 * work(lambda: everything(small))


def test_twice_the_cycles_are_twice_the_work() -> None:
    """From 100 of them to 200, of two nodes each."""
    small, great = paired(200), paired(400)

    assert (100, 200) == (len(cycles(small)), len(cycles(great)))
    assert work(lambda: cycles(great)) < 2.5 * work(lambda: cycles(small))


@pytest.mark.slow
@pytest.mark.parametrize("is_cycle", [False, True])
def test_five_thousand_nodes_are_no_recursion(*, is_cycle: bool) -> None:
    """A chain is one of all that are read."""
    everything(chain(5_000, is_cycle=is_cycle))
