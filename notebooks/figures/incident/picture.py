"""The picture of the incident: a row for each guard, and in it a block for each call, as wide as its tokens.

    PYTHONPATH=notebooks:. python -m figures.incident.picture      # draws notebooks/pictures/incident*.svg anew

SVG, written by hand and not by a plotting library: it is rectangles and text. Text stays text, in the reader's own
font, and there is no background, so that each theme lies on a page of its own. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from ..svg import dollars, page, rect, shortened, text, written
from .bill import Bill, End
from .desk import QUESTION
from .table import Bound, Row, bound, guard_rows, our_rows, story_rows

PICTURES = Path(__file__).parents[2] / "pictures"


@dataclass(frozen=True)
class Theme:
    """The colours of a picture; `name` is the end of its file's name."""

    name: str
    ink: str
    muted: str
    grid: str
    triage: str
    specialist: str
    good: str
    bad: str
    band: str


LIGHT = Theme("", "#1f2328", "#59636e", "#e3e6ea", "#e4572e", "#2e86ab", "#1a7f4b", "#b3261e", "#e9f2f6")
DARK = Theme("-dark", "#f0f3f6", "#9aa4af", "#2b3138", "#f0714a", "#4ba3c7", "#57c785", "#ff7b72", "#14222b")
THEMES = (LIGHT, DARK)
"""Those that are files, for a page that picks one."""
ANY = Theme("-any", "#6f7782", "#7b838d", "#80808050", "#e4572e", "#2e86ab", "#27965c", "#d1483f", "#2e86ab22")
"""For a page of unknown colour, such as the output of a notebook: readable on light and on dark, if not as crisp."""

_WIDTH, _TOP, _ROW, _BLOCK = 1240, 166, 57, 29
_LEFT = 300
"""Where the blocks begin; what a row is called ends before it."""
_PX_A_TOKEN = 545 / 20_000
_TICKS = range(0, 20_001, 5_000)
_SHOWN = 19_400
"""Tokens: a row that has more fades out here."""
_CALLS, _TOKENS, _DAY, _GETS = 906, 988, 1076, 1098
"""Where the columns on the right end; the last one begins there."""


def picture_rows() -> Sequence[Row]:
    """Return the rows that are drawn: the story, the guards, and the machine under the worst model."""
    return (*story_rows(), *guard_rows(), our_rows()[0])


def draw(rows: Sequence[Row], proved: Bound, theme: Theme) -> str:
    """Draw rows as one SVG.

    Args:
        proved: is marked in the row of the machine.
    """
    height = _TOP + _ROW * len(rows) + 62
    title = "One vague question, guard by guard: calls, tokens, and dollars a day"
    svg = page(_WIDTH, height, title, "; ".join(map(_in_words, rows)), ink=theme.ink)
    _draw_head(svg, theme)
    _draw_axis(svg, theme, len(rows))
    for number, row in enumerate(rows):
        _draw_row(svg, theme, row, _TOP + _ROW * number + _ROW / 2, proved)
    note = (
        "* if all of 2 million requests a day were like this one, at the list price of gpt-4o-mini; "
        "scripted models, tokens by its public tokenizer"
    )
    text(svg, _WIDTH - 22, height - 14, note, size=11.5, fill=theme.muted, anchor="end")
    return written(svg)


def main() -> None:
    """Draw every theme into its file."""
    rows, proved = picture_rows(), bound()
    PICTURES.mkdir(exist_ok=True)
    for theme in THEMES:
        (PICTURES / f"incident{theme.name}.svg").write_text(draw(rows, proved, theme), encoding="utf-8")


def _in_words(row: Row) -> str:
    return f"{row.name}: {len(row.bill.calls):,} calls, {row.bill.tokens:,} tokens, {dollars(row.bill.usd_a_day)} a day"


def _draw_head(svg: ET.Element, theme: Theme) -> None:
    text(svg, 28, 52, f"“{QUESTION.capitalize()}”", size=28, weight=700)
    lines = (
        "One vague question to four agents. Each block is a call to a model, as wide as the tokens it costs.",
        "In the loop, all that was said is sent again with every handoff, so that the blocks grow.",
    )
    for number, line in enumerate(lines):
        text(svg, 28, 84 + 22 * number, line, size=14.5, fill=theme.muted)
    for x, colour, name in ((_CALLS - 30, theme.triage, "triage"), (_DAY - 96, theme.specialist, "a specialist")):
        rect(svg, x, 72, 14, 14, fill=colour, rx=2)
        text(svg, x + 21, 84, name, size=13.5)
    for x, name, anchor in (
        (_CALLS, "calls", "end"),
        (_TOKENS, "tokens", "end"),
        (_DAY, "a day*", "end"),
        (_GETS, "the customer gets", "start"),
    ):
        text(svg, x, _TOP - 14, name, size=13, fill=theme.muted, anchor=anchor)


def _draw_axis(svg: ET.Element, theme: Theme, rows: int) -> None:
    bottom = _TOP + _ROW * rows + 6
    for tick in _TICKS:
        x = _LEFT + tick * _PX_A_TOKEN
        rect(svg, x - 0.5, _TOP - 4, 1, bottom - _TOP + 4, fill=theme.grid)
        text(svg, x, bottom + 17, f"{tick:,}", size=12, fill=theme.muted, anchor="middle")
    text(svg, _LEFT + 20_000 * _PX_A_TOKEN + 24, bottom + 17, "tokens", size=12, fill=theme.muted)


def _draw_row(svg: ET.Element, theme: Theme, row: Row, y: float, proved: Bound) -> None:
    group = ET.SubElement(svg, "g")
    if row.is_ours:
        rect(group, 0, y - _ROW / 2 + 1, _WIDTH, _ROW - 2, fill=theme.band)
    text(group, _LEFT - 14, y - 2, row.name, size=15, weight=600, anchor="end")
    text(group, _LEFT - 14, y + 15, row.note, size=12, fill=theme.muted, anchor="end")
    _draw_calls(group, theme, row.bill, y)
    if row.is_ours:
        _draw_bound(group, theme, y, proved)
    _draw_columns(group, theme, row, y)


def _draw_calls(group: ET.Element, theme: Theme, bill: Bill, y: float) -> None:
    start = 0
    for call in bill.calls:
        if start + call.tokens > _SHOWN:
            _fade(group, theme, start, y)
            return
        colour = theme.triage if call.agent == "triage" else theme.specialist
        width = call.tokens * _PX_A_TOKEN - 1.2
        rect(group, _LEFT + start * _PX_A_TOKEN + 0.6, y - _BLOCK / 2, width, _BLOCK, fill=colour)
        start += call.tokens


def _fade(group: ET.Element, theme: Theme, start: int, y: float) -> None:
    """Draw that there is more to come: bars that grow thin and pale."""
    for number in range(4):
        x = _LEFT + start * _PX_A_TOKEN + 2 + 6 * number
        bar = rect(group, x, y - _BLOCK / 2, 4 - 0.7 * number, _BLOCK, fill=theme.triage)
        bar.set("opacity", shortened(0.75 - 0.2 * number))


def _draw_bound(group: ET.Element, theme: Theme, y: float, proved: Bound) -> None:
    x = _LEFT + proved.tokens * _PX_A_TOKEN
    rect(group, x - 1.25, y - 19, 2.5, 38, fill=theme.good, rx=1.25)
    told = f"proved: no run passes {proved.tokens:,} tokens, {dollars(proved.usd_a_day)} a day"
    text(group, x + 10, y + 5, told, size=13.5, weight=600, fill=theme.good)


def _draw_columns(group: ET.Element, theme: Theme, row: Row, y: float) -> None:
    bill = row.bill
    is_dear = bill.usd_a_day >= 1_000
    tokens = f"{bill.tokens / 1e6:,.0f}M" if bill.tokens >= 1_000_000 else f"{bill.tokens:,}"
    text(group, _CALLS, y + 5, f"{len(bill.calls):,}", size=15, anchor="end")
    text(group, _TOKENS, y + 5, tokens, size=15, anchor="end")
    weight = 700 if is_dear or row.is_ours else 400
    colour = theme.bad if is_dear else theme.ink
    text(group, _DAY, y + 5, dollars(bill.usd_a_day), size=15, weight=weight, fill=colour, anchor="end")
    fill = theme.bad if bill.end == "an error" else theme.good
    mark = ET.SubElement(group, "path", {"d": _MARKS[bill.end], "fill": "none", "stroke": fill, "stroke-width": "1.8"})
    mark.set("transform", f"translate({shortened(_GETS)} {shortened(y - 5)})")
    text(group, _GETS + 18, y + 5, bill.end, size=13.5, fill=fill)


_MARKS: dict[End, str] = {
    "an answer": "M1 6l3 3 6-8",
    "an error": "M1 1l8 8M9 1l-8 8",
    "default answer": "M1 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
}


if __name__ == "__main__":
    main()
