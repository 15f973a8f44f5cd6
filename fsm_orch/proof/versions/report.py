"""A judgement in words: how many places a run can be in are lost, why, and the shortest way to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...define.wording import number_of
from .every import Judgement, Loss
from .judge import Judged, Verdict

HEADINGS = ("verdict", "places", "why", "shortest way there")
"""Of the table of losses."""

MEANS: dict[Verdict, str] = {
    "continues": "goes on in the new version, and all that is proved of that one holds",
    "snapshot": "would be elsewhere in the new version, though nothing of where it stands is gone",
    "stranded": "has no place in the new version",
    "possible": "could not be shown to go on, nor not to",
}
"""What becomes of a run, by verdict."""


def headline(found: Judgement) -> str:
    """Return what a judgement comes to, in a sentence or two."""
    total = number_of(found.total, "place")
    if found.continues:
        return f"every run continues: {total} a run can be in, and none is lost"
    lost = ", ".join(f"{count} {_would(verdict)}" for verdict, count in found.places.items() if verdict != "continues")
    said = f"of {total} a run can be in, {lost}" if lost else f"of {total} a run can be in, none is lost"
    return said if found.is_complete else f"{said}; there are more places, which were not looked at"


def _would(verdict: Verdict) -> str:
    return "may be lost" if verdict == "possible" else "would be stranded" if verdict == "stranded" else "would differ"


def rows(losses: Sequence[Loss]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of the table of losses, under `HEADINGS`."""
    for loss in losses:
        yield loss.verdict, str(loss.places), loss.why, " -> ".join(loss.path)


def report(found: Judgement, *, most: int = 12) -> str:
    """Return a judgement as text: what it comes to, and a table of why, the worst first.

    Args:
        most: the rows of the table at most.
    """
    if not found.losses:
        return headline(found)
    table = [HEADINGS, *rows(found.losses[:most])]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in table]
    beyond = len(found.losses) - most
    more = [f"and {number_of(beyond, 'further reason')}"] if beyond > 0 else []
    return "\n".join([f"{headline(found)}:", "", *lines, *more])


def in_a_line(found: Judged) -> str:
    """Return what becomes of one run in a line."""
    why = f": {found.why}" if found.why else ""
    return f"{found.verdict}{why} ({' -> '.join(found.path)})"
