"""The port of stores, which keep journals, and accounts from which runs of a thread take what they may spend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from ..amounts import NOTHING, Amount
from ..errors import StoreError, TooLittleLeft
from ..kernel.inputs import Input


class Hold(Struct, frozen=True):
    """What an append moves between a run and an account, in the transaction that stores its inputs.

    An account, such as `thread:ID`, is a sum of tokens and micro-dollars: what runs that have ended were charged, and
    what those under way have taken. It begins at nothing, and has no limit of its own; what takes from it says one.
    """

    account: str
    takes: Amount = NOTHING
    """Added to the account."""
    gives: Amount = NOTHING
    """Taken off the account: what an earlier append of the run had taken."""
    most_tokens: int | None = None
    """What the account may come to, in tokens; None: anything, as when a run ends and what it was charged stays."""
    most_cost: int | None = None
    """What the account may come to, in micro-dollars; None: anything."""

    def moved(self, taken: Amount) -> Amount:
        """Return what an account comes to.

        Raises TooLittleLeft: if that is more than it may. To take nothing is not refused, even after an overrun.
        Raises StoreError: if more is given back than was taken.
        """
        if self.gives.beyond(taken) != NOTHING:
            raise StoreError(f"{self.account!r} cannot be given back {self.gives}: {taken} is taken of it")
        after = taken - self.gives + self.takes
        rises = (self.takes.tokens, after.tokens, self.most_tokens), (self.takes.cost, after.cost, self.most_cost)
        for takes, comes_to, most in rises:
            if takes and most is not None and comes_to > most:
                raise TooLittleLeft(f"{self.account!r} has too little left for {self.takes}: {taken} is taken of it")
        return after


class Store(Protocol):
    """A store: it keeps the journal of each run, in order, and what is taken of each account.

    One that has no `charge` keeps journals all the same: only runs of threads with limits are refused on it.
    """

    async def append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        *,
        is_finished: bool = False,
        holds: Sequence[Hold] = (),
    ) -> None:
        """Append inputs to a journal. Once this returns they are kept.

        Appending is idempotent: inputs already stored are skipped, since a caller that was cancelled does not know
        how far it came. Nothing cuts a slow store off: it makes its runs slow, and they do not age meanwhile.

        What this raises ends the run that is being stored, and its caller gets it: an exit or a cancellation, which it
        would take for its own, as a StoreError. It folds nothing, so that what is kept is the beginning of a run that
        can go on, whether or not these inputs are part of it. After an interrupt, such as KeyboardInterrupt, the run is
        landed and its end appended.

        Args:
            run_id: names the journal.
            start: the place of the first of these inputs in it, from 0.
            inputs: what to append, in order.
            is_finished: whether the run ends with them. One that has not may go on at any time, after a crash or when
                a human answers, so a store that forgets keeps it.
            holds: what moves in the same transaction: all of them and the inputs, or nothing. If all inputs are stored
                already, so are the holds, and they are skipped too.

        Raises StoreError: if other inputs are stored there (the run id is taken), or `start` leaves a gap.
        Raises TooLittleLeft: if an account would come to more than a hold says; nothing is stored then.
        """
        ...

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        ...

    async def charge(self, account: str, amount: Amount) -> None:
        """Add to what is taken of an account, whatever it comes to: for usage that is known only after a run's end."""
        ...

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account; nothing if it is not known. It may be another a moment later."""
        ...
