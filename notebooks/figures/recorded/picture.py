"""The picture of the recorded runs: what each limit saves against what it costs, and how many runs no limit stops."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from figures.plot import LIGHT, PICTURES, THEMES, Theme, save

from .figures import Figures
from .guards import GUARDS

_WIDTH, _HEIGHT = 9.2, 6.6
"""Inches."""
_LEFT, _RIGHT = 0.082, 0.978
"""Where both parts of the picture begin and end, of its width."""
_MOST_LOST = 0.335
"""Where the plot ends: a limit that cuts off more of the good work is too dear for anybody."""
_TITLE = "Limits buy their savings with good work"
_ROWS = 2
"""In how many rows the runs stand."""


@dataclass(frozen=True)
class _Series:
    """How the settings of a guard are drawn."""

    light: str
    dark: str
    numbers: dict[int, tuple[int, int]]
    """The settings that are written, and where: points to the right of their dot, and above it."""

    def colour(self, theme: Theme) -> str:
        return self.light if theme is LIGHT else self.dark


_SERIES = {
    "tokens": _Series("#c2410c", "#fb8a4c", {5_000: (-13, 8), 10_000: (7, -11), 15_000: (7, -11), 20_000: (7, -11)}),
    "orchestrator": _Series("#7b828c", "#9099a4", {1: (6, -9), 2: (6, -9)}),
    "cycle": _Series("#7c3aad", "#c58cf0", {2: (-3, -15), 3: (-3, 8), 4: (-1, -14), 5: (6, -9)}),
    "handoffs": _Series("#1d6fb8", "#62b0f5", {5: (-3, 8), 8: (-6, 7), 30: (-16, -3)}),
    "visits": _Series(
        "#14713f", "#4cc588", {2: (-3, 8), 3: (-3, 8), 4: (-3, 8), 5: (-8, 7), 6: (-9, 6), 8: (-11, 4), 10: (-16, -3)}
    ),
}
"""In the order in which they are drawn: the best come last, and lie on top."""


def draw(found: Figures, folder: Path = PICTURES) -> list[Path]:
    """Write the picture for light and for dark pages, and return where."""
    return [_draw(found, theme, folder / f"recorded{theme.suffix}.svg") for theme in THEMES]


def _draw(found: Figures, theme: Theme, path: Path) -> Path:
    with theme.style():
        figure = Figure(figsize=(_WIDTH, _HEIGHT))
        _title(figure, found, theme)
        _curves(figure.add_axes((_LEFT, 0.255, _RIGHT - _LEFT, 0.59)), found, theme)
        _squares(figure.add_axes((_LEFT, 0.01, _RIGHT - _LEFT, 0.17)), found, theme)
    save(figure, path, theme, title=_TITLE)
    return path


def _title(figure: Figure, found: Figures, theme: Theme) -> None:
    figure.text(0.02, 0.948, _TITLE, fontsize=17, fontweight="bold")
    about = (
        f"{found.runs} recorded runs of several agents, all of them failures: {found.wasted:,} of their "
        f"{found.tokens:,} tokens came after the decisive mistake.",
        "Each dot is one limit at one setting, replayed on the recorded handoffs.",
    )
    for number, line in enumerate(about):
        figure.text(0.02, 0.909 - 0.032 * number, line, fontsize=10, color=theme.quiet)


def _curves(axes: Axes, found: Figures, theme: Theme) -> None:
    """Draw a curve for each guard, a dot a setting."""
    for name, series in _SERIES.items():
        effects, colour = found.guards[name], series.colour(theme)
        dots = [(found.lost(effect), found.cut(effect)) for effect in effects]
        axes.plot(*zip(*dots, strict=True), "-o", color=colour, lw=1.8, ms=5.5, mec=theme.page, mew=0.8, label=name)
        for effect, dot in zip(effects, dots, strict=True):
            if effect.setting in series.numbers:
                place = series.numbers[effect.setting]
                axes.annotate(f"{effect.setting:,}", dot, place, textcoords="offset points", fontsize=8.5, color=colour)
    _beyond(axes, found, theme)
    axes.set(xlim=(-0.012, _MOST_LOST), ylim=(0, 0.87))
    axes.set_xlabel("lost, of the work before the mistake", fontsize=10)
    axes.set_ylabel("saved, of the tokens after the mistake", fontsize=10)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(labelsize=9.5)
    axes.grid(lw=0.8)
    axes.text(0.002, 0.815, "↖ better", fontsize=9.5, color=theme.quiet)
    lines, names = axes.get_legend_handles_labels()
    words = [GUARDS[name].words for name in names]
    axes.legend(
        lines[::-1],
        words[::-1],
        loc="lower right",
        fontsize=9.5,
        title="a limit on",
        alignment="left",
        title_fontsize=9.5,
    )


def _beyond(axes: Axes, found: Figures, theme: Theme) -> None:
    """Name the budget whose dot lies outside the plot."""
    (beyond,) = (effect for effect in found.guards["tokens"] if found.lost(effect) > _MOST_LOST)
    words = f"{beyond.setting:,}: {found.lost(beyond):.0%} lost →"
    colour = _SERIES["tokens"].colour(theme)
    axes.text(_MOST_LOST, 0.813, words, ha="right", fontsize=8.5, color=colour)


def _squares(axes: Axes, found: Figures, theme: Theme) -> None:
    """Draw a square for each run: first those that no limit stops."""
    together = found.together
    settings = together.settings
    groups = [
        (together.missed, theme.quiet, "stopped by none of them"),
        (together.late, _SERIES["visits"].colour(theme), "after the mistake"),
        (together.early, _SERIES["tokens"].colour(theme), "before it"),
    ]
    across = -(-found.runs // _ROWS)
    colours = [colour for count, colour, _ in groups for _ in range(count)]
    for number, colour in enumerate(colours):
        column, row = divmod(number, _ROWS)
        axes.add_patch(Rectangle((column, -row), 0.8, 0.8, color=colour, lw=0))
    begins = accumulate((count for count, _, _ in groups), initial=0)
    for begin, (count, colour, words) in zip(begins, groups, strict=False):
        axes.text(begin / _ROWS, 1.2, f"{count} {words}", fontsize=10, fontweight="bold", color=colour)
    title = (
        f"All at once, {settings['handoffs']} handoffs, {settings['visits']} visits of one agent and "
        f"{settings['cycle']} rounds of a cycle stop {together.late + together.early} of {found.runs} runs"
    )
    axes.text(0, 2.7, title, fontsize=11)
    axes.set(xlim=(0, across), ylim=(-1.1, 3.5), aspect="equal", anchor="SW")
    axes.axis("off")
