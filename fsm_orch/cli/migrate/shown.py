"""What `fsm-orch migrate` says: of each run, or place of one, that does not continue why, how many, what to do."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from ...define.definition import Definition
from ...define.wording import number_of
from ...kernel.renames import Renames
from ...proof.versions.verdicts import WORST, Judgement, Verdict
from ...run.migration import Case, Way
from ..show import hanging, name_of
from .revisions import Version

_STYLES: dict[Verdict, str] = {"continues": "green", "snapshot": "yellow", "possible": "yellow", "stranded": "red"}
_WIDTH = 11
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
        line = Text(f"\n{loss.verdict}", style=_STYLES[loss.verdict])
        out.print(line.append(f"  {' → '.join(loss.path)}", style="bold default"), soft_wrap=True)
        out.print(hanging(out, "  why: ", loss.why))
        if loss.places > 1:
            out.print(Text(f"  at {loss.places:,} places", style="dim"))
    out.print()
    for verdict in reversed(WORST):
        if count := found.places.get(verdict, 0):
            told = Text(f"{verdict:<{_WIDTH}}", style=_STYLES[verdict])
            out.print(told.append(f"{number_of(count, 'place')}: {_MEANS[verdict]}", style="default"), soft_wrap=True)
    if not found.is_complete:
        out.print(Text("not all places were looked at: there may be more of all; raise --max-places", style="yellow"))


def all_as_json(found: Judgement) -> dict[str, Any]:
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


class Shown:
    """What became of runs, told one by one.

    Args:
        out: None: nothing is printed.
    """

    def __init__(self, out: Console | None) -> None:
        self._out = out
        self._counts: Counter[Verdict] = Counter()
        self._done: Counter[str] = Counter()
        self._told: list[dict[str, Any]] = []
        self.is_any_left = False
        """Whether a run needs the old version from now on."""

    def add(self, case: Case) -> None:
        """Count a run, and tell of it unless it simply continues."""
        judged = case.judged
        self._counts[judged.verdict] += 1
        self._done[case.done] += bool(case.done)
        self.is_any_left |= case.is_left
        if judged.verdict == "continues" and not case.problem:
            return
        self._told.append(
            {
                "run_id": case.run.run_id,
                "state": case.run.head.state,
                "verdict": judged.verdict,
                "why": judged.why,
                "path": list(judged.path),
                "done": case.done or None,
                "problem": case.problem or None,
            }
        )
        if self._out is not None:
            _show(self._out, case)

    def end(self) -> None:
        """Print how many there were."""
        if self._out is None:
            return
        if not self._counts:
            self._out.print(Text("no run of the old version is in flight", style="dim"))
        for verdict in reversed(WORST):
            if count := self._counts[verdict]:
                told = Text(f"{verdict:<{_WIDTH}}", style=_STYLES[verdict])
                self._out.print(told.append(number_of(count, "run"), style="default"))
        for done, count in self._done.items():
            if count:
                self._out.print(Text(f"{number_of(count, 'run')} {done}", style="bold"))

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON; of runs that simply continue the number alone."""
        return {
            "counts": {verdict: self._counts[verdict] for verdict in reversed(WORST)},
            "done": {done: count for done, count in self._done.items() if count},
            "runs": self._told,
        }


def _show(out: Console, case: Case) -> None:
    line = Text(f"{case.judged.verdict}  ", style=_STYLES[case.judged.verdict])
    line.append(name_of(case.run.run_id), style="bold default")
    done = f": {case.done}" if case.done else ""
    path = " → ".join(case.judged.path) or case.run.head.state
    out.print(line.append(f"  {path}{done}", style="not bold dim"), soft_wrap=True)
    for label, why in (("why", case.judged.why), ("not done", case.problem)):
        if why:
            out.print(hanging(out, f"  {label}: ", why))


def renaming(old: Definition, new: Definition, renames: Renames) -> str:
    """Return how to say what a state is called now; empty if no name is gone, or none has come."""
    gone = [name for name in old.states if name not in new.states and name not in renames.states]
    came = [name for name in new.states if name not in old.states and name not in renames.states.values()]
    if not gone or not came:
        return ""
    return (
        f"Gone: {', '.join(gone)}; new: {', '.join(came)}. If that is one state under another name, say so: "
        f"--rename {gone[0]}={came[0]}"
    )


def advice(old: Version, target: str, at: str, way: Way, *, is_any_left: bool, is_same: bool) -> str:
    """Return what to do next; empty if nothing is.

    Args:
        target: names the new version.
        at: the options that name the store, as they are shown.
        is_any_left: whether a run needs the old version.
        is_same: whether both versions have one digest.
    """
    if is_any_left and is_same:
        return (
            "Both versions have one digest, so a worker of the new one takes these runs, and refuses those that do not "
            "continue (Drifted). Give what has changed another name, and the digest changes too."
        )
    if is_any_left:
        return f"Keep a worker of the old version until its runs have ended: {_worker(old, target, at)}"
    return "" if way == "apply" or is_same else "With --store and --apply, runs go on in the new version."


def _worker(old: Version, target: str, at: str) -> str:
    before = shlex.quote(old.target)
    if old.commit is None:
        return f"fsm-orch worker {shlex.quote(target)} --also {before} {at}"
    tree = f"git worktree add --detach ../old {old.commit[:12]}"
    return f"{tree} && cd ../old && fsm-orch worker {before} {at}"
