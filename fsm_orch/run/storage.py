"""What a store keeps of one run: what is new in its journal is appended in order, one append at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..amounts import Amount
from ..errors import StoreError
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..store.base import Store
from ..store.values import Hold, PaidResponse
from .account import account_of, given_back
from .aside import aside
from .head import head_of
from .paid import Paid
from .raised import Raised, tried
from .redaction import Redaction


class Storage:
    """The storage of one run.

    Args:
        first: the first input of the run.
        kept: how many inputs the store has.
        now: where they lead; None: the store has none.
        epoch: of the claim under which the run is driven.
        responses: what the store has kept of the visits under way.
        redacted: the names of the fields that are not kept.
    """

    def __init__(
        self,
        store: Store,
        compiled: CompiledMachine,
        first: Input,
        *,
        kept: int,
        now: Configuration | None,
        epoch: int,
        responses: Sequence[PaidResponse],
        redacted: frozenset[str],
    ) -> None:
        self.store = store
        self.kept = kept
        """How many inputs of the journal are stored."""
        self.paid = Paid(responses)
        """What models have answered to attempts that are not over."""
        self.account = account_of(first) if isinstance(first, inputs.Started) else None
        """What it takes of; None: of no thread with limits."""
        self.writing = asyncio.Lock()
        """Held from when it is asked what is new until that is stored."""
        self._compiled, self._epoch = compiled, epoch
        self._redaction = Redaction(compiled, redacted, now) if redacted else None
        self._appending: asyncio.Future[Any] | None = None

    async def settled(self) -> None:
        """Wait for an append that a flush has left under way, since it was cancelled."""
        # only waited for, not believed: the same inputs are appended again, and a store skips what it keeps
        if self._appending is not None:
            await asyncio.wait({self._appending})

    async def append(self, new: tuple[Input, ...], now: Configuration) -> BaseException | None:
        """Append what follows on the inputs that are stored; that goes on if this is cancelled.

        Args:
            now: where it leads.

        Return what the store raised, or that it would be folded to another place without what is redacted.
        """
        redaction = self._redaction
        try:
            stored = new if redaction is None else redaction.stored(new, now)
        except StoreError as error:
            return error
        paid = () if redaction else self.paid.responses()  # which may say what is redacted
        if (failure := await self._appended(stored, paid, now)) is not None:
            return failure
        self.paid.note_stored(paid)
        self.kept += len(new)
        if redaction is not None:
            redaction.has_stored()
        return None

    async def _appended(
        self, new: Sequence[Input], paid: Sequence[PaidResponse], now: Configuration
    ) -> BaseException | None:
        head, holds = head_of(self._compiled, now), self._holds(now)
        try:
            begun = self.store.append(
                *(now.run_id, self.kept, new), head=head, epoch=self._epoch, responses=paid, holds=holds
            )
            if isinstance(begun, asyncio.Future):
                self._appending = begun
                await begun
                self._appending = None
                return None
        except asyncio.CancelledError:  # it is left under way
            raise
        except BaseException as error:
            self._appending = None
            return error
        self._appending = appending = asyncio.ensure_future(tried(lambda: begun))
        # shielded: cut off in the middle, a store could not say what it has kept, and the end of the run would have to
        # be appended at an unknown place
        came = await asyncio.shield(appending)
        self._appending = None
        return came.error if isinstance(came, Raised) else None

    def _holds(self, then: Configuration) -> tuple[Hold, ...]:
        """Return what moves in the append with which a run comes to a configuration."""
        return () if self.account is None or then.status != "finished" else (given_back(self.account, then),)

    def charge(self, amount: Amount) -> None:
        """Charge to the account what a call turned out to have used after the end of the run."""
        if self.account is not None:
            aside(partial(self.store.charge, self.account, amount), f"{self.account} could not be charged")
