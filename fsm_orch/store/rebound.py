"""Rebinding: when a run may be bound to another version of its machine, and how its journal is read from then on.

What is stored never changes. A rebinding is kept beside it, and what was stored before is read in the words of the new
version: with its digest, its names and its parts.
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
        first, *others = [renamed(event, each.renames) for event in journal[: each.inputs]]
        if isinstance(first, Started):
            prices, shares = each.terms or (first.prices, first.shares)
            first = replace(first, digest=each.digest, prices=prices, shares=shares)
        journal = (first, *others, *journal[each.inputs :])
    return tuple(journal)


def as_followed(journal: Sequence[Input], rebound: Sequence[Rebound]) -> tuple[Input, ...]:
    """Return the journal of a run that has ended as one reads it that follows it, and was rebound.

    Args:
        rebound: to what the one that follows was rebound: what came after the digest of the journal counts.
    """
    digest = journal[0].digest if journal and isinstance(journal[0], Started) else None
    for each in since(digest, rebound):
        first, *others = [renamed(event, each.renames) for event in journal]
        assert isinstance(first, Started)  # it has a digest
        journal = _of_another(first, each), *others
    return tuple(journal)


def since(digest: str | None, rebound: Sequence[Rebound]) -> Sequence[Rebound]:
    """Return to what a run was rebound from a digest on; nothing if it never had that."""
    return rebound[next((place for place, each in enumerate(rebound) if each.was == digest), len(rebound)) :]


def _of_another(first: Started, to: Rebound) -> Started:
    """Return the start of another run in a version: with its own prices and shares, where it has some."""
    if to.terms is None:
        return replace(first, digest=to.digest)
    prices = {place: rate for place, rate in first.prices.items() if place in to.terms.prices}
    shares = {place: first.shares.get(place, share) for place, share in to.terms.shares.items()}
    return replace(first, digest=to.digest, prices=prices, shares=shares)
