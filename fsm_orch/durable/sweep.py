"""The sweep of a worker of DBOS: what somebody should drive has a ticket there, and no ticket is held by the dead.

A ticket is *lost* if nobody drives its run, and nothing has happened to it for a whole lease as this process has seen
it: its executor has died, or it came to nothing, or it waits for executors of a version that is no more. No clock is
compared with another, nor does anybody beat for DBOS: that a run is driven is told by the store, whose workers beat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

from dbos import DBOSClient, WorkflowStatus

from ..store.base import PAGE
from ..store.values import Listed
from .base import Runners, run_of, ticket_of

_MOST = 200 * PAGE
"""How many runs a sweep looks at, at most."""
_QUEUED = ("ENQUEUED", "DELAYED")


class _Seen(NamedTuple):
    """A ticket as a sweep saw it."""

    status: str
    updated_at: int | None
    since_s: float
    """By the loop's time."""


class Sweep:
    """Sweeps, again and again.

    Args:
        queues: of the machines whose runs are driven here.
        hand: makes the ticket of a run, unless it is there.
    """

    def __init__(
        self,
        runners: Runners,
        client: DBOSClient,
        queues: Collection[str],
        hand: Callable[[Listed], Awaitable[None]],
    ) -> None:
        self._runners, self._client, self._queues, self._hand = runners, client, list(queues), hand
        self._seen: dict[str, _Seen] = {}
        self._limit = PAGE

    async def __call__(self, version: str) -> None:
        """Sweep once.

        Args:
            version: of the app, by which DBOS says who may take a ticket.
        """
        owed = {ticket_of(row): row for row in await self._runners.owed(self._limit)}
        tickets = await self._tickets(owed)
        lost = [each.workflow_id for each in self._unchanged(tickets) if await self._is_lost(each, owed, version)]
        if lost:  # not resumed: that would leave it to executors of its version, and finished ones as they are
            await self._client.delete_workflows_async(lost)
        missing = [row for ticket, row in owed.items() if ticket not in tickets or ticket in lost]
        await asyncio.gather(*(self._hand(row) for row in missing))
        # those that wait in the queue must not hide others for good
        self._limit = 2 * self._limit if len(owed) == self._limit < _MOST else PAGE

    async def _tickets(self, owed: Collection[str]) -> Mapping[str, WorkflowStatus]:
        """Return the tickets that DBOS holds of runs that are owed, and those that somebody works off."""
        find = self._client.list_workflows_async
        found = await find(workflow_ids=list(owed), load_input=False, load_output=False) if owed else []
        found += await find(status="PENDING", queue_name=self._queues, load_input=False, load_output=False)
        return {each.workflow_id: each for each in found}

    def _unchanged(self, tickets: Mapping[str, WorkflowStatus]) -> list[WorkflowStatus]:
        """Return the tickets to which nothing has happened for a lease, each once a lease."""
        now, before, unchanged = asyncio.get_running_loop().time(), self._seen, list[WorkflowStatus]()
        self._seen = {}
        for ticket, held in tickets.items():
            seen = before.get(ticket)
            if seen is None or seen[:2] != (held.status, held.updated_at):
                seen = _Seen(held.status, held.updated_at, now)
            elif now - seen.since_s >= self._runners.lease_s:
                seen = seen._replace(since_s=now)
                unchanged.append(held)
            self._seen[ticket] = seen
        return unchanged

    async def _is_lost(self, held: WorkflowStatus, owed: Collection[str], version: str) -> bool:
        if held.status in _QUEUED:
            # only the latest takes over what waits for another: else two versions would take it from each other
            return held.app_version not in (None, version) and await self._is_latest(version)
        return held.workflow_id in owed or not await self._runners.is_driven(run_of(held.workflow_id))

    async def _is_latest(self, version: str) -> bool:
        return (await self._client.get_latest_application_version_async())["version_name"] == version
