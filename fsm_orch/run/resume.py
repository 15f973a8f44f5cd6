"""A stored run is taken over: what a crash left open in it is closed.

A journal that was cut off after any input goes on. What was under way is due again, under the same keys; what may have
been billed is charged; what must not be done twice has failed, since nobody knows whether it was done. All of it is
folded as inputs that the explorer plays too, so what is proved holds over any number of crashes.
"""

from __future__ import annotations

import logging

from ..kernel import inputs
from ..kernel.due import due
from ..kernel.effects import Act, Effect, UseTool
from ..kernel.inputs import Input
from ..reported import report
from ..store.values import RELEASED, Claim
from .forked import ForkedRun
from .once import is_once
from .writer import Run

_UNKNOWN = "outcome unknown: its process ended while it may have been at work"


def tell_taken(run_id: str, claim: Claim, now_s: float) -> None:
    """Log that a run was claimed whose worker did not let go of it.

    Args:
        now_s: seconds of the epoch.
    """
    if claim.taken_from not in (None, RELEASED):
        text = "run %s is taken over from worker %s: it was last stored %.0f s ago, and goes on in epoch %d"
        report(text, run_id, claim.taken_from, now_s - claim.stored_at, claim.epoch, level=logging.INFO)


def note_begun(run: Run, claim: Claim) -> None:
    """Note of a run that was claimed what may have begun, and must not begin again."""
    # of one that was free nothing has: it was never begun, or let go between two pieces of work
    if claim.taken_from is not None:
        once = [effect for effect in due(run.now) if is_once(run, effect)]
        # what a fork is given never begins
        run.begun.update(each for each in once if not (isinstance(run, ForkedRun) and run.is_recorded(each)))


def take_over(run: Run) -> None:
    """Close what nobody can be at work on any more."""
    # A call may have been billed in full. This ends nothing, since a reservation is never charged more than it holds.
    for effect in due(run.now):
        if isinstance(effect, Act):
            visit = run.levels(effect.path)[-1].now.visit
            for call in () if visit is None else tuple(visit.open):
                run.fold(inputs.CallSettled(call=call, usage=None, at=run.elapsed(), path=effect.path))
    # One by one: the first may have ended what the next is for. What it makes due nobody has begun.
    while lost := [effect for effect in due(run.now) if effect in run.begun]:
        run.fold(_unknown(run, lost[0]))


def _unknown(run: Run, effect: Effect) -> Input:
    """Return what becomes of work of which nobody knows whether it was done."""
    at, path = run.elapsed(), effect.path
    if isinstance(effect, Act):
        return inputs.Failed(reason="outcome_unknown", detail=_UNKNOWN, at=at, path=path)
    assert isinstance(effect, UseTool)  # a human may be asked twice
    key = run.levels(path)[-1].now.key_of(effect.ask)
    return inputs.Answered(ask=effect.ask, id=key, ok=False, value=_UNKNOWN, at=at, path=path)
