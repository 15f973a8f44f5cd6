"""Whose runs a caller sees, and how one of them is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..store.values import Listed
from .caller import Caller
from .driving import Driving
from .problems import Problem

Sees = Literal["own", "all"]
"""Whose runs a caller sees: those of its tenant, or everybody's."""

_MOST_PAGES = 20
"""How many pages of a store are looked at for one that is shown."""


@dataclass(frozen=True)
class Seen:
    """The runs of a store, as far as a caller sees them."""

    driving: Driving
    sees: Sees

    def _is_seen(self, row: Listed, caller: Caller) -> bool:
        return self.sees == "all" or row.tenant == caller.tenant

    async def rows(self, caller: Caller, *, limit: int, after: str | None = None, **wanted: Any) -> list[Listed]:
        """Return the runs that a caller sees, the newest first.

        Args:
            limit: how many at most.
            after: the run after which they come.
            wanted: as `Store.list` takes it.
        """
        if not (after or "").isprintable():  # a NUL would be an error of the database
            return []
        tenant, found = None if self.sees == "all" else caller.tenant, list[Listed]()
        for _ in range(_MOST_PAGES):  # a store lists the runs that are nobody's among those of everybody alone
            page = await self.driving.store.list(tenant=tenant, after=after, limit=limit, **wanted)
            found += [row for row in page if self._is_seen(row, caller)]
            if len(found) >= limit or len(page) < limit:
                break
            after = page[-1].run_id
        return found[:limit]

    async def row(self, run_id: str, caller: Caller) -> Listed:
        """Return a run as the store lists it.

        Raises Problem: if there is none, or the caller does not see it, which is the same to whoever asks; or it is of
            another version.
        """
        # a NUL would be an error of the database
        found = await self.driving.store.list(run_id=run_id) if run_id.isprintable() else ()
        if not found or not self._is_seen(found[0], caller):
            raise Problem("unknown_run")
        if found[0].digest != self.driving.runner.definition.digest:
            raise Problem("other_version")
        return found[0]
