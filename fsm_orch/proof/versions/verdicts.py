"""What becomes of runs in a new version of their machine: of one that is stored, and of all that there may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...define.policies import Policy
from ...kernel.inputs import Input

Verdict = Literal["continues", "snapshot", "stranded", "possible"]
"""Continues: it goes on in the new version, and all theorems hold. Snapshot: it does not, but nothing of where it
stands is gone. Stranded: something is. Possible: nobody could find out whether it continues."""


WORST: tuple[Verdict, ...] = ("stranded", "snapshot", "possible", "continues")
"""The verdicts, the worst first."""


def has_broken(policy: Policy) -> str:
    """Return why a run is lost that has broken a policy of the new version for good."""
    return f"it has broken {policy}, which the new version promises"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What becomes of a run in the new version of its machine."""

    verdict: Verdict
    why: str
    """Why it does not continue; empty if it does."""
    path: tuple[str, ...]
    """The states that the run itself was in, by their old names."""
    at: int | None = None
    """The input of its journal, from 1, after which the new version has it elsewhere; None: after none."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Why some places do not continue, with the shortest way to one of them."""

    verdict: Verdict
    why: str
    state: str
    """Where the run stands there, in the old version."""
    path: tuple[str, ...]
    """The states on a shortest way there, by their old names; the last is where it stands."""
    inputs: tuple[Input, ...]
    """What happened on that way, as explored: opaque fields hold placeholders."""
    places: int
    """How many places are lost for this reason."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What becomes of the runs of a machine in its new version, wherever they may be."""

    places: Mapping[Verdict, int]
    """How many places a run can be in have each verdict."""
    losses: tuple[Loss, ...]
    """The reasons, those of the worst verdict first."""
    is_complete: bool
    """Whether all places were looked at; if not, there may be more of all."""
    steps: int
    """How many inputs were stepped through both versions."""

    @property
    def total(self) -> int:
        """How many places were found."""
        return sum(self.places.values())

    @property
    def continues(self) -> bool:
        """Whether every run continues, wherever it is."""
        return self.is_complete and self.places.get("continues", 0) == self.total

    @property
    def worst(self) -> Loss | None:
        """The first loss; None if there is none."""
        return next(iter(self.losses), None)
