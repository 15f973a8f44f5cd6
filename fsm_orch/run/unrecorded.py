"""What a fork would not begin if it went on as it stands: effects of which the runs that it comes from know nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import Withheld
from ..kernel.due import due
from ..kernel.effects import AskHuman, Effect, UseTool
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.step import fold
from ..store.values import Listed
from .lineage import recorded_by
from .loading import Seen
from .recorded import Given, given_to
from .start import compiled_for
from .waiting import asked_in


class Unrecorded(NamedTuple):
    """What a fork would not begin."""

    stopped_by: Withheld | None = None
    """What it stands at: nothing else is due; None: something else may begin, or it waits for humans alone."""
    asked: Mapping[str, str] = {}
    """By the key of a question that is an approval: the tool that would not be used after a yes."""


def unrecorded(
    machine: CompiledMachine, row: Listed, journal: Sequence[Input], ancestors: Sequence[Seen]
) -> Unrecorded:
    """Return what a stored run would not begin; nothing, if it is no fork, or one that may have effects.

    It folds all these journals, which takes too long for a loop that has others to answer.

    Args:
        machine: compiled for runs that begin now.
        row: the run as the store lists it.
        journal: of the run.
        ancestors: the runs that it comes from.
    """
    if row.origin is None:
        return Unrecorded()
    known = recorded_by([machine], row, ancestors)
    if row.origin.effects and known.lost is None:
        return Unrecorded()
    compiled = compiled_for(machine, journal[0])
    now = fold(compiled, journal)

    def unknown(effect: Effect) -> Given | None:
        given = given_to(compiled, now, effect)
        # whichever it would be of those that were given the same: if one is recorded, all are
        return None if given is None or known.outcome(given, 0) is not None else given

    owed = [unknown(effect) for effect in due(now) if not isinstance(effect, AskHuman)]
    withheld = [given for given in owed if given is not None]
    stopped_by = known.withheld(row.run_id, withheld) if withheld and len(withheld) == len(owed) else None
    asks = (effect for effect in due(now) if isinstance(effect, AskHuman))
    asked = {
        question.key: question.tool
        for question, effect in zip(asked_in(compiled, now), asks, strict=True)
        if question.tool is not None and unknown(_use(effect)) is not None
    }
    return Unrecorded(stopped_by, asked)


def _use(approved: AskHuman) -> UseTool:
    return UseTool(approved.path, approved.hops, approved.state, approved.attempt, approved.ask)
