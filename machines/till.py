"""A till: what orders cost, and what was paid back for them, once each.

It is the world, of which a journal holds nothing. Put your own in its place. It pays under the key of the use that
asks, so a use that is tried again pays nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Payment(NamedTuple):
    """What was paid back for an order, and why, under the key of the use that paid it."""

    cents: int
    reason: str
    key: str


@dataclass(frozen=True)
class Till:
    """The orders, each with its price in cents, and the payments, by their orders."""

    orders: Mapping[int, int]
    paid: dict[int, Payment] = field(default_factory=dict)

    def pay(self, order: int, payment: Payment) -> bool:
        """Pay an order back, unless that was done; return whether it is paid under this key."""
        return self.paid.setdefault(order, payment).key == payment.key
