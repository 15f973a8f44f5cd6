"""What every picture shares: colours for light and dark pages, text that stays text, and the same bytes each time."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

PICTURES = Path(__file__).resolve().parents[1] / "pictures"

MEASURED = "DejaVu Sans"
"""The font that places are computed with: matplotlib brings it along, and no other of the list is wider."""

SHOWN = f"Inter, 'Helvetica Neue', Arial, '{MEASURED}', sans-serif"
"""The fonts that a page shows: the first that the reader has."""


@dataclass(frozen=True)
class Theme:
    """The colours of a page. The background is the page's own."""

    suffix: str
    """What the name of a picture for this page ends with."""
    text: str
    quiet: str
    """Text that is read last."""
    lines: str
    page: str
    """About what the background is, for what must stand out from it."""

    def style(self) -> AbstractContextManager[None]:
        """Draw for this page inside a `with`."""
        return mpl.rc_context(
            {
                "font.family": MEASURED,
                "svg.fonttype": "none",  # text is text: sharp, small, and found by a search
                "svg.hashsalt": "fsm_orch",  # else ids are made by chance
                "text.color": self.text,
                "axes.labelcolor": self.quiet,
                "axes.edgecolor": self.lines,
                "axes.facecolor": "none",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "grid.color": self.lines,
                "xtick.color": self.quiet,
                "ytick.color": self.quiet,
                "xtick.major.size": 0,
                "ytick.major.size": 0,
                "legend.frameon": False,
            }
        )


LIGHT = Theme("", text="#1f2328", quiet="#59636e", lines="#d9dee3", page="#ffffff")
DARK = Theme("-dark", text="#f0f3f6", quiet="#9aa4af", lines="#363d46", page="#15191f")
THEMES = (LIGHT, DARK)


def save(figure: Figure, path: Path, theme: Theme, *, title: str) -> None:
    """Write a picture as SVG, with a title for who cannot see it: the same figure gives the same bytes everywhere."""
    with theme.style():
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    text = re.sub(r"font-family: [^;\"]*", f"font-family: {SHOWN}", path.read_text(encoding="utf-8"))
    path.write_text(re.sub(r" +$", "", text, flags=re.MULTILINE), encoding="utf-8")
