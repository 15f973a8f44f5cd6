"""Contexts that tests look at: a ticket with a property, a method and a computed field, and one derived of it."""

from __future__ import annotations

import functools

from pydantic import computed_field

from fsm_orch.define.context import Context


class Ticket(Context):
    query: str
    invoice: str | None = None
    verified: bool = False
    level: int = 0

    @property
    def is_urgent(self) -> bool:
        return self.level > 3 and self.verified

    def mentions(self, word: str) -> bool:
        return word in self.query

    @computed_field
    def length(self) -> int:
        return len(self.query)


class VipTicket(Ticket):
    manager: str = "none"


class Cached(Context):
    level: int
    invoice: str | None = None

    @functools.cached_property
    def is_high(self) -> bool:
        return self.level > 3
