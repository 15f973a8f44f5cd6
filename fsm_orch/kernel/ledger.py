"""The ledger: what a run has spent and holds, in exact integers, reserved before they are spent."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ..amounts import NOTHING, Allowance, Amount
from ..errors import LedgerError


class Ledger(Struct, frozen=True, gc=False):
    """What a run has spent and holds, against what it may.

    The invariant (T3), kept by every method: `settled - overrun + reserved` is covered by `limit`.
    """

    limit: Allowance
    settled: Amount = NOTHING
    reserved: Amount = NOTHING
    overrun: Amount = NOTHING
    """How far calls went beyond what they had reserved, charged in `settled` too. Cost counts only if it is limited."""

    @property
    def held(self) -> Amount:
        """Settled and reserved together."""
        return self.settled + self.reserved

    @property
    def remaining(self) -> int:
        """Tokens that are neither settled nor reserved; 0 after an overrun of the limit."""
        left = self.limit.tokens - self.settled.tokens - self.reserved.tokens
        return left if left > 0 else 0

    def affords(self, amount: Amount, *, beside: Amount = NOTHING, instead_of: Amount = NOTHING) -> bool:
        """Return whether an amount could be reserved.

        Args:
            beside: what would be reserved too.
            instead_of: a reservation that would be released in the same step.
        """
        # summed by hand: this is asked several times a hop, and every `Amount` in between would be made and dropped
        limit, settled, reserved = self.limit, self.settled, self.reserved
        if settled.tokens + reserved.tokens - instead_of.tokens + beside.tokens + amount.tokens > limit.tokens:
            return False
        if limit.cost is None:
            return True
        return settled.cost + reserved.cost - instead_of.cost + beside.cost + amount.cost <= limit.cost

    def reserve(self, amount: Amount, *, instead_of: Amount = NOTHING) -> Ledger:
        """Reserve an amount.

        Args:
            instead_of: a reservation that is released in the same step.

        Raises LedgerError: if the amount is not affordable, or `instead_of` is more than is reserved.
        """
        if not self.affords(amount, instead_of=instead_of):
            raise LedgerError(f"Cannot reserve {amount}: {self.held} of {self.limit} is taken")
        tokens, cost = self.reserved.tokens - instead_of.tokens, self.reserved.cost - instead_of.cost
        if tokens < 0 or cost < 0:
            raise LedgerError(f"Cannot release {instead_of}: {self.reserved} is reserved")
        return replace(self, reserved=Amount(tokens + amount.tokens, cost + amount.cost))

    def release(self, held: Amount) -> Ledger:
        """Release a reservation of which nothing was spent.

        Raises LedgerError: if so much is not reserved.
        """
        return self if held is NOTHING else replace(self, reserved=self.reserved - held)

    def settle(self, held: Amount, used: Amount) -> Ledger:
        """Charge what a reservation really cost. What goes beyond it is charged too, and counted as overrun.

        Raises LedgerError: if `held` is not reserved.
        """
        # never clamped to what was held: the books must say what the provider bills, even if it broke its bound
        beyond = used.beyond(held)
        settled = replace(self, reserved=self.reserved - held, settled=self.settled + used)
        return settled if beyond is NOTHING else replace(settled, overrun=self.overrun + self._limited(beyond))

    def overspend(self, beyond: Amount) -> Ledger:
        """Charge what came to be known only after its reservation had been charged in full; all of it is overrun."""
        return replace(self, settled=self.settled + beyond, overrun=self.overrun + self._limited(beyond))

    def _limited(self, beyond: Amount) -> Amount:
        # tokens alone where money has no limit: a dear call breaks no promise there, and must not land the run
        return Amount(beyond.tokens) if self.limit.cost is None else beyond

    def split(self, share: Amount, *, is_cost_limited: bool = False) -> tuple[Ledger, Ledger]:
        """Move a share into a child ledger. Return (parent, child).

        Args:
            is_cost_limited: whether the child's money is limited even if its parent's is not.

        Raises LedgerError: if the share is not affordable.
        """
        # moved, never copied: reserved in the parent for as long as the child may spend it
        cost = share.cost if is_cost_limited or self.limit.cost is not None else None
        return self.reserve(share), Ledger(Allowance(share.tokens, cost))

    def merge(self, share: Amount, child: Ledger) -> Ledger:
        """Take back a child's ledger: charge what it settled, and free the rest of its share.

        Raises LedgerError: if the child still holds reservations, or the share was not split off.
        """
        # what it still reserves may yet be billed; freeing it here would lose it from both ledgers
        if child.reserved != NOTHING:
            raise LedgerError(f"Cannot merge a child that still reserves {child.reserved}: settle its calls first")
        return self.settle(share, child.settled)
