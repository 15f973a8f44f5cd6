"""Two measurements of the same queries beside each other: which routes better, and how sure that is.

Only the queries on which they disagree say which is better, so a pair of measurements of the same queries tells more
than two measurements of different ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ..observe.triage.shares import wilson
from .routes import verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one measurement made of a query."""

    text: str
    expected: str
    reached: str
    is_right: bool
    tokens: int
    cost: int
    """Micro-dollars; 0 where a price is unknown."""
    path: tuple[str, ...] = ()
    """The states that it entered, up to the label that it reached; empty where nobody has noted them."""

    def by(self, labels: Collection[str]) -> Outcome:
        """Return it as it is judged by other labels, among which are all that it was measured with.

        Args:
            labels: names of states.
        """
        reached = next((state for state in self.path if state in labels), self.reached)
        return replace(self, reached=reached, is_right=verdict(self.expected, reached, labels) == "right")


@dataclass(frozen=True, slots=True)
class Pair:
    """A query, as it went before and as it goes now."""

    before: Outcome
    now: Outcome

    @property
    def is_same(self) -> bool:
        """Whether it reached the same state."""
        return self.before.reached == self.now.reached


@dataclass(frozen=True, slots=True)
class Paired:
    """All queries that both have measured."""

    pairs: tuple[Pair, ...]
    unpaired: int
    """Queries that only one of them has."""

    @property
    def gained(self) -> int:
        """Queries that are right now, and were wrong."""
        return sum(pair.now.is_right and not pair.before.is_right for pair in self.pairs)

    @property
    def lost(self) -> int:
        """Queries that are wrong now, and were right."""
        return sum(pair.before.is_right and not pair.now.is_right for pair in self.pairs)

    @property
    def p_value(self) -> float:
        """How likely such a difference, or a larger one, is if both are equally good: `exact_p`."""
        return exact_p(self.gained, self.lost)

    @property
    def difference(self) -> tuple[float, float, float]:
        """By how much more of the queries are right now, from -1 to 1, with the interval of 95 %: `interval`."""
        right = sum(pair.now.is_right and pair.before.is_right for pair in self.pairs)
        return interval(right, self.gained, self.lost, len(self.pairs))


def paired(before: Sequence[Outcome], now: Sequence[Outcome]) -> Paired:
    """Return the queries that both have, in the order of the second. The same query several times is paired in turn."""
    waiting = defaultdict[tuple[str, str], list[Outcome]](list)
    for one in reversed(before):
        waiting[one.text, one.expected].append(one)
    pairs = [Pair(found.pop(), one) for one in now if (found := waiting[one.text, one.expected])]
    return Paired(tuple(pairs), len(before) + len(now) - 2 * len(pairs))


def exact_p(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test, which holds for small counts too; 1 if nothing differs.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), 153-157; exact, by the binomial distribution with one half.

    Args:
        gained, lost: queries on which only one of the two is right.
    """
    of = gained + lost
    tail = sum(math.comb(of, count) for count in range(min(gained, lost) + 1))
    # in whole numbers: of thousands of queries the powers are beyond every float, their ratio is not
    return min(1.0, float(Fraction(2 * tail, 1 << of)))


def interval(right: int, gained: int, lost: int, of: int) -> tuple[float, float, float]:
    """Return the difference of two paired shares, and the lower and upper bound of its interval of 95 %.

    Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998), 2635-2650, method 10.

    Args:
        right: queries on which both are right.
        gained, lost: queries on which only the second, or only the first, is right.
        of: all queries; if there is none nothing is known, and the interval is from -1 to 1.
    """
    if not of:
        return 0.0, -1.0, 1.0
    neither = of - right - gained - lost
    now, before = wilson(right + gained, of), wilson(right + lost, of)
    product = (right + gained) * (lost + neither) * (right + lost) * (gained + neither)
    excess: float = right * neither - gained * lost
    excess = max(excess - of / 2, 0) if excess > 0 else excess
    together = excess / math.sqrt(product) if product else 0.0
    below = _reach(now.rate - now.low, before.high - before.rate, together)
    above = _reach(now.high - now.rate, before.rate - before.low, together)
    change = (gained - lost) / of
    return change, max(-1.0, change - below), min(1.0, change + above)


def _reach(one: float, other: float, together: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * together * one * other + other * other))
