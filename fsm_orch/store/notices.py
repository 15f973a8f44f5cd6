"""The port of notices: which runs came to wait, or ended, and a subscriber outside has not been told of it yet.

A *subscriber* is whoever wants to be told, under a name of its own. A run that comes to wait or ends is noted for each
in the transaction that stores it, so that no death of a process loses it. A notice says that there is something to
tell; what that is, is in the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct


class Notice(Struct, frozen=True, kw_only=True):
    """That there is something of a run to tell a subscriber."""

    run_id: str
    inputs: int
    """How many the journal had when the run last came to wait, or ended."""
    told: int
    """How many it had when the subscriber was told last; 0: it was not."""
    tries: int
    """How often it was taken since, this time included."""
    since: float
    """When the run came to wait, or ended; seconds of the epoch, by the clock of whoever stored it."""


class Notices(Protocol):
    """What there is to tell. Every method may be called from any event loop and any thread.

    Raises StoreError: from every method, if it cannot be done.
    """

    async def subscribe(self, name: str, digests: Collection[str]) -> None:
        """Note for a subscriber what happens to runs of these definitions from now on, and which of them wait now.

        Forks are left out. To say it again changes nothing.
        """
        ...

    async def unsubscribe(self, name: str) -> None:
        """Note nothing more for a subscriber, and forget what is noted."""
        ...

    async def take(
        self, name: str, digests: Collection[str], *, now_s: float, hold_s: float, limit: int
    ) -> Sequence[Notice]:
        """Take notices of runs of these definitions, the one that is due longest first.

        For `hold_s` nobody else takes them; after that anybody does, unless they were told or put off.

        Args:
            now_s: seconds of the epoch.
        """
        ...

    async def told(self, name: str, run_id: str, *, inputs: int, is_over: bool) -> None:
        """Note that a subscriber was told of a run with so many inputs; a notice of more of them stays.

        Args:
            is_over: whether the run has ended with them: there is nothing more to tell.
        """
        ...

    async def put_off(self, name: str, run_id: str, *, until_s: float) -> None:
        """Let nobody take a notice until a moment, in seconds of the epoch."""
        ...


@runtime_checkable
class Notifying(Protocol):
    """A store that notes what there is to tell."""

    @property
    def notices(self) -> Notices:
        """What there is to tell of its runs."""
        ...
