"""A picture of how machines route, as SVG: what goes wrong with each, and how a threshold trades one error for another.

On the left each machine is a point: how much it sends away that somebody should have taken, against how much it lets in
that nobody should; all thresholds of one are a curve. On the right a bar holds all queries of a machine by what became
of them, misroutes too, and below them a band shows the same for each threshold. Text is text, and the background is
clear: on a dark page the letters are light.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from typing import NamedTuple

from .routes import Rates, Share
from .thresholds import Curve, Point


@dataclass(frozen=True)
class Router:
    """What is drawn of a machine."""

    name: str
    rates: Rates
    curve: Curve | None = None
    """What each threshold would do, if it has one."""
    threshold: float | None = None
    """The one that it has."""
    note: str = ""
    """A few words behind its bar, such as the time of a decision."""


COLOURS = ("#2e86ab", "#8e55b5", "#4a9d8e", "#b0892a", "#c2577a", "#7d8590")
"""Of machines, in their order; readable on light and on dark."""
RIGHT, NEEDLESS, LEAK, WRONG = "#2c8f5a", "#e9b23c", "#e4572e", "#9c2a3c"

_WIDTH, _TOP = 960, 138
"""Of the picture, and of its panels, in pixels."""
_LEFT, _SIZE, _LEAST = 62, 400, 300
"""The panel on the left: its edge, its width, and its height at least."""
_RIGHT, _LENGTH, _ROW, _BAND = 648, 240, 42, 120
"""The bars: their edge, their length, and the height of a row; the height of the band below them."""
_LABEL_GAP = 16
"""Between the base lines of two labels."""
_STYLE = (
    ".fsm-plot{color:#1f2328;font-family:Inter,'Segoe UI',Helvetica,Arial,sans-serif}"
    "@media(prefers-color-scheme:dark){.fsm-plot{color:#e6edf3}}"
)


def draw(routers: Sequence[Router], *, title: str, lines: Sequence[str]) -> str:
    """Return the picture as SVG: the same bytes for the same figures.

    Args:
        routers: at least one; the bars stand in their order.
        title: the heading.
        lines: what is measured, and on what: one or two lines below the title.
    """
    chosen = next((router for router in routers if router.curve is not None), None)
    below = _TOP + _ROW * len(routers) + 40
    scale = _Scale(_widest(routers), max(_LEAST, below + _BAND - _TOP if chosen else below - _TOP))
    height = _TOP + scale.height + 56
    parts = [
        f'<svg class="fsm-plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img"><title>{escape(title)}</title><style>{_STYLE}</style>',
        _text(22, 38, title, size=22, weight=700),
        *(_text(22, 64 + 19 * number, line, size=13, faint=True) for number, line in enumerate(lines)),
        *_plane(routers, scale),
        *_legend(),
        *_bars(routers),
        *(_band(chosen.curve, chosen, _TOP + scale.height - _BAND) if chosen and chosen.curve else ()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True)
class _Scale:
    """From rates to pixels of the panel on the left."""

    most: float
    """The false fallback at the right edge."""
    height: int

    def place(self, rates: Rates) -> tuple[float, float]:
        """Return where a routing is drawn; a rate of nothing is 0."""
        return _LEFT + _SIZE * _rate(rates.false_fallback) / self.most, _TOP + self.height * (1 - _rate(rates.leak))


def _plane(routers: Sequence[Router], scale: _Scale) -> Iterator[str]:
    """Yield the panel of two errors: false fallbacks to the right, leaks upwards."""
    bottom = _TOP + scale.height
    for step in range(6):
        x, y = _LEFT + _SIZE * step / 5, _TOP + scale.height * step / 5
        yield _line(x, _TOP, x, bottom) + _line(_LEFT, y, _LEFT + _SIZE, y)
        yield _text(x, bottom + 19, f"{100 * scale.most * step / 5:g}%", size=12, anchor="middle", faint=True)
        yield _text(_LEFT - 8, y + 4, f"{100 - 20 * step}%", size=12, anchor="end", faint=True)
    middle = _TOP + scale.height / 2
    yield _text(_LEFT + _SIZE / 2, bottom + 41, "sent away, though ours", size=12, anchor="middle", faint=True)
    yield f'<g transform="rotate(-90 16 {middle:g})">'
    yield _text(16, middle + 4, "let in, though not ours", size=12, anchor="middle", faint=True) + "</g>"
    for router, colour in zip(routers, _colours(routers), strict=True):
        if router.curve is not None:
            yield from _curve(router.curve, colour, scale, beside=router.threshold)
    yield from _points(routers, scale)


def _widest(routers: Sequence[Router]) -> float:
    """Return the false fallback at the right edge: the next of some round ones with room for all points."""
    most = 1.5 * max(_rate(router.rates.false_fallback) for router in routers)
    return next((edge for edge in (0.1, 0.2, 0.3, 0.5) if most <= edge), 1.0)


def _curve(curve: Curve, colour: str, scale: _Scale, *, beside: float | None) -> Iterator[str]:
    """Yield a curve as far as it is in the panel, with every tenth threshold that has room."""
    edge = _LEFT + _SIZE
    places = [scale.place(point.rates) for point in curve.points]
    inside = [place for place in places if place[0] <= edge]
    for (x, y), (next_x, next_y) in pairwise(places):
        if x <= edge < next_x:
            inside.append((edge, y + (next_y - y) * (edge - x) / (next_x - x)))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in inside)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-linejoin="round"/>'
    last = None
    for point in filter(_is_tenth, curve.points):
        x, y = scale.place(point.rates)
        near = last is not None and abs(x - last[0]) + abs(y - last[1]) < _LABEL_GAP
        if x <= edge and not near and point.threshold != beside:
            last = (x, y)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            yield _text(x + 9, y - 6, f"{point.threshold:g}", size=11, faint=True)


def _is_tenth(point: Point) -> bool:
    return 0 < point.threshold < 1 and abs(10 * point.threshold - round(10 * point.threshold)) < 1e-9


def _points(routers: Sequence[Router], scale: _Scale) -> Iterator[str]:
    """Yield a point for each machine, with its name beside it."""
    places = [scale.place(router.rates) for router in routers]
    heights = _apart([y for _, y in places], middle=_TOP + scale.height / 2)
    for (x, y), height, router, colour in zip(places, heights, routers, _colours(routers), strict=True):
        name = router.name if router.threshold is None else f"{router.name}, {router.threshold:g}"
        at, anchor = (x - 14, "end") if x > _LEFT + _SIZE * 0.6 else (x + 14, "start")
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{colour}"/>'
        yield _text(at, height + 4, name, size=13, weight=700, anchor=anchor, fill=colour)


def _apart(heights: Sequence[float], *, middle: float) -> list[float]:
    """Return heights of labels that do not lie on each other: those above the middle move down, the others up."""
    moved = dict(enumerate(heights))
    for side, step in ((1, _LABEL_GAP), (-1, -_LABEL_GAP)):
        own = [number for number, height in enumerate(heights) if (height < middle) == (side == 1)]
        own.sort(key=lambda number: side * heights[number])
        for before, number in pairwise(own):
            moved[number] = side * max(side * heights[number], side * (moved[before] + step))
    return [moved[number] for number in range(len(heights))]


def _legend() -> Iterator[str]:
    at = 492.0
    for part in _PARTS:
        yield _block(at, _TOP - 33, 11, 11, part.colour) + _text(at + 16, _TOP - 23, part.words, size=12)
        at += part.width


def _bars(routers: Sequence[Router]) -> Iterator[str]:
    """Yield a bar for each machine: all queries, by what became of them."""
    for number, router in enumerate(routers):
        y, x = _TOP + _ROW * number, float(_RIGHT)
        yield _text(_RIGHT - 10, y + 19, router.name, size=13, anchor="end")
        for part, share in zip(_PARTS, _shares(router.rates), strict=True):
            yield _block(x, y, _LENGTH * share, 28, part.colour)
            x += _LENGTH * share
        yield _text(
            _RIGHT + 8, y + 19, f"{100 * _rate(router.rates.accuracy):.1f}%", size=13, weight=700, fill="#ffffff"
        )
        yield _text(_RIGHT + _LENGTH + 8, y + 19, router.note, size=12, faint=True)


def _band(curve: Curve, router: Router, top: int) -> Iterator[str]:
    """Yield all queries, by what became of them, for each threshold from 0 to 1."""
    steps = [
        (_RIGHT + _LENGTH * point.threshold, list(accumulate(_shares(point.rates), initial=0.0)))
        for point in curve.points
    ]
    for number, part in enumerate(_PARTS):
        lower, upper = ([(x, levels[edge]) for x, levels in steps] for edge in (number, number + 1))
        places = " ".join(f"{x:.1f},{top + _BAND * (1 - share):.1f}" for x, share in [*upper, *reversed(lower)])
        yield f'<polygon points="{places}" fill="{part.colour}"/>'
    yield _text(_RIGHT - 10, top + 14, router.name, size=13, anchor="end")
    yield _text(_RIGHT - 10, top + 31, "by threshold", size=12, anchor="end", faint=True)
    for step in range(6):
        yield _text(
            _RIGHT + _LENGTH * step / 5, top + _BAND + 19, f"{step / 5:g}", size=12, anchor="middle", faint=True
        )
    if router.threshold is not None:
        x = _RIGHT + _LENGTH * router.threshold
        yield f'<path d="M{x:.1f} {top - 7}V{top + _BAND}" stroke="currentColor" stroke-width="2"/>'
        yield _text(x, top - 12, f"{router.threshold:g}", size=13, weight=700, anchor="middle")


class _Part(NamedTuple):
    """A part of a bar."""

    rate: str
    """The name of its rate."""
    colour: str
    words: str
    """What the legend says of it."""
    width: int
    """Pixels in the legend; of the last one it does not matter."""


_PARTS = (
    _Part("accuracy", RIGHT, "right", 58),
    _Part("false_fallback", NEEDLESS, "sent away, though ours", 163),
    _Part("leak", LEAK, "let in, though not ours", 159),
    _Part("misroute", WRONG, "misrouted", 0),
)
"""From the left."""


def _shares(rates: Rates) -> list[float]:
    """Return the parts of all queries, which add up to 1."""
    return [getattr(rates, part.rate).count / max(1, rates.accuracy.of) for part in _PARTS]


def _colours(routers: Sequence[Router]) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(len(routers))]


def _rate(share: Share) -> float:
    return share.rate or 0.0


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}" stroke="currentColor" stroke-opacity="0.13"/>'


def _block(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" fill="{colour}"/>'


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int,
    weight: int = 400,
    anchor: str = "start",
    fill: str = "currentColor",
    faint: bool = False,
) -> str:
    opacity = ' fill-opacity="0.66"' if faint else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}"'
        f"{opacity}>{escape(words)}</text>"
    )
