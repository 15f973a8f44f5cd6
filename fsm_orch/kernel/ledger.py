"""The ledger: what a run has spent and holds, in exact integers, reserved before they are spent."""

from __future__ import annotations

from typing import NamedTuple

from ..amounts import NOTHING, Allowance, Amount
from ..errors import LedgerError


class Ledger(NamedTuple):
    """What a run has spent and holds, against what it may.

    The invariant (T3), kept by every method: `settled - overrun + reserved` is covered by `limit`.
    """

    limit: Allowance
    settled: Amount = NOTHING
    reserved: Amount = NOTHING
    overrun: Amount = NOTHING
    """How far settled calls went beyond their reservations, in what is limited; charged in `settled` too."""

    @property
    def held(self) -> Amount:
        """Settled and reserved together."""
        return self.settled + self.reserved

    @property
    def remaining(self) -> int:
        """Tokens that are neither settled nor reserved; 0 after an overrun of the limit."""
        return max(0, self.limit.tokens - self.settled.tokens - self.reserved.tokens)

    @property
    def is_sound(self) -> bool:
        """Tell whether the invariant holds."""
        return self.limit.covers(self.held - self.overrun)

    def affords(self, *amounts: Amount, instead_of: Amount = NOTHING) -> bool:
        """Tell whether amounts could be reserved, all of them together.

        Args:
            instead_of: a reservation that would be given back for them.
        """
        return self.limit.covers(self.settled, self.reserved - instead_of, *amounts)

    def reserve(self, amount: Amount, *, instead_of: Amount = NOTHING) -> Ledger:
        """Hold an amount.

        Args:
            instead_of: a reservation that is given back for it.

        Raises LedgerError: if it is not affordable, or so much is not reserved.
        """
        if not self.affords(amount, instead_of=instead_of):
            raise LedgerError(f"Cannot reserve {amount}: {self.held} of {self.limit} is taken")
        return self._replace(reserved=self.reserved - instead_of + amount)

    def release(self, held: Amount) -> Ledger:
        """Give back a reservation of which nothing was spent.

        Raises LedgerError: if so much is not reserved.
        """
        return self if held is NOTHING else self._replace(reserved=self.reserved - held)

    def settle(self, held: Amount, used: Amount) -> Ledger:
        """Charge what a reservation really cost; what goes beyond it is charged as overrun, never clamped.

        Raises LedgerError: if `held` is not reserved.
        """
        beyond = used.beyond(held)
        return self._replace(
            reserved=self.reserved - held,
            settled=self.settled + used,
            overrun=self.overrun + (Amount(beyond.tokens) if self.limit.cost is None else beyond),
        )

    def split(self, share: Amount, *, instead_of: Amount = NOTHING) -> tuple[Ledger, Ledger]:
        """Move a share into a child ledger; returns (parent, child).

        A child's money is limited exactly when its parent's is.

        Args:
            instead_of: a reservation that is given back for it.

        Raises LedgerError: if the share is not affordable.
        """
        cost = None if self.limit.cost is None else share.cost
        return self.reserve(share, instead_of=instead_of), Ledger(Allowance(share.tokens, cost))

    def merge(self, share: Amount, child: Ledger) -> Ledger:
        """Take back a child: what it settled is charged, the rest of its share is free again.

        Raises LedgerError: if the child still holds reservations, or the share was not split off.
        """
        if child.reserved != NOTHING:
            raise LedgerError(f"Cannot merge a child that still reserves {child.reserved}: settle its calls first")
        return self.settle(share, child.settled)
