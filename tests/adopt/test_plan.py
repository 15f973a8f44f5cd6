"""The bounds of a machine that is made of a graph: the graph's own where it has them, else those that were asked."""

from dataclasses import replace
from typing import Any

import pytest

from fsm_orch.adopt.graph import END, Cap, Edge, Graph, Node
from fsm_orch.adopt.plan import Caps, plan
from fsm_orch.limits import MOST_HOPS


def loop(steps: int | None = None, **node: Any) -> Graph:
    """Return a graph of two nodes that go to each other, the first of which asks a model."""
    given: dict[str, Any] = {"kind": "llm", **node}
    return Graph(
        framework="a framework",
        name="loop",
        entry="a",
        nodes={"a": Node(key="a", **given), "b": Node(key="b", calls=0)},
        edges=(
            Edge(source="a", target="b", via="to", chooses="model"),
            Edge(source="b", target="a", via="to", chooses="code"),
            Edge(source="b", target=END, via="to", chooses="code"),
        ),
        cap=Cap(name="limit", value=steps, unit="steps", then="it raises"),
        joins={},
        forks=frozenset(),
        sends=frozenset(),
        lost=(),
        unused=(),
        on_unknown="raises",
    )


@pytest.mark.parametrize(
    ("calls", "tools", "asked", "bound"),
    [(1, (), 2, 2), (5, (), 2, 5), (None, (), 2, 2), (None, ("one", "two", "three"), 2, 4), (None, ("one",), 3, 3)],
)
def test_a_visit_has_a_bound_on_its_requests(calls: int | None, tools: tuple[str, ...], asked: int, bound: int) -> None:
    """What the graph needs, one more than its tools if that is open, and never less than was asked."""
    made = plan(loop(calls=calls, tools=tools), Caps(calls=asked))

    assert (bound, 0) == (made.calls("a"), made.calls("b"))


@pytest.mark.parametrize(("steps", "asked", "hops"), [(None, None, 6), (4, None, 4), (10_007, None, 6), (4, 9, 9)])
def test_hops_are_those_of_all_visits_or_less(steps: int | None, asked: int | None, hops: int) -> None:
    """The framework's own cap counts if it is less; what was asked counts before both."""
    assert hops == plan(loop(steps), Caps(max_visits=3, hops=asked)).hops


@pytest.mark.parametrize("counts", ["each", "messages"])
def test_a_cap_that_counts_no_hops_bounds_none(counts: Any) -> None:
    """A step of several nodes is no hop."""
    graph = loop(4)

    assert 6 == plan(replace(graph, cap=replace(graph.cap, counts=counts)), Caps(max_visits=3)).hops


def test_an_entry_that_was_added_takes_a_hop() -> None:
    """Though it takes no step there."""
    assert 5 == plan(replace(loop(4), is_entry_added=True), Caps(max_visits=3)).hops


def test_no_more_hops_than_a_machine_may_have() -> None:
    """Two nodes of 6,000 visits make 10,000 hops, whatever the framework allows."""
    assert MOST_HOPS == plan(loop(10_007), Caps(max_visits=6_000)).hops
    assert 9_000 == plan(loop(9_000), Caps(max_visits=6_000)).hops


def test_only_what_a_run_comes_back_to_is_bounded() -> None:
    """A node outside of all cycles has one visit, and one that loops alone is in a cycle."""
    line = replace(loop(), edges=(Edge(source="a", target="b", via="to", chooses="model"),))
    alone = replace(line, edges=(*line.edges, Edge(source="a", target="a", via="again", chooses="model")))

    assert (1, 1) == (plan(line, Caps()).visits("a"), plan(line, Caps()).visits("b"))
    assert (2, 1) == (plan(alone, Caps()).visits("a"), plan(alone, Caps()).visits("b"))


def test_tokens_are_those_of_all_visits() -> None:
    """Three visits of two requests, each of 100 tokens in and 10 out."""
    caps = Caps(max_visits=3, calls=2, input_tokens=100, output_tokens=10)

    assert 3 * 2 * 110 == plan(loop(), caps).tokens
    assert 3 * 2 * 164 == plan(loop(max_output_tokens=64), caps).tokens


def test_what_code_chose_after_a_model_is_said() -> None:
    """The machine lets the model choose there, so its handoffs say so; where one way is left, nobody chooses."""
    edges = (
        Edge(source="a", target="b", via="route", chooses="code", condition="route()"),
        Edge(source="a", target=END, via="Command", chooses="code"),
        Edge(source="b", target="a", via="to", chooses="code"),
    )
    made = plan(replace(loop(), edges=edges), Caps())
    alone = plan(replace(loop(), edges=(edges[1],)), Caps())

    assert [
        "TODO a guard: route(), which chose there; until then the model does",
        "TODO: code chose this there, by Command; here the model does",
    ] == [way.remark for way in made.leaving("a")]
    assert [("", "")] == [(way.description, way.remark) for way in made.leaving("b")]
    assert [""] == [way.remark for way in alone.leaving("a")]


def test_what_several_nodes_lose_is_said_once() -> None:
    """With all of them; what is lost of a whole graph has no nodes."""
    graph = replace(loop(), lost=("a: its guardrail", "the condition", "b: its guardrail", "b: its filter: all"))

    assert {"its guardrail": ("a", "b"), "the condition": (), "its filter: all": ("b",)} == graph.not_kept()


def test_nodes_of_like_names_have_names_of_their_own() -> None:
    """They are counted from the second on, and none is a name that the module takes itself."""
    keys = ("a b", "A-B", "a.b", "limits")
    edges = tuple(Edge(source="a b", target=key, via="to", chooses="code") for key in keys[1:])
    graph = replace(loop(), entry="a b", nodes={key: Node(key=key) for key in keys}, edges=edges)

    assert ["a_b", "a_b_2", "a_b_3", "limits_2"] == [*plan(graph, Caps()).names.values()]
