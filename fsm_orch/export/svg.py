"""A definition as an SVG picture, which any browser shows.

It is readable on a light page and on a dark one: it has no background, and all its colours stand out from both. It
holds no script, no style sheet and nothing that is loaded from elsewhere, so it may stand inside a page too.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterator

from ..define.definition import Definition
from .diagram import Arrow, ArrowKind, Node, NodeKind, diagram
from .layout import Line, Point, Size, laid_out

_FILL: dict[NodeKind, str] = {"state": "#3b6fb6", "final": "#27794b", "fallback": "#b45f06"}
"""White text on these has a contrast of 4.5 and more."""
_STROKE: dict[ArrowKind, str] = {"handoff": "#7d8590", "failure": "#d1453b", "landing": "#c77700"}
_LABEL: dict[ArrowKind, str] = {"handoff": "#78808a", "failure": "#d1453b", "landing": "#c77700"}
_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_NAME_PX, _TEXT_PX, _LINE = 13, 11, 15
_EM = 0.6
"""The mean width of a character, as a part of the size of the font: that of a wide font, so that text fits in any."""
_MARGIN = 8
_START = 9


def svg(definition: Definition) -> str:
    """Return a definition as an SVG document.

    Solid arrows are handoffs, with their guards in brackets. Red ones are taken when a visit fails. Dotted ones land.
    """
    drawn = diagram(definition)
    numbers = {node.id: number for number, node in enumerate(drawn.nodes, 1)}
    sizes = [Size(_START, _START), *(_size(node.lines, padding=10) for node in drawn.nodes)]
    edges = [(numbers[a.source], numbers[a.target], _size(a.lines) if a.lines else None) for a in drawn.arrows]
    layout = laid_out(sizes, [*((0, numbers[start], None) for start in drawn.starts), *edges])
    title = _size(drawn.title)
    width, top = max(layout.size.width, title.width) + 2 * _MARGIN, title.height + 2 * _MARGIN
    height = layout.size.height + top + _MARGIN
    left = (width - layout.size.width) / 2
    start, *places = layout.nodes
    begins, lines = layout.lines[: len(drawn.starts)], layout.lines[len(drawn.starts) :]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="fsm-orch" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{_FONT}" text-anchor="middle" role="img">',
            f"<title>{html.escape(drawn.title[0])}</title>",
            *_texts(drawn.title, Point(width / 2, top / 2), _LABEL["handoff"]),
            f'<g transform="translate({left:.1f} {top:.1f})">',
            f'<circle cx="{start.x:.1f}" cy="{start.y:.1f}" r="{_START / 2}" fill="{_STROKE["handoff"]}"/>',
            *(part for line in begins for part in _curve(line, "handoff")),
            *(part for arrow, line in zip(drawn.arrows, lines, strict=True) for part in _arrow(arrow, line)),
            *(p for n, size, at in zip(drawn.nodes, sizes[1:], places, strict=True) for p in _node(n, size, at)),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _node(node: Node, size: Size, at: Point) -> Iterator[str]:
    yield f'<g class="{node.kind}">'
    x, y = at.x - size.width / 2, at.y - size.height / 2
    box = f'x="{x:.1f}" y="{y:.1f}" width="{size.width:.1f}" height="{size.height:.1f}"'
    yield f'<rect {box} rx="{7 if node.kind == "state" else size.height / 2:.1f}" fill="{_FILL[node.kind]}"/>'
    yield from _texts(node.lines, at, "#fff")
    yield "</g>"


def _arrow(arrow: Arrow, line: Line) -> Iterator[str]:
    yield f'<g class="{arrow.kind}">'
    yield from _curve(line, arrow.kind)
    if line.label is not None:
        yield from _texts(arrow.lines, line.label, _LABEL[arrow.kind])
    yield "</g>"


def _curve(line: Line, kind: ArrowKind) -> Iterator[str]:
    """Yield a curve and the head of its arrow."""
    begin, *rest = (f"{point.x:.1f} {point.y:.1f}" for point in line.curve)
    dots = ' stroke-dasharray="1 4" stroke-linecap="round"' if kind == "landing" else ""
    path = f"M{begin}C{' '.join(rest)}"
    yield f'<path d="{path}" fill="none" stroke="{_STROKE[kind]}" stroke-width="1.4"{dots}/>'
    end, tip = line.curve[-1], line.tip
    length = math.dist(end, tip) or 1
    side = Point(-(tip.y - end.y) / length * 3.2, (tip.x - end.x) / length * 3.2)
    corners = (tip, Point(end.x + side.x, end.y + side.y), Point(end.x - side.x, end.y - side.y))
    yield f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}" fill="{_STROKE[kind]}"/>'


def _texts(lines: tuple[str, ...], middle: Point, colour: str) -> Iterator[str]:
    """Yield lines around a middle, the first one bold."""
    top = middle.y - (len(lines) - 1) * _LINE / 2
    for number, line in enumerate(lines):
        look = f'font-size="{_TEXT_PX}"' if number else f'font-size="{_NAME_PX}" font-weight="600"'
        y = top + number * _LINE + 4.2
        yield f'<text x="{middle.x:.1f}" y="{y:.1f}" {look} fill="{colour}">{html.escape(line)}</text>'


def _size(lines: tuple[str, ...], padding: int = 0) -> Size:
    """Return the room that lines need, with some at each side."""
    widths = [_width(line) * (_TEXT_PX if number else _NAME_PX) for number, line in enumerate(lines)]
    return Size(max(widths) + 2 * padding, len(lines) * _LINE + padding)


def _width(line: str) -> float:
    """Return the width of a line as a part of the size of its font."""
    return sum(1.05 if unicodedata.east_asian_width(character) in "WF" else _EM for character in line)
