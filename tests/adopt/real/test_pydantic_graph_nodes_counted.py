"""Requests that hostile nodes of pydantic-graph really make, against the numbers that are printed of them."""

import functools
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from support.counted import Asked, assuming, standing

pytest.importorskip("pydantic_graph", reason="pydantic-graph is not installed; nox -s adopt installs it")

import pydantic_graph
from pydantic_graph import BaseNode, End, GraphRunContext

client = Asked()
MOST = 5


def saying_another(work: Any) -> Any:
    """Return a function around another, whose result is dropped."""

    @functools.wraps(work)
    async def inner(self: Any, ctx: Any) -> Any:
        await work(self, ctx)
        return Again()

    return inner


def again() -> Any:
    return Again()


class _Asks(BaseNode[None, None, int]):
    """Asks, and stops a run that goes on."""

    def ask(self) -> None:
        client.create()
        if client.requests >= MOST:
            raise RuntimeError("enough")


@dataclass
class Again(_Asks):
    """Asks again."""

    async def run(self, ctx: GraphRunContext) -> End[int]:
        self.ask()
        return again()


@dataclass
class ByItself(_Asks):
    """Returns itself."""

    async def run(self, ctx: GraphRunContext) -> End[int]:
        self.ask()
        return self  # type: ignore[return-value]


@dataclass
class InSight(_Asks):
    """Makes a node that it does not declare."""

    async def run(self, ctx: GraphRunContext) -> End[int]:
        self.ask()
        return InSight()  # type: ignore[return-value]


@dataclass
class Renamed(_Asks):
    """Makes a node by the name of what it declares."""

    async def run(self, ctx: GraphRunContext) -> End[int]:
        self.ask()
        End = Again
        return End()  # type: ignore[return-value]


@dataclass
class Wrapped(_Asks):
    """Has its result replaced."""

    @saying_another
    async def run(self, ctx: GraphRunContext) -> End[int]:
        self.ask()
        return End(1)


@dataclass
class ByName(_Asks):
    """Returns a variable."""

    async def run(self, ctx: GraphRunContext) -> End[int]:
        self.ask()
        made: Any = Again()
        return made


@dataclass
class Plain(_Asks):
    """Returns what it declares."""

    async def run(self, ctx: GraphRunContext) -> End[int]:
        client.create()
        return End(1) if client else End[int](2)


def graph_of(*kinds: Any) -> Any:
    """Return a graph of nodes that begins with the first, whatever version is here."""
    if hasattr(pydantic_graph, "GraphBuilder"):
        builder: Any = pydantic_graph.GraphBuilder(input_type=object, output_type=object)
        builder.add(*(builder.node(kind) for kind in kinds), builder.edge_from(builder.start_node).to(kinds[0]))
        return builder.build(validate_graph_structure=False)
    return pydantic_graph.Graph(nodes=list(kinds))


async def ran(kinds: Any) -> int:
    """Return how many requests a run of nodes makes until it is stopped."""
    client.requests = 0
    graph = graph_of(*kinds)
    with suppress(RuntimeError, ExceptionGroup):
        await (graph.run(inputs=kinds[0]()) if hasattr(graph, "edges_by_source") else graph.run(kinds[0]()))
    return client.requests


HIDING = [Again, ByItself, InSight, Renamed, Wrapped, ByName]


@pytest.mark.parametrize("kind", HIDING)
async def test_ways_that_no_annotation_names_are_assumed_away(kind: Any) -> None:
    """A node comes back, and what is printed says that it was taken to go where it declares."""
    kinds = [kind] if kind is Again else [kind, Again]
    made, graph = await ran(kinds), graph_of(*kinds)
    clause = f"no way out of {', '.join(each.__name__ for each in kinds)} but those that are declared"

    assert made == MOST > (standing(graph) or 0)
    assert any(clause in said for said in assuming(graph)), assuming(graph)


async def test_nothing_is_assumed_of_what_is_made_where_it_is_returned() -> None:
    """A node all of whose results are of what it declares leads nowhere else."""
    assert await ran([Plain]) == 1 == standing(graph_of(Plain))
    assert not any("no way out" in said for said in assuming(graph_of(Plain)))
