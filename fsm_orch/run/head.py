"""The head of a fold: what a store keeps beside a journal, and what shows on resume that the code has changed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..define.wording import number_of
from ..errors import Drifted, StepError
from ..kernel.configuration import Configuration
from ..kernel.due import due
from ..kernel.effects import AskHuman
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.step import fold
from ..kernel.tree import levels
from ..store.values import Head, RunStatus


def head_of(compiled: CompiledMachine, now: Configuration) -> Head:
    """Return where a run stands, for its store."""
    settled = now.ledger.settled.tokens
    if now.status == "finished" or not now.is_waiting:  # as `status_of`, which would cost each append a call
        return Head(now.state, now.status, now.hops, settled)
    return Head(now.state, "waiting", now.hops, settled, _expires_at(compiled, now))


def status_of(now: Configuration) -> RunStatus:
    """Return whether a run has finished, waits for nothing but humans, or runs."""
    return now.status if now.status == "finished" or not now.is_waiting else "waiting"


def _expires_at(compiled: CompiledMachine, now: Configuration) -> float | None:
    """Return when the first question of a run expires."""
    asked = {effect.path for effect in due(now) if isinstance(effect, AskHuman)}
    visits = [levels(compiled, now, path)[-1].now.visit for path in asked]
    rounds = [visit.round for visit in visits if visit is not None and visit.round is not None]
    return min((each.expires_at for each in rounds if each.expires_at is not None), default=None)


def check_head(compiled: CompiledMachine, now: Configuration, stored: Head) -> None:
    """Check that a journal folds to where its run stood when it was stored.

    Raises Drifted: if it does not. The digest of a machine sees no body of a guard or a validator.
    """
    folded = head_of(compiled, now)
    if folded != stored:
        raise Drifted(
            f"the journal of run {now.run_id!r} was stored at {_told(stored)}, and folds to {_told(folded)}: a guard "
            "or other code has changed since, and nothing is driven. Resume it with the code that it was run with"
        )


@contextmanager
def folding(compiled: CompiledMachine, journal: Sequence[Input]) -> Iterator[None]:
    """Fold the journal of a stored run inside the block.

    Raises StepError: if it began on another machine or kernel than this, or otherwise.
    Raises Drifted: if it began on this one, and does not fold any more.
    """
    try:
        yield
    except Drifted:
        raise
    except StepError as error:
        fold(compiled, journal[:1])  # whose error says how it began
        run_id = getattr(journal[0], "run_id", "")
        raise Drifted(
            f"the journal of run {run_id!r} does not fold any more: {error}. A guard or other code has changed since, "
            "or it is damaged, and nothing is driven. Resume it with the code that it was run with"
        ) from error


def folded(compiled: CompiledMachine, journal: Sequence[Input], stored: Head) -> Configuration:
    """Return where a stored run stands, folded from its journal.

    Raises StepError: if it began on another machine or kernel.
    Raises Drifted: if it does not fold any more, or folds to something else than its head.
    """
    with folding(compiled, journal):
        now = fold(compiled, journal)
        check_head(compiled, now, stored)
    return now


def _told(head: Head) -> str:
    until = "" if head.expires_at is None else f", until {head.expires_at}"
    return f"{head.state!r}, {head.status}, after {number_of(head.hops, 'hop')} and {head.tokens} tokens{until}"
