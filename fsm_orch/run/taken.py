"""What a run takes of its quotas: what it may still cost is held, and settled once it is known what it was charged."""

from __future__ import annotations

import asyncio
from functools import partial

from ..amounts import NOTHING, Allowance, Amount
from ..errors import StartError, is_failure
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Started
from ..kernel.step import fold
from ..reported import report
from ..resilience.base import Account
from ..resilience.holding import UNITS
from ..resilience.quota import Applicant
from ..store.values import Listed
from .aside import aside
from .entrance import Entrance
from .ids import random_id
from .loading import listed, loaded
from .outlast import outlasted
from .raised import Raised, tried


class Taken:
    """What one run takes of quotas."""

    def __init__(self, entrance: Entrance, compiled: CompiledMachine, first: Started) -> None:
        self._quotas, self._holdings, self._models = entrance.quotas, entrance.holdings, entrance.models
        self._store, self._first = entrance.store, first
        self._compiled, self._machine = compiled, compiled.definition.name
        # without a store nothing keeps two runs from having one id
        self._id = first.run_id if entrance.store is not None else f"{first.run_id}:{random_id()}"
        self._accounts: tuple[Account, ...] | None = None
        self._late = NOTHING
        """What it was charged after its end."""

    async def hold(self, settled: Amount, may_cost: Allowance) -> None:
        """Hold what the run may still cost.

        Raises Overloaded: if a quota has no room for it.
        Raises StartError: if it cannot be told which quotas it takes from, or what it may cost.
        Raises what the holdings raise; it may be held all the same then.
        """
        if not (accounts := self._taken_from()):
            return
        if may_cost.cost is None and (dear := [each.quota for each in accounts if each.most_cost is not None]):
            raise StartError(
                f"the quota {dear[0]!r} holds the dollars that a run may cost, and run {self._first.run_id!r} has no "
                "limit of them: give its machine Limits(cost_usd=...)"
            )
        await self._holding(settled, Amount(may_cost.tokens, may_cost.cost or 0))

    def check_room(self, may_cost: Allowance) -> None:
        """Check that a run that begins could be admitted if nobody else took from its quotas.

        Raises StartError: if it could not, so that to try again later would be in vain.
        """
        for account in self._taken_from():
            asked = (may_cost.tokens, may_cost.cost or 0)
            for limit, asks, unit in zip((account.most_tokens, account.most_cost), asked, UNITS, strict=True):
                if limit is not None and asks > limit:
                    raise StartError(
                        f"the quota {account.quota!r} has {limit:,} {unit} in all, and run {self._first.run_id!r} may "
                        f"cost {asks:,}, so it would never be admitted: lower the Limits of {self._machine}, or give "
                        "the quota more"
                    )

    def _taken_from(self) -> tuple[Account, ...]:
        """Return the accounts that the run takes from.

        Raises StartError: if one cannot be told.
        """
        if self._accounts is None:
            first = self._first
            run = Applicant(
                run_id=first.run_id,
                tenant=first.tenant,
                thread_id=first.thread_id,
                machine=self._machine,
                models=self._models,
            )
            found = [quota.account_of(run) for quota in self._quotas]
            self._accounts = tuple(account for account in found if account is not None)
        return self._accounts

    async def give_back(self) -> None:
        """Settle a run of which nothing was stored, and leave to another of its id what that has."""
        if self._store is None or not self._quotas:
            await self.settle(NOTHING)
            return
        row = await tried(partial(listed, self._store, self._first.run_id))
        if row is None or isinstance(row, Raised):
            await self.settle(NOTHING)
        elif not row.is_driven and row.head.status != "running":  # else it goes on with what is held
            charged = await tried(partial(self._charged, row))
            await self.settle(NOTHING)
            if not isinstance(charged, Raised):  # whatever it is charged later comes on top of that
                await tried(partial(self._holding, charged, NOTHING))
                await self.settle(charged)

    async def _charged(self, row: Listed) -> Amount:
        """Return what a run that is stored was charged."""
        assert self._store is not None
        journal = await loaded(self._store, row.run_id)
        return fold(self._compiled, journal).ledger.settled

    async def _holding(self, settled: Amount, may_cost: Amount) -> None:
        await self._holdings.hold(self._id, self._taken_from(), settled=settled, may_cost=may_cost)

    async def settle(self, settled: Amount) -> None:
        """Free what is held and was not charged, whatever cancels. Holdings that fail are logged.

        Raises asyncio.CancelledError: if the caller cancelled meanwhile.
        """
        if not self._quotas:
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
        await self._holdings.settle(self._id, self._taken_from(), settled=settled)

    def charge_late(self, settled: Amount, late: Amount) -> None:
        """Charge what a call turned out to have used after the end of the run.

        Args:
            settled: what the run was charged by its end.
        """
        self._late += late
        settling = partial(self._settling, settled + self._late)
        aside(settling, f"the quotas of run {self._first.run_id} could not be charged")
