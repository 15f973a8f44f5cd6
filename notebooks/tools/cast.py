"""Record commands in a terminal, and draw them as one SVG that plays: `python notebooks/tools/cast.py`.

The commands are run for real, in a pseudo-terminal, with the local model. The picture plays by CSS alone, once. Its
text is text. It has no script, loads no font and nothing else, and shows all at once to whoever asked for reduced
motion. Recorded twice it is the same file twice: how many seconds something took is left out, and nothing else differs.
"""

from __future__ import annotations

import html
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from rich.color import Color, ColorType
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "notebooks" / "pictures" / "terminal.svg"
TITLE = "fsm-orch run answers a customer in three hops; fsm-orch check proves what no run can exceed"

COLUMNS = 104
"""As wide as the longest line, so that none is broken."""

_SECONDS = re.compile(r"\b\d+\.\d+ s\b")

_FORE, _DIM, _BACK, _BAR, _EDGE = "#e6edf3", "#8b949e", "#0d1117", "#161b22", "#30363d"
_COLOURS = ("#484f58", "#ff7b72", "#7ee787", "#d29922", "#79c0ff", "#d2a8ff", "#76e3ea", _FORE)
"""The eight colours of a terminal, in their order; each stands out from the background by 4.5 and more, but black."""

CELL, LINE = 8.43, 19.5
"""The width of a character and the height of a line, for a font of 14 px, in px."""
_LEFT, _TOP, _BOTTOM = 22, 62, 16

_TYPING_S, _LINE_S, _PAUSE_S = 0.022, 0.05, 1.0
"""The seconds for a typed character, between two lines of output, and after a command."""


class Scene(NamedTuple):
    """A command, and what it wrote."""

    command: str
    output: tuple[Text, ...]
    """Its lines, without those that are empty at the end."""


def scenes() -> tuple[Scene, ...]:
    """Record what the README shows: a run, and the first part of a check, which is what no run can exceed."""
    run = record('fsm-orch run machines.shop "what would a grey wool sweater set me back?"')
    check = record("fsm-orch check machines.shop")
    bounds = takewhile(lambda line: not line.plain.startswith("  explored"), check.output)
    return run, Scene(check.command, (*bounds, Text.assemble(("  …", "dim"))))


def record(command: str) -> Scene:
    """Run a command in a pseudo-terminal, at the top of the repository.

    Raises subprocess.CalledProcessError: if it fails.
    """
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=_environment(),
        )
        os.close(theirs)
        written = b"".join(_chunks(ours))
    finally:
        os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, written)
    lines = _SECONDS.sub("… s", written.decode().replace("\r\n", "\n")).rstrip().split("\n")
    return Scene(command, tuple(Text.from_ansi(line) for line in lines))


def _environment() -> dict[str, str]:
    """Return the variables of a terminal of 16 colours, in which nothing is drawn twice."""
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLORTERM"}}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "TERM": "xterm",
        "COLUMNS": str(COLUMNS),
        "TTY_INTERACTIVE": "0",  # rich's own: no line that shows who is at work, which is gone at the end anyway
    }


def _chunks(terminal: int) -> Iterator[bytes]:
    """Yield what is written to a terminal, until nobody has it open any more."""
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # Linux says so at the end
            return
        if not chunk:  # and others so
            return
        yield chunk


def drawn(recorded: Sequence[Scene]) -> str:
    """Return an SVG that plays what was recorded."""
    rows = [*_rows(recorded)]
    width = 2 * _LEFT + COLUMNS * CELL
    height = _TOP + (len(rows) - 1) * LINE + _BOTTOM
    size = f'width="{width:.0f}" height="{height:.0f}"'
    corners = f'rx="10" fill="{_BACK}" stroke="{_EDGE}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            f'aria-label="{html.escape(TITLE)}">',
            f"<style>{_STYLE}</style>",
            f'<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1:.0f}" {corners}/>',
            f'<path d="M1 34V11A10 10 0 0 1 11 1H{width - 11:.0f}A10 10 0 0 1 {width - 1:.0f} 11V34Z" fill="{_BAR}"/>',
            *(f'<circle cx="{x}" cy="17.5" r="6" fill="{c}"/>' for x, c in zip((22, 42, 62), _BUTTONS, strict=True)),
            f'<text x="{width / 2:.0f}" y="22" fill="{_DIM}" text-anchor="middle">fsm-orch</text>',
            *(line for number, row in enumerate(rows) for line in row.drawn(number)),
            "</svg>",
            "",
        ]
    )


_BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
_STYLE = (
    'text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}'
    ".o{animation:show .01s both}"
    ".c{transform-box:fill-box;transform-origin:right;transform:scaleX(0)}"
    "@keyframes show{from{opacity:0}}"
    "@keyframes type{from{transform:none}}"
    "@media(prefers-reduced-motion:reduce){*{animation:none!important}}"
)


class _Row(NamedTuple):
    """A line of the terminal, and when it comes, in seconds."""

    text: Text
    at: float
    """0: it is there from the beginning."""
    is_typed: bool

    def drawn(self, number: int) -> Iterator[str]:
        """Yield the row as SVG; nothing of an empty one.

        Args:
            number: of the row, from 0.
        """
        y = _TOP + number * LINE
        spans = "".join(_spans(self.text))
        if not spans:
            return
        if not self.at:
            yield f'<text y="{y:.1f}">{spans}</text>'
            return
        if not self.is_typed:
            yield f'<text y="{y:.1f}" class="o" style="animation-delay:{self.at:.2f}s">{spans}</text>'
            return
        # what is not yet typed is covered; a clip would do, were it always painted again when it has ended
        characters = len(self.text)
        play = f"animation:type {characters * _TYPING_S:.2f}s steps({characters}) {self.at:.2f}s both"
        place = f'x="{_LEFT}" y="{y - 15:.1f}" width="{characters * CELL + 2:.1f}" height="{LINE}"'
        yield f'<text y="{y:.1f}">{spans}</text>'
        yield f'<rect {place} class="c" fill="{_BACK}" transform="scale(0)" style="{play}"/>'


def _rows(recorded: Iterable[Scene]) -> Iterator[_Row]:
    """Yield the rows, each with its time; an empty one between two commands.

    The first command is there from the beginning, so that a picture that does not play is not an empty one.
    """
    at = 0.0
    for number, scene in enumerate(recorded):
        if number:
            yield _Row(Text(), at, False)
        typed = Text.assemble(("$ ", "bold green"), (scene.command, "bold"))
        yield _Row(typed, at, True)
        at += (len(typed) * _TYPING_S if at else 0) + 0.35
        for line in scene.output:
            yield _Row(line, at, False)
            at += _LINE_S
        at += _PAUSE_S


def _spans(text: Text) -> Iterator[str]:
    """Yield the parts of a line that look alike; each stands in its column, however wide a font is."""
    column = 0
    for segment in text.render(Console(width=COLUMNS), end=""):
        words = segment.text
        if words.strip():
            x, length = _LEFT + column * CELL, len(words) * CELL
            place = f'x="{x:.1f}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"'
            yield f"<tspan {place} {_look(segment.style or Style())}>{html.escape(words)}</tspan>"
        column += len(words)


def _look(style: Style) -> str:
    """Return a style as attributes of SVG."""
    weight = ' font-weight="700"' if style.bold else ""
    return f'fill="{_colour(style.color, is_dim=bool(style.dim))}"{weight}'


def _colour(colour: Color | None, *, is_dim: bool) -> str:
    if colour is None or colour.type is ColorType.DEFAULT:
        return _DIM if is_dim else _FORE
    # a name, since rich's own values for the first sixteen are too dark for this background
    return _COLOURS[(colour.number or 0) % 8]


def main() -> None:
    """Record, and write the picture."""
    text = drawn(scenes())
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(text, encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
