"""A stored run folded by its machine, input by input: nothing is claimed, and nobody acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...define.changes import shown
from ...define.definition import Definition
from ...errors import StepError
from ...kernel.begin import compiled_as
from ...kernel.configuration import Configuration
from ...kernel.course import Step
from ...kernel.due import due
from ...kernel.effects import Act, UseTool
from ...kernel.engine import CompiledMachine
from ...kernel.hop import Hop
from ...kernel.inputs import Input, Started
from ...kernel.legal import menu
from ...kernel.records import Record
from ...kernel.step import step
from ...run.cuts import Cut, cuts
from ...run.head import check_head
from ...run.rebound import was_rebound
from ...run.result import path_of
from ...run.waiting import Question, asked_in
from ...store.values import Listed
from ..show import CommandError


@dataclass(frozen=True)
class Folded:
    """A run after each of its inputs."""

    compiled: CompiledMachine
    journal: Sequence[Input]
    steps: Sequence[Configuration]
    records: Sequence[Record]

    @property
    def now(self) -> Configuration:
        """Where it stands after the last of them."""
        return self.steps[-1]

    @property
    def path(self) -> Sequence[Hop]:
        """The transitions that the run itself took."""
        return path_of(self.records)

    @property
    def waiting(self) -> Sequence[Question]:
        """What it asks humans, be it that other work is due beside it."""
        return asked_in(self.compiled, self.now)

    @property
    def due(self) -> Sequence[str]:
        """What the world owes it, humans aside, each in a line."""
        return [_owed(effect) for effect in due(self.now) if isinstance(effect, Act | UseTool)]

    @property
    def cuts(self) -> Sequence[Cut]:
        """Where it can be cut, for a fork."""
        return cuts(self.compiled, self.journal)

    def as_json(self) -> dict[str, Any]:
        """Return where it stands as JSON."""
        now, ledger = self.now, self.now.ledger
        return {
            "machine": self.compiled.definition.name,
            "state": now.state,
            "hops": now.hops,
            "context": shown(now.context),
            "path": [hop._asdict() for hop in self.path],
            "menu": [
                {"handoff": handoff.name, "target": handoff.target.name, "against": against and against.detail}
                for handoff, against in menu(self.compiled, now)
            ],
            "ledger": {
                name: {"tokens": amount.tokens, "micro_dollars": amount.cost}
                for name, amount in (
                    ("limit", ledger.limit),
                    ("settled", ledger.settled),
                    ("reserved", ledger.reserved),
                )
            }
            | {"left": ledger.remaining},
            "waiting": [vars(question) for question in self.waiting],
            "due": self.due,
            "cuts": [cut._asdict() for cut in self.cuts],
        }


def _owed(effect: Act | UseTool) -> str:
    where = "· " * len(effect.path) + effect.state
    return f"{where}: its agent acts" if isinstance(effect, Act) else f"{where}: tool use {effect.ask}"


def folded(definition: Definition, run: Listed, journal: Sequence[Input], *, at: int | None = None) -> Folded:
    """Return a run folded from its journal.

    Args:
        at: how many of its inputs are folded, from 1; None: all.

    Raises CommandError: if it was started on another machine, does not fold, or has fewer inputs.
    Raises Drifted: if it folds to something else than when it was stored.
    """
    if run.digest != definition.digest:
        if run.rebound:
            raise CommandError(
                f"{was_rebound(run.run_id, run.rebound[-1])}, and {definition.name} is here "
                f"{definition.digest[:12]!r}: name the module of the version that it was rebound to"
            )
        raise CommandError(
            f"run {run.run_id!r} was started on digest {run.digest[:12]!r}, and {definition.name} is now "
            f"{definition.digest[:12]!r}: take the code that it was started with, and name its module as it was named "
            "then. `fsm-orch runs show` without a module shows what is stored"
        )
    first = journal[0] if journal else None
    if not isinstance(first, Started):
        raise CommandError(
            f"run {run.run_id!r} has no beginning: it was forgotten at this moment, or its journal is damaged. "
            "fsm-orch runs list shows what is left"
        )
    if at is not None and not 1 <= at <= len(journal):
        raise CommandError(f"run {run.run_id!r} has {len(journal)} inputs: --at takes a number from 1 to that")
    compiled = compiled_as(definition, first)
    steps = _steps(compiled, run.run_id, journal)
    check_head(compiled, steps[-1].configuration, run.head)
    wanted = steps[:at]
    return Folded(
        compiled,
        journal[:at],
        [stepped.configuration for stepped in wanted],
        [record for stepped in wanted for record in stepped.records],
    )


def _steps(compiled: CompiledMachine, run_id: str, journal: Sequence[Input]) -> Sequence[Step]:
    now, steps = None, list[Step]()
    for number, event in enumerate(journal, start=1):
        try:
            steps.append(step(compiled, now, event))
        except StepError as error:
            raise CommandError(
                f"run {run_id!r} does not fold any more, at input {number}: {error}. A guard or other code has changed "
                "since it was stored, or its journal is damaged: take the code that it was run with"
            ) from error
        now = steps[-1].configuration
    return steps
