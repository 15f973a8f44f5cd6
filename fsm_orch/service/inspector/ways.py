"""Ways on a drawing that Graphviz does not lay out: the landing of each state, and the place of each edge's number.

A landing is drawn when one is taken. In the layout those of all states would ruin it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from ...export.layout import Layout, Line, Point, Size

Curve = tuple[tuple[Point, ...], ...]
"""Pieces, each of which begins where the one before it ends: a line, or a Bezier curve of two or three degrees."""
_KINDS = {2: "L", 3: "Q", 4: "C"}
_STEPS = 16
"""Of each piece, to measure it."""
_PARTS = (0.28, 0.5, 0.7, 0.15, 0.82)
"""Of an edge, where its number may stand; the first is the best."""
_LOOKED_AT = 40
_FLAT = 2.6
"""How much wider a label is than it is high."""


class Way(NamedTuple):
    """A curve, and where its words stand."""

    path: str
    """As SVG writes it."""
    label: Point


def number(line: Line, labels: Sequence[Point]) -> Point:
    """Return where on an edge its number hides no label, or hides least."""
    pieces = [line.curve[at : at + 4] for at in range(0, len(line.curve) - 1, 3)]
    points = _along((*pieces, (line.curve[-1], line.tip)), _PARTS)

    def far(point: Point) -> float:
        return min(math.hypot((each.x - point.x) / _FLAT, each.y - point.y) for each in labels) if labels else math.inf

    return next((point for point in points if far(point) > 16), None) or max(points, key=far)


def landing(source: Point, target: Point, layout: Layout, node: Size, labels: Sequence[tuple[Point, Size]]) -> Way:
    """Return the landing that hides least, with room for it 14 points below the layout.

    Args:
        node: how large a state is.
        labels: of the edges: the middle and the size of each.
    """
    boxes = [*((each, node) for each in layout.nodes), *labels]

    def hidden(curve: Curve) -> int:
        points = _along(curve, [number / _LOOKED_AT for number in range(1, _LOOKED_AT)])
        left, top, right, bottom = *map(min, zip(*points, strict=True)), *map(max, zip(*points, strict=True))
        near = [
            (x, y, wide / 2, high / 2)
            for (x, y), (wide, high) in boxes
            if left - wide < x < right + wide and top - high < y < bottom + high
        ]
        return sum(any(abs(at.x - x) < w and abs(at.y - y) < h for x, y, w, h in near) for at in points)

    curve, label = min(_ways(source, target, layout.size, node), key=lambda way: hidden(way[0]))
    return Way(_svg(curve), label)


def _ways(a: Point, b: Point, size: Size, node: Size) -> Iterator[tuple[Curve, Point]]:
    half, deep, low = node.width / 2, node.height / 2, size.height + 14
    is_low = b.y > size.height - node.height
    below = Point(b.x, b.y + deep + 4)
    if is_low:
        around = (Point(a.x, a.y + deep), Point(a.x, low + 40), Point(b.x, low + 40), below)
        yield (around,), Point((a.x + b.x) / 2, low + 18)
    yield _across(a, b, half, deep)
    for side, out in ((1, size.width + 18), (-1, -18)):
        begin, middle = Point(a.x + side * half, a.y), Point(out, (a.y + b.y) / 2)
        away = (begin, Point(out, a.y), middle)
        if is_low:
            corner, inner = Point(out - side * 16, low + 8), Point(b.x + side * 16, low + 8)
            down, turn = Point(out, low - 6), Point(out, low + 8)
            up = (inner, Point(b.x, low + 8), below)
            yield (away, (middle, down), (down, turn, corner), (corner, inner), up), Point(b.x, low + 24)
        else:
            back = (middle, Point(out, b.y), Point(b.x + side * (half + 4), b.y))
            yield (away, back), Point(b.x, b.y + deep + 14)


def _across(a: Point, b: Point, half: float, deep: float) -> tuple[Curve, Point]:
    """Return the way from box to box, with its words on the far side."""
    down, right = (1 if b.y > a.y else -1), (1 if b.x > a.x else -1)
    label = Point(b.x, b.y + down * (deep + 14))
    if abs(b.y - a.y) > 3 * deep:
        y = (a.y + b.y) / 2
        return (
            (Point(a.x, a.y + down * deep), Point(a.x, y), Point(b.x, y), Point(b.x, b.y - down * (deep + 4))),
        ), label
    begin, end = Point(a.x + right * half, a.y), Point(b.x - right * (half + 4), b.y)
    x = (begin.x + end.x) / 2
    return ((begin, Point(x, a.y), Point(x, b.y), end),), label


def _along(curve: Curve, parts: Sequence[float]) -> list[Point]:
    """Return where one is after parts of the length of a curve."""
    points = [_on(piece, step / _STEPS) for piece in curve for step in range(_STEPS + 1)]
    gone = [0.0, *accumulate(math.dist(a, b) for a, b in pairwise(points))]

    def after(far: float) -> Point:
        at = bisect_left(gone, far)  # of all parts, none is the whole or nothing
        return _on(points[at - 1 : at + 1], (far - gone[at - 1]) / (gone[at] - gone[at - 1]))

    return [after(part * gone[-1]) for part in parts]


def _on(piece: Sequence[Point], part: float) -> Point:
    while len(piece) > 1:
        piece = [Point(a.x + (b.x - a.x) * part, a.y + (b.y - a.y) * part) for a, b in pairwise(piece)]
    return piece[0]


def _svg(curve: Curve) -> str:
    def said(points: Sequence[Point]) -> str:
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in points)

    return f"M{said(curve[0][:1])}" + "".join(f"{_KINDS[len(piece)]}{said(piece[1:])}" for piece in curve)
