"""Requests that hostile graphs of pydantic-graph 2.x really make, against the numbers that are printed of them."""

from typing import Any, Literal

import pytest
from support.counted import Asked, assuming, standing, too_small

pytest.importorskip(
    "pydantic_graph.graph_builder", reason="pydantic-graph 2.x is not installed; nox -s adopt installs it"
)

from collections.abc import AsyncIterator, Callable

from pydantic_graph import GraphBuilder, StepContext, reduce_list_append

client = Asked()


def steps(builder: Any, names: str) -> list[Any]:
    """Return steps that ask once each."""

    async def asks(ctx: StepContext[None, None, Any]) -> int:
        client.create()
        return 1

    return [builder.step(asks, node_id=name) for name in names]


def join(builder: Any) -> Any:
    return builder.join(reduce_list_append, initial_factory=list)


def two_ways(g: Any) -> None:
    a, b, c = steps(g, "abc")
    j = join(g)
    g.add(g.edge_from(g.start_node).to(a), g.edge_from(a).to(b), g.edge_from(a).to(c))
    g.add(g.edge_from(b, c).to(j), g.edge_from(j).to(g.end_node))


def at_the_start(g: Any) -> None:
    b, c = steps(g, "bc")
    j = join(g)
    g.add(g.edge_from(g.start_node).to(b, c), g.edge_from(b, c).to(j), g.edge_from(j).to(g.end_node))


def mapped(g: Any) -> None:
    (b,) = steps(g, "b")
    j = join(g)

    async def many(ctx: StepContext[None, None, Any]) -> list[int]:
        return [1] * 9

    first = g.step(many)
    g.add(g.edge_from(g.start_node).to(first), g.edge_from(first).map().to(b))
    g.add(g.edge_from(b).to(j), g.edge_from(j).to(g.end_node))


def streamed(g: Any) -> None:
    (b,) = steps(g, "b")
    j = join(g)

    async def many(ctx: StepContext[None, None, Any]) -> AsyncIterator[int]:
        for number in range(6):
            yield number

    first = g.stream(many)
    g.add(g.edge_from(g.start_node).to(first), g.edge_from(first).map().to(b))
    g.add(g.edge_from(b).to(j), g.edge_from(j).to(g.end_node))


def decided(g: Any) -> None:
    b, c, d = steps(g, "bcd")
    j = join(g)

    async def pick(ctx: StepContext[None, None, Any]) -> Literal["x", "y"]:
        client.create()
        return "x"

    first = g.step(pick)
    both = g.decision().branch(g.match(Literal["x"]).to(b, c)).branch(g.match(Literal["y"]).to(d))
    g.add(g.edge_from(g.start_node).to(first), g.edge_from(first).to(both))
    g.add(g.edge_from(b, c, d).to(j), g.edge_from(j).to(g.end_node))


def met(g: Any) -> None:
    a, b, c, d = steps(g, "abcd")
    j = join(g)
    g.add(g.edge_from(g.start_node).to(a), g.edge_from(a).to(b, c), g.edge_from(b).to(d), g.edge_from(c).to(d))
    g.add(g.edge_from(d).to(j), g.edge_from(j).to(g.end_node))


def in_a_row(g: Any) -> None:
    a, b = steps(g, "ab")
    g.add(g.edge_from(g.start_node).to(a), g.edge_from(a).to(b), g.edge_from(b).to(g.end_node))


@pytest.mark.parametrize("build", [two_ways, at_the_start, mapped, streamed, decided, met, in_a_row])
async def test_no_number_is_too_small(build: Callable[[Any], None]) -> None:
    """Nothing bounds a run but of steps in a row, as is said, and what is proved of a machine is not too small."""
    builder: Any = GraphBuilder(input_type=int, output_type=object)
    build(builder)
    graph, before = builder.build(), client.requests
    await graph.run(inputs=1)
    requests = client.requests - before

    assert requests > 1
    assert (requests if build is in_a_row else None) == standing(graph)
    assert [] == too_small(graph, requests)


def ask_many(*_: Any) -> Any:
    """Ask a model nine times in a way that source does not show."""
    client.requests += 9
    return [1]


def on_a_path(g: Any) -> None:
    a, b = steps(g, "ab")
    g.add(g.edge_from(g.start_node).to(a), g.edge_from(a).transform(ask_many).to(b), g.edge_from(b).to(g.end_node))


def in_a_join(g: Any) -> None:
    (a,) = steps(g, "a")
    j = g.join(lambda current, given: ask_many(), initial_factory=list, node_id="j")
    g.add(g.edge_from(g.start_node).to(a), g.edge_from(a).to(j), g.edge_from(j).to(g.end_node))


def in_a_decision(g: Any) -> None:
    a, b, c = steps(g, "abc")
    either = g.decision(node_id="d").branch(g.match(int, matches=ask_many).to(b)).branch(g.match(int).to(c))
    g.add(g.edge_from(g.start_node).to(a), g.edge_from(a).to(either), g.edge_from(b, c).to(g.end_node))


@pytest.mark.parametrize(
    ("build", "clause"),
    [(on_a_path, "1 path function of a"), (in_a_join, "1 join function of j"), (in_a_decision, "1 condition of d")],
)
async def test_what_asks_beside_the_steps_is_assumed_away(build: Callable[[Any], None], clause: str) -> None:
    """A run makes more requests than its steps, and what is printed says where none was taken to be made."""
    builder: Any = GraphBuilder(input_type=int, output_type=object)
    build(builder)
    graph, before = builder.build(), client.requests
    await graph.run(inputs=1)

    assert client.requests - before > (standing(graph) or 0)
    assert any(clause in said for said in assuming(graph)), assuming(graph)
