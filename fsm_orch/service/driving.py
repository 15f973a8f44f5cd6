"""How runs are driven for requests: here, with dependencies that are opened for them; or they are joined elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import LeaseHeld, StartError
from ..run.deps import Factory, opened
from ..run.following import Waits
from ..run.given import check_factory
from ..run.loading import checked
from ..run.result import RunResult
from ..run.runner import Runner
from ..store.values import UNCLAIMED, Head, Listed
from .asked import Asked
from .problems import Problem


class Driving:
    """How the runs of a runner are driven.

    Args:
        deps: makes the dependencies of a run, as for `Runner.work`.
    """

    def __init__(self, runner: Runner[Any, Any], deps: Factory[Any] | None) -> None:
        self.runner, self.store = runner, checked(runner.store)
        check_factory([runner.definition], deps)
        self._deps = deps

    def check_open(self) -> None:
        """Check that runs may begin, or go on.

        Raises Problem: if the process is to end.
        """
        if self.runner.is_draining:
            raise _draining()

    def check_ready(self) -> None:
        """Check that requests had better come here.

        Raises Problem: if the runner is not warm yet, or the process is to end.
        """
        self.check_open()
        if not self.runner.is_warm:
            raise Problem("not_warm", headers={"Retry-After": "1"})

    async def stored(self, run_id: str) -> RunResult[Any]:
        """Return a stored run as it stands."""
        if not (journal := await self.store.load(run_id)):
            raise Problem("unknown_run")
        return self.runner.replay(journal)

    async def last_of(self, thread: str, tenant: str | None) -> Listed | None:
        """Return the last run of a conversation as the store lists it; None if there was none."""
        rows = await self.store.list(thread_id=thread, tenant=tenant)
        return next((row for row in rows if row.tenant == tenant and row.origin is None), None)

    def row_of(self, run_id: str, asked: Asked) -> Listed:
        """Return a run that is not stored yet as a list would show it, for the factory of its dependencies."""
        definition, now = self.runner.definition, time.time()
        return Listed(
            run_id=run_id, head=Head(definition.initial.name), digest=definition.digest, thread_id=asked.thread,
            tenant=asked.tenant, inputs=0, epoch=UNCLAIMED, owner=None, began_at=now, stored_at=now,
        )  # fmt: skip

    async def driven(self, row: Listed, run: Callable[..., Any]) -> RunResult[Any]:
        """Drive a run with its dependencies, which are closed when it has ended, or waits.

        Args:
            row: as a list shows it.
            run: drives it.

        Raises Problem: if this process is to end, and nothing has begun.
        """
        try:
            async with opened(self.runner.definition, self._deps, row) as deps:
                result: RunResult[Any] = await run(deps=deps)
        except StartError:
            self.check_open()  # it may have been, when this was asked for
            raise
        return result

    async def resumed(self, row: Listed, *, effects: bool = False) -> RunResult[Any]:
        """Drive a run that was queued, or a fork, unless a worker is faster.

        Args:
            effects: of a fork: whether it may begin what is not recorded and may have an effect in the world.

        Raises Withheld: if it may not, and nothing else is due.
        """
        try:
            return await self.driven(row, partial(self.runner.resume, row.run_id, effects=effects))
        except (LeaseHeld, StartError):
            rows = await self.store.list(run_id=row.run_id)
            if not (rows and (rows[0].is_driven or rows[0].head.status == "finished")):
                raise
            return await self.joined(row.run_id)

    async def joined(self, run_id: str, *, after: int = -1) -> RunResult[Any]:
        """Wait until a run that is driven elsewhere has ended, or waits; return it.

        Args:
            after: how many records it has when it waits for something else than before.

        Raises Problem: if this process is to end before.
        """
        async with self.runner.follow(run_id, after=max(after, 0)) as events:
            async for event in events:
                if isinstance(event, Waits) and event.number > after:
                    break
        result = await self.stored(run_id)
        if result.status == "running":
            raise _draining()
        return result


def _draining() -> Problem:
    return Problem("draining", headers={"Retry-After": "1"})
