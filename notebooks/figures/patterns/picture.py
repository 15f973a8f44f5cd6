"""The picture of the patterns: a row for each, and in it a bar for each call, where it stands in time.

PYTHONPATH=notebooks:. python -m figures.patterns.picture      # draws notebooks/pictures/patterns*.svg anew
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

from ..incident.picture import ANY, DARK, LIGHT, THEMES, Theme
from ..svg import dollars, page, rect, text, written
from .played import SECONDS_A_CALL, Exchange
from .shop import QUESTION
from .table import Kind, Row, rows

PICTURES = Path(__file__).parents[2] / "pictures"

_WIDTH, _TOP, _ROW, _BLOCK = 1240, 172, 58, 30
_LEFT, _PX_A_SECOND = 300, 232
_TICKS = (0, 0.5, 1, 1.5, 2)
_GAP = 1.5
"""Pixels that are left free around a bar."""
_COLUMNS = (
    ("calls", 830),
    ("tokens", 902),
    ("as native†", 988),
    ("proved worst", 1098),
    ("a day*", 1160),
    ("time", 1220),
)
"""Where the columns on the right end."""
_MANY: Mapping[Theme, str] = {LIGHT: "#8e44ad", DARK: "#b07cc6", ANY: "#9b59b6"}
"""The colour of several agents, which the incident has no use for."""


def draw(shown: Sequence[Row], theme: Theme) -> str:
    """Draw rows as one SVG."""
    height = _TOP + _ROW * len(shown) + 82
    title = "One question in ten patterns: calls, tokens, dollars a day, and seconds"
    svg = page(_WIDTH, height, title, "; ".join(map(_in_words, shown)), ink=theme.ink)
    _draw_head(svg, theme)
    _draw_axis(svg, theme, len(shown))
    for number, row in enumerate(shown):
        _draw_row(svg, theme, row, _TOP + _ROW * number + _ROW / 2)
    notes = (
        "* if all of 2 million requests a day were like this one, at the list price of gpt-4o-mini. Scripted model, "
        f"{SECONDS_A_CALL:g} s a call: structure is measured, not the quality of answers.",
        "† what the same talk would take with the provider's own tools. fsm_orch does not send that.",
    )
    for number, note in enumerate(notes):
        text(svg, _WIDTH - 20, height - 32 + 17 * number, note, size=11.5, fill=theme.muted, anchor="end")
    return written(svg)


def main() -> None:
    """Draw every theme into its file."""
    PICTURES.mkdir(exist_ok=True)
    for theme in THEMES:
        (PICTURES / f"patterns{theme.name}.svg").write_text(draw(rows(), theme), encoding="utf-8")


def lanes(exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Exchange]]:
    """Yield each call with its lane: those at the same time lie in lanes of their own, from 0 up."""
    free_s: list[float] = []
    for one in exchanges:
        lane = next(n for n in count() if n == len(free_s) or free_s[n] <= one.begun_s + 1e-9)
        free_s[lane : lane + 1] = [one.ended_s]
        yield lane, one


def _in_words(row: Row) -> str:
    bill = row.bill
    taken = f"{len(bill.calls)} calls, {bill.tokens:,} tokens, {dollars(bill.usd_a_day)} a day, {row.seconds:.2f} s"
    return f"{row.name}, {row.note}: {taken}"


def _draw_head(svg: ET.Element, theme: Theme) -> None:
    text(svg, 28, 52, "The same question, in ten patterns", size=28, weight=700)
    lines = (
        f"“{QUESTION}”",
        "Each bar is a call to a model, with the tokens that it is sent.",
    )
    for number, line in enumerate(lines):
        text(svg, 28, 84 + 22 * number, line, size=14.5, fill=theme.muted)
    for name, x in _COLUMNS:
        text(svg, x, _TOP - 14, name, size=13, fill=theme.muted, anchor="end")


def _draw_axis(svg: ET.Element, theme: Theme, many: int) -> None:
    bottom = _TOP + _ROW * many + 6
    for tick in _TICKS:
        x = _LEFT + tick * _PX_A_SECOND
        rect(svg, x - 0.5, _TOP - 4, 1, bottom - _TOP + 4, fill=theme.grid)
        text(svg, x, bottom + 17, f"{tick:g} s" if tick else "0", size=12, fill=theme.muted, anchor="middle")


def _draw_row(svg: ET.Element, theme: Theme, row: Row, y: float) -> None:
    group = ET.SubElement(svg, "g")
    text(group, _LEFT - 14, y - 2, row.name, size=15, weight=600, anchor="end")
    fill = theme.bad if row.is_half else theme.muted
    text(group, _LEFT - 14, y + 15, row.note, size=12, fill=fill, anchor="end")
    colours: Mapping[Kind, str] = {
        "code": theme.good,
        "tools": theme.specialist,
        "handoff": theme.triage,
        "many": _MANY[theme],
    }
    placed = list(lanes(row.exchanges))
    many = 1 + max(lane for lane, _ in placed)
    ink = "#0d1117" if theme is DARK else "#ffffff"  # its bars are lighter
    height = _BLOCK if many == 1 else (_ROW - 8) / many
    for lane, one in placed:
        _draw_call(group, one, y + height * (lane - many / 2), height, colours[row.kind], ink)
    _draw_columns(group, theme, row, y + 5)


def _draw_call(group: ET.Element, one: Exchange, y: float, height: float, colour: str, ink: str) -> None:
    x, width = _LEFT + one.begun_s * _PX_A_SECOND, (one.ended_s - one.begun_s) * _PX_A_SECOND
    rect(group, x + _GAP, y + _GAP / 2, width - 2 * _GAP, height - _GAP, fill=colour)
    told = f"{one.call.input_tokens:,}"
    text(group, x + width / 2, y + height / 2 + 4, told, size=12, fill=ink, anchor="middle")


def _draw_columns(group: ET.Element, theme: Theme, row: Row, y: float) -> None:
    bill = row.bill
    cells = (
        f"{len(bill.calls)}",
        f"{bill.tokens:,}",
        f"{row.native.tokens:,}" if row.native else "",
        f"{row.proved.tokens:,}",
        dollars(bill.usd_a_day),
        f"{row.seconds:.2f} s",
    )
    for (name, x), cell in zip(_COLUMNS, cells, strict=True):
        fill = theme.muted if name.startswith("as native") else theme.good if name.startswith("proved") else None
        text(group, x, y, cell, size=15, fill=fill, anchor="end")


if __name__ == "__main__":
    main()
