"""Nodes of pydantic-graph that are classes, whose `run` may return nodes that its annotation leaves out."""

import ast
from collections.abc import Iterable, Iterator, Sequence

from .functions import around, plain, tree, variables
from .graph import Node
from .library import Library
from .source import results
from .work import first_line, node

PYDANTIC_GRAPH = Library("pydantic-graph", "pydantic-graph", "pydantic_graph", "0.3.6 and 2.68.0")


def class_node(key: str, kind: object) -> Node:
    """Return a class as a node."""
    said = first_line(kind)
    is_made = said.startswith(f"{key}(")  # by `dataclass`, for a class that has none
    return node(key, {"run": PYDANTIC_GRAPH.get(kind, "run")}, does="" if is_made else said)


def only_declared(keys: Iterable[str]) -> Iterator[str]:
    """Yield what is taken for granted of nodes whose results are not all in sight: no annotation holds them."""
    if hidden := ", ".join(keys):
        yield f"no way out of {hidden} but those that are declared: more may be in the code"


def hides_ways(kind: object, after: Sequence[object]) -> bool:
    """Return whether a node may return another than it declares: not each result is made where it is returned.

    Args:
        kind: Its class.
        after: The classes that it declares to return.
    """
    run = PYDANTIC_GRAPH.get(kind, "run")
    function = plain(run)
    parsed = None if function is None or hasattr(run, "__wrapped__") else tree(function)
    if function is None or parsed is None:
        return True
    inside, names = variables(function), around(function)
    made = [_made(value) for value in results(parsed)]
    return not made or any(
        name is None or name in inside or not _is_one_of(name, names.get(name), after)
        for names_made in made
        for name in names_made
    )


def _made(value: ast.expr | None) -> list[str | None]:
    """Return the names of the classes that a result is made of; None is one that cannot be known."""
    match value:
        case ast.Call(func=ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name))):
            return [name]
        case ast.IfExp(body=one, orelse=other):
            return [*_made(one), *_made(other)]
    return [None]


def _is_one_of(name: str, held: object, after: Sequence[object]) -> bool:
    """Return whether a name stands for the end, or for one of the classes that are declared."""
    if name == "End":
        return held is None or PYDANTIC_GRAPH.made(held, "End")
    return any(getattr(each, "__name__", None) == name and held in (None, each) for each in after)
