"""Where each part of a diagram is drawn: boxes and lines, laid out by Graphviz.

Graphviz comes inside the wheel of `pygraphviz`, so no program has to be installed or started. It is given sizes and
never a text: how wide it finds one depends on the fonts of its machine, and a picture is to be the same everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pygraphviz

_GAP = 14
"""Between an arrow's label and what is beside it, in points."""


class Point(NamedTuple):
    """A place, in points from the left and from the top."""

    x: float
    y: float


class Size(NamedTuple):
    """Width and height, in points."""

    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A curve from one node to another."""

    curve: tuple[Point, ...]
    """Where it begins, then three points for each of its cubic Bezier curves."""
    tip: Point
    """The tip of its arrow head, which begins where the curve ends."""
    label: Point | None
    """The middle of its label; None without one."""


@dataclass(frozen=True)
class Layout:
    """Where everything is."""

    size: Size
    nodes: tuple[Point, ...]
    """The middle of each node."""
    lines: tuple[Line, ...]


class Spread(NamedTuple):
    """How a picture is spread out."""

    direction: Literal["TB", "LR"] = "TB"
    """Top down, or from left to right."""
    beside: float = 0.35
    """Between nodes of one rank, in inches."""
    between: float = 0.4
    """Between ranks, in inches."""


_TOP_DOWN = Spread()


def laid_out(
    nodes: Sequence[Size], edges: Sequence[tuple[int, int, Size | None]], spread: Spread = _TOP_DOWN
) -> Layout:
    """Return where nodes and edges go, so that few edges cross.

    Args:
        nodes: the size of each.
        edges: the numbers of two nodes, and the size of a label between them.
        spread: top down by default.
    """
    graph = pygraphviz.AGraph(string=_text(nodes, edges, spread))
    drawn = graph.draw(format="json0", prog="dot")
    assert isinstance(drawn, bytes)  # it draws to memory, since no path is given
    found = json.loads(drawn)
    _, _, width, height = _numbers(found["bb"])
    points = {one["name"]: _points(one["pos"], height)[0] for one in found["objects"]}
    lines = {edge["id"]: _line(edge, height) for edge in found.get("edges", ())}
    return Layout(
        Size(width, height),
        tuple(points[f"n{number}"] for number in range(len(nodes))),
        tuple(lines[f"e{number}"] for number in range(len(edges))),
    )


def _text(nodes: Sequence[Size], edges: Sequence[tuple[int, int, Size | None]], spread: Spread) -> str:
    """Return the graph in DOT."""
    lines = [
        "digraph {",
        f"rankdir={spread.direction} nodesep={spread.beside} ranksep={spread.between}",
        'node [shape=box label="" fixedsize=true]',
        "edge [arrowsize=0.8]",
    ]
    lines += [f"n{number} [width={w / 72:.4f} height={h / 72:.4f}]" for number, (w, h) in enumerate(nodes)]
    lines += [f"n{tail} -> n{head} [id=e{number} {_label(s)}]" for number, (tail, head, s) in enumerate(edges)]
    return "\n".join([*lines, "}"])


def _label(size: Size | None) -> str:
    if size is None:
        return ""
    width, height = round(size.width) + _GAP, round(size.height) + 4
    return f'label=<<TABLE BORDER="0" FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"><TR><TD></TD></TR></TABLE>>'


def _line(edge: dict[str, Any], height: float) -> Line:
    tip, *curve = _points(edge["pos"].removeprefix("e,"), height)
    label = _points(edge["lp"], height)[0] if "lp" in edge else None
    return Line(tuple(curve), tip, label)


def _points(text: str, height: float) -> list[Point]:
    """Read points, which Graphviz counts from the bottom."""
    return [Point(x, height - y) for x, y in map(_numbers, text.split())]


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]
