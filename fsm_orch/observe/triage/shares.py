"""Shares of counts with their intervals, and tables that hold no more rows than they may."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from msgspec import Struct

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_Z = 1.959963984540054
"""Of 95 %: the quantile of the normal distribution at 0.975."""
MOST_ROWS = 10_000


class Interval(Struct, frozen=True):
    """A share, and between what it lies with a confidence of 95 %."""

    count: int
    of: int
    rate: float
    low: float
    high: float


def wilson(count: int, of: int) -> Interval:
    """Return a share with its score interval of 95 %, which holds for small counts and for shares near 0 or 1 too.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), 209-212.

    Args:
        count: from 0 to `of`.
        of: the whole; if it is 0 nothing is known, and the interval is from 0 to 1.
    """
    if not of:
        return Interval(0, 0, 0.0, 0.0, 1.0)
    rate, square = count / of, _Z * _Z
    middle = rate + square / (2 * of)
    reach = _Z * math.sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    whole = 1 + square / of
    # at both ends it is exact, which a float misses by a hair
    low = 0.0 if count == 0 else (middle - reach) / whole
    high = 1.0 if count == of else (middle + reach) / whole
    return Interval(count, of, rate, low, high)


class Rows(dict[K, V], Generic[K, V]):
    """Rows of a table by their keys. What comes when it is full is counted, and kept in no row."""

    def __init__(self, make: Callable[[], V], most: int = MOST_ROWS) -> None:
        super().__init__()
        self._make, self._most = make, most
        self.left_out = 0

    def of(self, key: K) -> V:
        """Return the row of a key, made if it is new."""
        row = self.get(key)
        if row is None:
            row = self._make()
            if len(self) < self._most:
                self[key] = row
            else:
                self.left_out += 1
        return row
