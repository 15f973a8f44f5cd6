"""The figures over all recorded runs, and the file that they are kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict

from .guards import GUARDS, TOGETHER, Effect, effect, first_stop
from .kernel import Agreement, agreements
from .runs import Recorded

FIGURES = Path(__file__).with_name("figures.json")
"""The figures, as they were written last."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Magentic(_Frozen):
    """What of the figures is of Magentic-One, whose runs have an orchestrator."""

    runs: int
    tokens: int


class Together(_Frozen):
    """What several guards do together."""

    settings: Mapping[str, int]
    early: int
    """Runs that they stop before the mistake."""
    late: int
    """Runs that they stop after it."""
    missed: int
    """Runs that none of them stops."""
    missed_wasted: int
    """The tokens after the mistake in the runs that none of them stops."""


class Figures(_Frozen):
    """The figures over all runs. Tokens are those of messages, not what was billed."""

    runs: int
    tokens: int
    wasted: int
    """Tokens after the mistake."""
    median_mistake: float
    """The number of the message with the mistake, from 0: the median."""
    by_orchestrator: int
    """Runs whose mistake is the orchestrator's."""
    magentic: Magentic
    guards: Mapping[str, tuple[Effect, ...]]
    together: Together
    kernel: Mapping[str, tuple[Agreement, ...]]

    @property
    def good(self) -> int:
        """Tokens up to the mistake, its own message included."""
        return self.tokens - self.wasted

    def cut(self, effect: Effect) -> float:
        """Return how much of the tokens after the mistake a guard saves, from 0 to 1."""
        return effect.cut / self.wasted

    def lost(self, effect: Effect) -> float:
        """Return how much of the tokens up to the mistake a guard cuts off, from 0 to 1."""
        return effect.lost / self.good

    def beating(self, effect: Effect) -> Effect | None:
        """Return the cap on visits that saves as much as a guard and loses no more; None if there is none."""
        caps = self.guards["visits"]
        return next((cap for cap in caps if cap.cut >= effect.cut and cap.lost <= effect.lost), None)


def figures(runs: Sequence[Recorded]) -> Figures:
    """Return the figures over all runs. The kernel plays each of them once a setting, which takes seconds."""
    return Figures(
        runs=len(runs),
        tokens=sum(run.tokens() for run in runs),
        wasted=sum(run.wasted for run in runs),
        median_mistake=median(run.mistake for run in runs),
        by_orchestrator=sum(run.culprit == "Orchestrator" for run in runs),
        magentic=_magentic([run for run in runs if any(message.agent == "Orchestrator" for message in run.messages)]),
        guards={
            name: tuple(effect(runs, guard, setting) for setting in guard.settings) for name, guard in GUARDS.items()
        },
        together=_together(runs),
        kernel=agreements(runs),
    )


def _magentic(runs: Sequence[Recorded]) -> Magentic:
    return Magentic(runs=len(runs), tokens=sum(run.tokens() for run in runs))


def _together(runs: Sequence[Recorded]) -> Together:
    stops = [(run, first_stop(run)) for run in runs]
    missed = [run for run, stop in stops if stop is None]
    early = sum(stop is not None and stop <= run.mistake for run, stop in stops)
    return Together(
        settings=TOGETHER,
        early=early,
        late=len(runs) - len(missed) - early,
        missed=len(missed),
        missed_wasted=sum(run.wasted for run in missed),
    )


def read() -> Figures:
    """Read the figures that were written last."""
    return Figures.model_validate_json(FIGURES.read_bytes())


def write(found: Figures) -> None:
    """Write figures to where `read` finds them."""
    FIGURES.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
