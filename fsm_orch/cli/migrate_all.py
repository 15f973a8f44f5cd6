"""What `fsm-orch migrate` says without a store: whether every run that could be in flight goes on, and else why not."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from ..define.wording import number_of
from ..proof.versions.verdicts import WORST, Judgement, Verdict
from .show import hanging

STYLES: dict[Verdict, str] = {"continues": "green", "snapshot": "yellow", "possible": "yellow", "stranded": "red"}
WIDTH = 11
"""Of the column of verdicts."""
_MEANS: dict[Verdict, str] = {
    "continues": "a run goes on in the new version",
    "snapshot": "a run could stand in the new version, which would not have led it there: it needs the old one",
    "possible": "a run may go on, and nobody could find it out: it may need the old version",
    "stranded": "a run cannot go on in the new version",
}


def show_all(out: Console, found: Judgement) -> None:
    """Print why places do not continue, each reason with a shortest path, and how many have which verdict."""
    for loss in found.losses:
        line = Text(f"\n{loss.verdict}", style=STYLES[loss.verdict])
        out.print(line.append(f"  {' → '.join(loss.path)}", style="bold default"), soft_wrap=True)
        out.print(hanging(out, "  why: ", loss.why))
        if loss.places > 1:
            out.print(Text(f"  at {loss.places:,} places", style="dim"))
    out.print()
    for verdict in reversed(WORST):
        if count := found.places.get(verdict, 0):
            told = Text(f"{verdict:<{WIDTH}}", style=STYLES[verdict])
            out.print(told.append(f"{number_of(count, 'place')}: {_MEANS[verdict]}", style="default"), soft_wrap=True)
    if not found.is_complete:
        out.print(Text("not all places were looked at: there may be more of all; raise --max-places", style="yellow"))


def as_json(found: Judgement) -> dict[str, Any]:
    """Return it as JSON."""
    return {
        "counts": {verdict: found.places.get(verdict, 0) for verdict in reversed(WORST)},
        "is_complete": found.is_complete,
        "losses": [
            {
                "verdict": loss.verdict,
                "why": loss.why,
                "state": loss.state,
                "path": list(loss.path),
                "places": loss.places,
            }
            for loss in found.losses
        ],
    }
