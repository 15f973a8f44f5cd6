"""The port of counts: how many runs wait for humans, and since when, for whoever watches that somebody answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class Waiting(NamedTuple):
    """Runs of one version of a machine that wait in one of its states."""

    digest: str
    """Of the definition with which they go on."""
    state: str
    """Of the run itself; a question may come from a machine inside it."""
    runs: int
    since: float
    """When the one of them was stored that was last stored before all others; seconds of the epoch."""


@runtime_checkable
class CountsWaiting(Protocol):
    """A store that counts the runs that wait."""

    async def waiting(self) -> Sequence[Waiting]:
        """Return how many runs wait, whoever drives them; without forks, which nobody may ever ask for.

        A database that is away is not waited for.

        Raises StoreError: if it cannot be done.
        """
        ...
