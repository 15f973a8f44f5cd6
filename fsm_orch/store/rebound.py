"""Rebinding: when a run may be bound to another version of its machine, and how its journal is read from then on.

What is stored never changes. A rebinding is kept beside it, and what was stored before is read in the words of the new
version: with its digest, its states and its handoffs.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..errors import StoreError
from ..kernel.inputs import Input, Started
from ..kernel.renames import renamed
from .refusals import lease_held, not_rebound
from .values import RELEASED, Rebound, RunStatus


class Bound(Struct, frozen=True, kw_only=True):
    """A run that is to be rebound, as it is stored."""

    digest: str
    status: RunStatus
    inputs: int
    owner: str | None
    is_alive: bool
    """Whether its owner beats."""
    has_posts: bool
    """Whether an answer is in its inbox that no append has folded."""

    @property
    def left_to(self) -> str | None:
        """Who owns it then: nobody, but what its owner before may have begun is remembered."""
        return None if self.owner is None else RELEASED


def objection(run_id: str, run: Bound | None, to: Rebound) -> StoreError | None:
    """Return why a run may not be rebound; None: it may."""
    if run is None:
        return not_rebound(run_id, "this store knows of no such run")
    if run.status == "finished":
        return not_rebound(run_id, "it has ended, and stays with the version that it ended with")
    if run.digest != to.was:
        return not_rebound(run_id, f"it has digest {run.digest[:12]!r}, not {to.was[:12]!r}")
    if run.is_alive:
        return lease_held(run_id, str(run.owner))
    if run.inputs != to.inputs:
        return not_rebound(run_id, f"it has {run.inputs} inputs, and {to.inputs} were judged: judge it again")
    if run.has_posts:
        return not_rebound(
            run_id, "an answer is in its inbox, which was given to the old version: let that go on with it first"
        )
    return None


def is_done(rebound: Sequence[Rebound], to: Rebound) -> bool:
    """Return whether a run was rebound so last."""
    return bool(rebound) and replace(rebound[-1], at=to.at) == to


def as_rebound(journal: Sequence[Input], rebound: Sequence[Rebound]) -> tuple[Input, ...]:
    """Return a journal as the version reads it that its run was rebound to last."""
    for each in rebound:
        journal = (*renamed(journal[: each.inputs], each.renames), *journal[each.inputs :])
    return _with_digest(journal, rebound)


def as_followed(journal: Sequence[Input], rebound: Sequence[Rebound]) -> tuple[Input, ...]:
    """Return the journal of a run as one reads it that follows it, and was rebound since.

    Args:
        rebound: to what the one that follows was rebound. Of these what came after the digest of the journal counts.
    """
    first = journal[0] if journal else None
    digest = first.digest if isinstance(first, Started) else None
    since = next((place for place, each in enumerate(rebound) if each.was == digest), len(rebound))
    for each in rebound[since:]:
        journal = renamed(journal, each.renames)
    return _with_digest(journal, rebound[since:])


def _with_digest(journal: Sequence[Input], rebound: Sequence[Rebound]) -> tuple[Input, ...]:
    first = journal[0] if journal else None
    if not rebound or not isinstance(first, Started):
        return tuple(journal)
    return replace(first, digest=rebound[-1].digest), *journal[1:]
