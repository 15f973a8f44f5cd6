"""What every engine needs of us: which runs somebody should drive, and to drive one of them when it is delivered.

An engine is a queue over our journal, and holds nothing but ids of runs. It need not be exact: it may deliver a run
twice, late, or to two workers, since driving is fenced by the store and goes on from what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from ..errors import Drained, LeaseHeld, LeaseLost, Overloaded, StartError, StepError
from ..reported import report
from ..run import given
from ..run.deps import Factory, opened
from ..run.first import RunOptions
from ..run.loading import checked
from ..run.rebound import was_rebound
from ..run.runner import Runner
from ..run.worker import told
from ..store.base import LEASE_S, Store
from ..store.values import Listed

Outcome = Literal["finished", "waits", "driven already", "not admitted", "drained", "not known"]
"""What became of a delivery. Of one that was drained somebody else must be told; of all others the store tells."""


def ticket_of(run: Listed) -> str:
    """Return the name under which an engine is handed a run: its id, how much is stored, and how often it was rebound.

    A run that was handed over twice has one ticket. One that has gone on since has another, and so has one that was
    rebound: its ticket waits where only workers of the version before look.
    """
    return f"{run.run_id}:{run.inputs}" + (f"-{len(run.rebound)}" if run.rebound else "")


def run_of(ticket: str) -> str:
    """Return the id of the run that a ticket is of."""
    return ticket.rpartition(":")[0]


def queue_of(digest: str) -> str:
    """Return the name of the queue of a machine: nobody is delivered runs of another machine."""
    return f"fsm_orch:{digest[:16]}"


def has_begun(run: Listed) -> bool:
    """Return whether anything has happened to a run since it was queued. What has begun goes first."""
    return run.inputs > 1


class Runners:
    """The runners of one process, which drive what an engine delivers.

    Args:
        runner: of the machine whose runs begin here.
        also: further runners on the same store, such as of an older version of the machine.
        deps: makes the dependencies of a run, as for `Runner.work`.

    Raises StartError: if a runner has no store, or another one; or dependencies are missing.
    """

    def __init__(
        self, runner: Runner[Any, Any], *, also: Sequence[Runner[Any, Any]] = (), deps: Factory[Any] | None = None
    ) -> None:
        self.first, self._deps = runner, deps
        self.store: Store = checked(runner.store)
        self.lease_s = self.store.lease_s or LEASE_S
        """For how long the store gives nobody the run of a worker that died."""
        self.by_digest = {each.definition.digest: each for each in (*reversed(also), runner)}
        if any(each.store is not self.store for each in also):
            raise StartError("an engine has one store: give each runner of also= the same, store=runner.store")
        given.check_factory([each.definition for each in self.by_digest.values()], deps)
        self._here: set[str] = set()
        """The runs that are under way here."""

    @property
    def is_draining(self) -> bool:
        """Whether one of them was drained, by whomever: nothing begins any more."""
        return any(each._driver.driven.is_draining for each in self.by_digest.values())

    async def repeat(self, doing: Callable[[], Awaitable[None]], *, every_s: float, until: asyncio.Event) -> None:
        """Do something again and again, with a pause between, until an event is set, which ends the pause.

        It ends too, after the pause, once somebody has drained a runner of these.

        Args:
            every_s: seconds of the pause.
        """
        while not (until.is_set() or self.is_draining):
            await doing()
            with suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), every_s)

    async def enqueue(
        self, context: Any, options: RunOptions, hand: Callable[[Listed], Awaitable[None]], *, engine: str
    ) -> str:
        """Store the beginning of a run, and hand it to an engine unless it is driven already; return its id.

        What the engine cannot be told now, the next sweep of a worker tells it.

        Args:
            hand: hands it over.
            engine: its name.

        Raises as `Runner.enqueue` does.
        """
        run_id = await self.first.enqueue(context, **options)
        (row,) = await self.store.list(run_id=run_id)
        if row.head.status == "running" and not row.is_driven:
            try:
                await hand(row)
            except Exception as error:
                report("run %s is stored, and %s is told of it later: %s", run_id, engine, told(error))
        return run_id

    async def owed(self, limit: int) -> Sequence[Listed]:
        """Return runs that nobody drives and somebody should, as `Store.claimable` does; none that is driven here."""
        now_s, mine = self.first._driver.wall_clock(), self._mine()
        # so many that those which are left out hide no others; what has ended by the answer is not handed over anew
        rows = await self.store.claimable(tuple(self.by_digest), expired_before=now_s, limit=limit + len(mine))
        left_out = mine | self._mine()
        return [row for row in rows if row.run_id not in left_out][:limit]

    def _mine(self) -> frozenset[str]:
        """Return the runs that are driven by this process, to which a store would give them again."""
        return self.first._driver.driven.on_store.union(self._here)

    async def is_driven(self, run_id: str) -> bool:
        """Return whether a worker that is alive drives a run now."""
        return any(row.is_driven for row in await self.store.list(run_id=run_id))

    async def deliver(self, run_id: str) -> Outcome:
        """Drive a run until it ends or waits, unless somebody else does, or it is not admitted now.

        Raises StartError: if its machine is none of these.
        Raises StepError: if it was one of these, and the run was rebound to another version.
        Raises Withheld: if it is a fork, which no engine is owed, and it comes to an effect that it must not begin: no
            other delivery mends that.
        Raises as `Runner.resume` does, else.
        """
        rows = await self.store.list(run_id=run_id)
        if not rows:
            return "not known"
        if rows[0].digest not in self.by_digest:
            if rows[0].rebound and rows[0].rebound[-1].was in self.by_digest:
                raise StepError(f"{was_rebound(run_id, rows[0].rebound[-1])}: workers of that version drive it")
            raise StartError(f"run {run_id!r} is of another machine than these runners drive: add one of it to also=")
        if run_id in self._here:
            return "driven already"
        self._here.add(run_id)
        try:
            return await self._drive(self.by_digest[rows[0].digest], rows[0])
        except (LeaseHeld, LeaseLost):
            return "driven already"
        except Overloaded:  # it is stored and free, and owed as before
            return "not admitted"
        except Drained:
            return "drained"
        except StartError:
            if self.is_draining:
                return "drained"
            raise
        finally:
            self._here.remove(run_id)

    async def _drive(self, runner: Runner[Any, Any], row: Listed) -> Outcome:
        async with opened(runner.definition, self._deps, row) as deps:
            result = await runner.resume(row.run_id, deps=deps)
            if result.waiting and row.head.expires_at is not None:
                result = await runner.expire(row.run_id, deps=deps)
        return "waits" if result.waiting else "finished"

    async def drain(self, grace_s: float) -> None:
        """Drive nothing any more, as `Runner.drain` does."""
        await asyncio.gather(*(each.drain(grace_s=grace_s) for each in self.by_digest.values()))

    async def drain_rest(self, grace_s: float) -> None:
        """Drive nothing any more with those that nobody has drained; whoever drained one said its grace."""
        rest = [each for each in self.by_digest.values() if not each._driver.driven.is_draining]
        await asyncio.gather(*(each.drain(grace_s=grace_s) for each in rest))
