"""Edge coverage: which declared edges of a machine the runs of a test session took, and why runs were landed.

An edge is a handoff or a failure edge, from one of its sources. Runs of the ready suites of this kit do not count: they
take nearly every edge, however little a project's own tests do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..define.definition import Definition
from ..kernel import records
from ..kernel.records import Record
from ..observe.base import Observer
from ..observe.everywhere import everywhere

Edge = tuple[str, str]
"""The name of the state that it leaves, and its own."""


@dataclass
class Taken:
    """What the runs of one machine did."""

    declared: Mapping[Edge, str]
    """By edge, the name of its target; in declaration order."""
    digest: str
    """Of the definition."""
    runs: int = 0
    edges: Counter[Edge] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """By reason."""
    landings: Counter[str] = field(default_factory=Counter)
    """By reason."""

    @property
    def missed(self) -> list[Edge]:
        """The edges that no run took, in declaration order."""
        return [edge for edge in self.declared if not self.edges[edge]]

    @property
    def percent(self) -> float:
        """The share of declared edges that were taken, from 0 to 100; a machine has at least one edge."""
        return 100 * (1 - len(self.missed) / len(self.declared))


class Coverage:
    """What the runs of a test session did, by machine."""

    def __init__(self) -> None:
        self.machines: dict[str, Taken] = {}
        """By name and place of the machine."""
        self._is_paused = False

    def expect(self, definition: Definition) -> Taken:
        """Return what runs of a machine did; from now on the report shows it, even if it is never run."""
        name = f"{definition.name} ({definition.where})"
        return self.machines.setdefault(name, Taken(_edges(definition), definition.digest))

    def observer(self, definition: Definition) -> Observer:
        """Return an observer that counts the records of a machine's runs."""

        def count(record: Record) -> None:
            if self._is_paused:
                return
            taken = self.expect(definition)
            match record:
                case records.RunStarted():
                    taken.runs += 1
                case records.HandedOff():
                    taken.edges[record.source, record.handoff] += 1
                case records.Refused():
                    taken.refusals[record.reason] += 1
                case records.Landed():
                    taken.landings[record.reason] += 1

        return count

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing inside the block."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    @property
    def percent(self) -> float:
        """The share of all declared edges that were taken, from 0 to 100; 0 if there are none."""
        declared = sum(len(taken.declared) for taken in self.machines.values())
        missed = sum(len(taken.missed) for taken in self.machines.values())
        return 100 * (1 - missed / declared) if declared else 0.0

    def dump(self) -> str:
        """Return all counts as JSON, for another process to `add`, or a page to show."""
        return json.dumps(
            {
                name: {
                    "digest": taken.digest,
                    "declared": [[*edge, target] for edge, target in taken.declared.items()],
                    "runs": taken.runs,
                    "edges": [[*edge, times] for edge, times in taken.edges.items()],
                    "refusals": taken.refusals,
                    "landings": taken.landings,
                }
                for name, taken in self.machines.items()
            }
        )

    def add(self, dumped: str) -> None:
        """Add the counts that another process dumped."""
        for name, seen in json.loads(dumped).items():
            declared = {(state, handoff): target for state, handoff, target in seen["declared"]}
            taken = self.machines.setdefault(name, Taken(declared, seen["digest"]))
            taken.runs += seen["runs"]
            taken.edges.update({(state, handoff): times for state, handoff, times in seen["edges"]})
            taken.refusals.update(seen["refusals"])
            taken.landings.update(seen["landings"])

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Observe every run that begins inside the block."""
        with everywhere(self.observer):
            yield


def lines(coverage: Coverage) -> Iterator[str]:
    """Yield the lines of a report, one machine after the other."""
    for name, taken in sorted(coverage.machines.items()):
        of_all = f"{len(taken.declared) - len(taken.missed)} of {len(taken.declared)} edges ({taken.percent:.0f} %)"
        yield f"{name}: {of_all} in {taken.runs:,} runs"
        for state, handoff in taken.missed:
            yield f"  never taken  {state} -{handoff}-> {taken.declared[state, handoff]}"
        for label, counted in (("refused", taken.refusals), ("landed", taken.landings)):
            if counted:
                yield f"  {label:<11}  " + ", ".join(f"{reason} {times:,}" for reason, times in counted.most_common())


def _edges(definition: Definition) -> dict[Edge, str]:
    return {(source, handoff.name): handoff.target.name for source, handoff in definition.edges}
