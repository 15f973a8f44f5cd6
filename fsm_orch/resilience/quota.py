"""Quotas: what all runs of one tenant, or of any other key, may cost together in a window of time."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from msgspec import Struct

from ..define.options import positive, whole
from ..errors import StartError
from .base import Account

_LONGEST = 500
"""Characters of a key: databases have it in an index, and messages show it."""


class Applicant(Struct, frozen=True, kw_only=True):
    """A run that asks to be admitted, as the key of a quota sees it."""

    run_id: str
    tenant: str | None = None
    thread_id: str | None = None
    machine: str
    """The name of its machine."""
    models: tuple[str, ...] = ()
    """The names of the models that it may call, in machines inside too."""


def tenant_of(run: Applicant) -> str:
    """Return the tenant of a run; the runs that have none are one, of no name."""
    return run.tenant or ""


class Quota:
    """What the runs of one key may cost together in a window: `Quota(tokens=1_000_000, per_s=3600)` an hour and tenant.

    What a run may still cost is held while it is driven, and what it was not charged is given back when it ends or
    waits for a human. So the sum of a window never passes the quota, however many runs are under way; overruns apart. A
    run counts in the window in which it was admitted. Windows are fixed: one ends whenever the seconds of the epoch are
    a multiple of `per_s`.

    >>> Quota(cost_usd="5.00", per_s=86_400, key=lambda run: run.models[0], name="model a day").cost_micros
    5000000

    Args:
        tokens: input and output tokens of a window at most; None: not limited.
        cost_usd: dollars of a window at most; None: not limited. Runs must have a `cost_usd` of their own then.
        per_s: seconds of a window.
        key: returns whose quota a run takes from, in 500 characters at most, or None: from nobody's. By default its
            tenant's; all runs without a tenant take from one. `lambda run: run.tenant` counts tenants alone.
        name: names the quota in messages, and tells it from others of a runner.

    Raises ValueError: if it limits nothing, a number is negative or none, or the name is empty or holds a colon.
    Raises TypeError: if `key` cannot be called, `per_s` is no number, or `tokens` no whole one.
    """

    def __init__(
        self,
        *,
        tokens: int | None = None,
        cost_usd: Decimal | str | int | None = None,
        per_s: float = 3600.0,
        key: Callable[[Applicant], str | None] = tenant_of,
        name: str = "quota",
    ) -> None:
        if tokens is None and cost_usd is None:
            raise ValueError("a quota limits tokens or money: Quota(tokens=1_000_000), or Quota(cost_usd='5.00')")
        if tokens is not None:
            whole("tokens= of a Quota", tokens, least=0)
        self.per_s = positive("per_s= of a Quota", per_s)
        if not name or ":" in name:
            raise ValueError(f"the name of a quota is a text without a colon, not {name!r}")
        if not callable(key):
            raise TypeError(f"key= takes a function of a run, not a {type(key).__name__}: key=lambda run: run.tenant")
        self.tokens, self.cost_micros = tokens, None if cost_usd is None else _micros(cost_usd)
        self.name = name
        self._key = key

    def account_of(self, run: Applicant) -> Account | None:
        """Return the account that a run takes from; None if it is not counted.

        Raises StartError: if the key cannot be told, or is no text.
        """
        try:
            key = self._key(run)
        except Exception as error:
            raise StartError(
                f"the key of the quota {self.name!r} cannot be told for run {run.run_id!r}: its function raised "
                f"{type(error).__name__}. Nothing was done for the run"
            ) from error
        if key is None:
            return None
        if not _is_text(key):
            raise StartError(
                f"the key of the quota {self.name!r} is text of at most {_LONGEST:,} characters that UTF-8 can encode, "
                f"or None for a run that is not counted, and its function returned a {type(key).__name__} for run "
                f"{run.run_id!r} that is neither"
            )
        return Account(self.name, str(key), self.per_s, self.tokens, self.cost_micros)


def _micros(cost_usd: Any) -> int:
    # down, as costs are rounded up
    try:
        if isinstance(cost_usd, bool | float):  # not exact
            raise TypeError
        micros = int(Fraction(Decimal(cost_usd)) * 1_000_000)
    except (InvalidOperation, ValueError, OverflowError, TypeError):
        raise ValueError(
            f"the dollars of a quota are an exact number, not {cost_usd!r}: Quota(cost_usd='5.00')"
        ) from None
    if micros < 0:
        raise ValueError(f"the dollars of a quota are a number from 0 up, not {cost_usd!r}")
    return micros


def _is_text(key: object) -> bool:
    try:
        return isinstance(key, str) and len(key) <= _LONGEST and (key.isascii() or bool(key.encode()))
    except UnicodeEncodeError:
        return False
