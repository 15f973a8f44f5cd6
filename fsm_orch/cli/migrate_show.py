"""What `fsm-orch migrate` says: of each run that does not continue why, and at the end how many, and what to do."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from ..define.definition import Definition
from ..define.wording import number_of
from ..proof.versions.judge import Verdict
from .migration import Case, Way
from .revisions import Version
from .show import hanging, name_of

_STYLES: dict[Verdict, str] = {"continues": "green", "snapshot": "yellow", "possible": "yellow", "stranded": "red"}
_MEANS: dict[Verdict, str] = {
    "continues": "go on in the new version, and all that is proved of it holds",
    "snapshot": "could stand in the new version, which would not have led them there: they need the old one",
    "possible": "may go on, and nobody could find it out: they need the old version",
    "stranded": "cannot go on in the new version",
}


class Shown:
    """What became of runs, told one by one.

    Args:
        out: None: nothing is printed.
        target: names the new version.
    """

    def __init__(self, out: Console | None, old: Version, new: Definition, target: str) -> None:
        self._out, self._old, self._new, self._target = out, old, new, target
        self._counts: Counter[Verdict] = Counter()
        self._done: Counter[str] = Counter()
        self._told: list[dict[str, Any]] = []
        self.is_any_left = False
        """Whether a run needs the old version from now on."""
        was, now = old.machine.definition.digest[:12], new.digest[:12]
        self._print(Text(f"{new.name}: ", style="bold").append(f"digest {was}, now {now}", style="not bold dim"))

    def _print(self, text: Text) -> None:
        if self._out is not None:
            self._out.print(text, soft_wrap=True)

    @property
    def _is_same(self) -> bool:
        return self._old.machine.definition.digest == self._new.digest

    def add(self, case: Case) -> None:
        """Count a run, and tell of it if it does not simply continue."""
        verdict = case.judged.verdict
        self._counts[verdict] += 1
        self._done[case.done] += 1
        self.is_any_left |= case.is_left or bool(case.problem)
        if verdict == "continues" and not case.problem:
            return
        run, path = case.run, " → ".join(case.judged.path)
        self._told.append(
            {
                "run_id": run.run_id,
                "state": run.head.state,
                "verdict": verdict,
                "why": case.judged.why,
                "path": list(case.judged.path),
                "done": case.done or None,
                "problem": case.problem or None,
            }
        )
        if self._out is not None:
            line = Text(f"  {verdict}  ", style=_STYLES[verdict]).append(name_of(run.run_id), style="bold default")
            done = f": {case.done}" if case.done else ""
            self._print(line.append(f"  {path or run.head.state}{done}", style="not bold dim"))
            for label, why in (("why", case.judged.why), ("problem", case.problem)):
                if why:
                    self._out.print(hanging(self._out, f"    {label}: ", why))

    def end(self, way: Way) -> None:
        """Tell how many there were, and what to do."""
        if not self._counts:
            self._print(Text("no run of the old version is in flight", style="dim"))
        for verdict, meaning in _MEANS.items():
            if count := self._counts[verdict]:
                told = Text(f"{number_of(count, 'run')} {verdict}", style=_STYLES[verdict])
                self._print(told.append(f": they {meaning}", style="default"))
        for done, count in self._done.items():
            if done:
                self._print(Text(f"{number_of(count, 'run')} {done}", style="bold"))
        for line in self._advice(way):
            self._print(Text(line, style="dim"))

    def _advice(self, way: Way) -> list[str]:
        if self._is_same:
            same = "Both versions have one digest, so workers of the new one drive these runs already"
            return [f"{same}, and refuse those that do not continue (Drifted)."] if self.is_any_left else []
        lines = []
        if way != "apply" and self._counts["continues"]:
            lines.append("To have those that continue go on with the new version: --apply")
        if self.is_any_left:
            lines.append(f"Keep a worker of the old version until they have ended: {self._worker()}")
        return lines

    def _worker(self) -> str:
        old, new = shlex.quote(self._old.target), shlex.quote(self._target)
        if self._old.revision is None:
            return f"fsm-orch worker {new} --also {old} --store ..."
        tree = f"git worktree add ../old {shlex.quote(self._old.revision)}"
        return f"{tree} && cd ../old && fsm-orch worker {old} --store ..."

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON; of runs that simply continue the number alone."""
        return {
            "machine": self._new.name,
            "old": self._old.machine.definition.digest,
            "new": self._new.digest,
            "counts": {verdict: self._counts[verdict] for verdict in _MEANS},
            "done": {done: count for done, count in self._done.items() if done},
            "runs": self._told,
        }
