"""Admission of runs: what a run may still cost is held of its quotas, and then it has a place, while it is driven.

Both are given back when it ends or waits. What is held stays if it is to go on elsewhere: drained, or taken from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from ..amounts import NOTHING, Allowance, Amount
from ..errors import Overloaded, StartError, is_failure
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..observe.telling import report
from ..resilience.admission import Admission
from ..resilience.base import Account, Holdings
from ..resilience.quota import Applicant, Quota
from ..store.base import Store
from .aside import aside
from .ids import random_id
from .loading import listed
from .outlast import outlasted
from .raised import Raised, told, tried
from .writer import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Entrance:
    """What stands before the runs of one runner.

    Args:
        admission: gives places; None: everybody has one.
        quotas: what runs take from.
        holdings: holds what they take.
        models: the names of those that a run may call.
        store: keeps the runs; None: nothing does.
    """

    admission: Admission | None = None
    quotas: tuple[Quota, ...] = ()
    holdings: Holdings
    models: tuple[str, ...] = ()
    store: Store | None = None

    def stay(self, compiled: CompiledMachine, first: Input) -> Stay:
        """Return what one run has of this while it is driven here: nothing yet.

        Args:
            first: the first input of its journal.
        """
        assert isinstance(first, Started)
        return Stay(self, compiled, first)


class _InLine:
    """The wait of a run for its place, which is over when it is landed, or its worker stops."""

    def __init__(self, run: Run, entering: asyncio.Task[None]) -> None:
        self._run, self._entering = run, entering
        self.is_given_up = False

    @property
    def due(self) -> Configuration | None:
        return None if _has_nothing_to_do(self._run) else self._run.now

    def give_up(self) -> None:
        self.is_given_up = True
        self._entering.cancel()


class Stay:
    """What one run has while it is driven: what it may still cost is held, and it has a place."""

    def __init__(self, entrance: Entrance, compiled: CompiledMachine, first: Started) -> None:
        self._entrance, self._compiled, self._first = entrance, compiled, first
        # without a store nothing keeps two runs from having one id
        self._id = first.run_id if entrance.store is not None else f"{first.run_id}:{random_id()}"
        self._accounts: tuple[Account, ...] | None = None
        self._place: AbstractAsyncContextManager[float] | None = None
        self._is_in = self._is_driven = False
        self._late = NOTHING
        """What it was charged after its end."""

    @asynccontextmanager
    async def beginning(self) -> AsyncIterator[Stay]:
        """Admit a run that begins, of which nothing is stored. If the block does not drive it, it has had nothing.

        Raises Overloaded: if it is not admitted.
        Raises StartError: if it cannot be told which quotas it takes from, or what it may cost.
        Raises what the holdings raise.
        """
        await self._enter(NOTHING, _begins_with(self._compiled, self._first))
        async with self._leaving(self._undo):
            yield self

    @asynccontextmanager
    async def driving(self, run: Run) -> AsyncIterator[None]:
        """Admit a run that goes on, unless it is in already, or there is nothing to drive.

        Raises Overloaded: if it is not admitted; all that came for it is stored then.
        Raises StartError: if it cannot be told which quotas it takes from, or what it may cost.
        Raises what the holdings raise, or the store.
        """
        if not self._is_in:
            await self._go_on(run)
        self._is_driven = True
        async with self._leaving(partial(self._left, run)):
            yield

    @asynccontextmanager
    async def _leaving(self, settle: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Give all back when the block is left, unless that was done inside."""
        try:
            yield
        except GeneratorExit:  # this coroutine is being closed, and may not wait any more
            await self._give_place_back()
            raise
        except BaseException:
            await self._leave(settle)
            raise
        await self._leave(settle)

    async def _leave(self, settle: Callable[[], Awaitable[None]]) -> None:
        await self._give_place_back()
        if self._entrance.quotas:
            await settle()

    async def _go_on(self, run: Run) -> None:
        if not self._is_asked or _has_nothing_to_do(run):
            return
        # stored first: whoever is refused has been told that it is, and what is let go of is not taken for begun
        await run.flush()
        run.time.hold()
        entering = asyncio.ensure_future(self._enter(run.now.ledger.settled, _may_cost(run.now)))
        in_line = _InLine(run, entering)
        run.at_work.add(in_line)
        try:
            await entering
        except asyncio.CancelledError:
            if not in_line.is_given_up:
                raise
        except Overloaded as refused:
            await run.flush()  # what came meanwhile
            why, wait_s = refused.reason, refused.retry_after_s
            raise Overloaded(why, wait_s, detail=refused.detail, run_id=run.now.run_id) from None
        finally:
            run.at_work.discard(in_line)
            run.time.go_on()

    @property
    def _is_asked(self) -> bool:
        """Whether anything stands before runs."""
        return self._entrance.admission is not None or bool(self._entrance.quotas)

    async def _enter(self, settled: Amount, may_cost: Allowance) -> None:
        admission = self._entrance.admission
        weight = 1 if admission is None else admission.weight_of(may_cost.tokens)
        # asked before anything is held: under load most are refused, which must cost nothing
        if admission is not None and (refused := admission.refusal(weight)):
            raise refused
        await self._hold(settled, may_cost)
        if admission is not None:
            place = admission.place(weight)
            try:
                await place.__aenter__()
            except GeneratorExit:
                raise
            except BaseException:
                await self._settle(settled)
                raise
            self._place = place
        self._is_in = True

    async def _hold(self, settled: Amount, may_cost: Allowance) -> None:
        if not (accounts := self._taken_from()):
            return
        if may_cost.cost is None and (dear := [each.quota for each in accounts if each.most_cost is not None]):
            raise StartError(
                f"the quota {dear[0]!r} holds the dollars that a run may cost, and run {self._first.run_id!r} has no "
                "limit of them: give its machine Limits(cost_usd=...)"
            )
        asked = Amount(may_cost.tokens, may_cost.cost or 0)
        try:
            await self._entrance.holdings.hold(self._id, accounts, settled=settled, may_cost=asked)
        except asyncio.CancelledError:  # it may be held all the same
            await self._settle(settled)
            raise
        except BaseException as error:
            raise told(self._first.run_id, error) from None

    def _taken_from(self) -> tuple[Account, ...]:
        """Return the accounts that the run takes from.

        Raises StartError: if one cannot be told.
        """
        if self._accounts is None:
            first, entrance = self._first, self._entrance
            run = Applicant(
                run_id=first.run_id,
                tenant=first.tenant,
                thread_id=first.thread_id,
                machine=self._compiled.definition.name,
                models=entrance.models,
            )
            found = [quota.account_of(run) for quota in entrance.quotas]
            self._accounts = tuple(account for account in found if account is not None)
        return self._accounts

    async def _give_place_back(self) -> None:
        self._is_in = False
        if (place := self._place) is not None:
            self._place = None
            await place.__aexit__(None, None, None)

    async def _left(self, run: Run) -> None:
        """Settle a run that has ended or waits; of one that goes on elsewhere what is held stays."""
        if run.is_stored and (_has_nothing_to_do(run) or run.stopped_by is not None):
            run.on_late = partial(self._charge, run) if self._accounts else None
            await self._settle(run.now.ledger.settled)
        elif run.storage is not None and not run.storage.kept:
            await self._give_all_back()

    async def _undo(self) -> None:
        """Give all back that a run has which was not driven."""
        if not self._is_driven:
            await self._give_all_back()

    async def _give_all_back(self) -> None:
        """Settle a run of which nothing was stored, unless another of its id is under way, which goes on with that."""
        store = self._entrance.store
        if store is not None:
            row = await tried(partial(listed, store, self._first.run_id))
            if not isinstance(row, Raised) and row is not None and row.head.status != "finished":
                return
        await self._settle(NOTHING)

    async def _settle(self, settled: Amount) -> None:
        """Give back what is held and was not charged, whatever cancels. Holdings that fail are logged.

        Raises asyncio.CancelledError: if the caller cancelled meanwhile.
        """
        if not self._entrance.quotas:
            return
        settling = partial(self._settling, settled)
        came, cancelled = await tried(settling), None
        if isinstance(came, Raised) and isinstance(came.error, asyncio.CancelledError):
            cancelled = came.error
            came, later = await outlasted(settling)  # again: to settle twice is to settle once
            cancelled = later or cancelled
        if isinstance(came, Raised):
            if not is_failure(came.error):
                raise came.error
            report(
                "what is held of its quotas for run %s could not be settled, and stays until their windows end: %s",
                *(self._first.run_id, type(came.error).__name__),
            )
        if cancelled is not None:
            raise cancelled

    async def _settling(self, settled: Amount) -> None:
        await self._entrance.holdings.settle(self._id, self._taken_from(), settled=settled)

    def _charge(self, run: Run, late: Amount) -> None:
        """Charge what a call turned out to have used after the end of the run."""
        self._late += late
        settling = partial(self._settling, run.now.ledger.settled + self._late)
        aside(settling, f"the quotas of run {self._first.run_id} could not be charged")


def costs_at_most(compiled: CompiledMachine, start: str) -> Allowance:
    """Return what a run that begins in a state may cost: its limits, or less where its bounds prove that."""
    return Allowance(
        min(compiled.limits.tokens, compiled.potential.ahead(start, 0, {start: 1})), compiled.limits.cost_micros
    )


def _begins_with(compiled: CompiledMachine, first: Started) -> Allowance:
    """Return what a run that begins may cost, which is no more than its thread may."""
    most, limits = costs_at_most(compiled, first.state or compiled.definition.initial.name), compiled.limits
    if first.thread_id is None:
        return most
    return Allowance(
        min(most.tokens, most.tokens if limits.thread_tokens is None else limits.thread_tokens),
        min((cost for cost in (most.cost, limits.thread_cost_micros) if cost is not None), default=None),
    )


def _may_cost(now: Configuration) -> Allowance:
    """Return what a run that goes on may still cost."""
    ledger = now.ledger
    # its bounds may leave less than its ledger; what is reserved may be charged in any case
    tokens = max(ledger.reserved.tokens, min(ledger.limit.tokens, now.ceiling) - ledger.settled.tokens)
    cost = ledger.limit.cost
    return Allowance(tokens, None if cost is None else max(0, cost - ledger.settled.cost))


def _has_nothing_to_do(run: Run) -> bool:
    """Return whether a run has ended, or waits for humans alone."""
    return run.is_finished or run.now.is_waiting
