"""Amounts: tokens and micro-dollars as exact integers, what tokens cost, and what requests used.

Nothing here knows a machine or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, TypeGuard

from msgspec import Meta, Struct

from .errors import LedgerError

Count = Annotated[int, Meta(ge=0)]
"""An exact number of something; checked where it is read from JSON."""


class Amount(Struct, frozen=True, gc=False):
    """Tokens and micro-dollars, both exact and never negative.

    Raises LedgerError: if a part would be negative.
    """

    # integers, not floats: sums stay exact, and no NaN can pass a comparison with a limit
    tokens: int = 0
    cost: int = 0
    """Micro-dollars."""

    def __post_init__(self) -> None:
        if self.tokens < 0 or self.cost < 0:
            raise LedgerError(f"{self!r} is negative: more was taken out than had been put in")

    def __add__(self, other: Amount) -> Amount:
        if other is NOTHING:  # most visits hold nothing, and every hop adds up several times
            return self
        if self is NOTHING:
            return other
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        if other is NOTHING:
            return self
        return Amount(self.tokens - other.tokens, self.cost - other.cost)

    def __mul__(self, times: int) -> Amount:
        return Amount(self.tokens * times, self.cost * times)

    def beyond(self, other: Amount) -> Amount:
        """Return by how much this exceeds `other`, part by part; 0 where it does not."""
        if self.tokens <= other.tokens and self.cost <= other.cost:
            return NOTHING
        return Amount(max(0, self.tokens - other.tokens), max(0, self.cost - other.cost))


NOTHING = Amount()


class Allowance(Struct, frozen=True, gc=False):
    """The most that may be spent. Tokens are always limited; money need not be."""

    tokens: int
    cost: int | None = None
    """Micro-dollars; None: not limited."""

    def covers(self, amount: Amount) -> bool:
        """Return whether an amount is no more than this."""
        return amount.tokens <= self.tokens and (self.cost is None or amount.cost <= self.cost)


Exact = Fraction | Decimal | int | str
"""What an exact number of dollars may be given as."""


def _exact(name: str, given: object) -> Fraction:
    if isinstance(given, bool) or not isinstance(given, Fraction | Decimal | int | str):
        raise TypeError(f"the {name} of a price is exact, not a {type(given).__name__}: Price('0.25', '2.00')")
    try:
        return Fraction(given)
    except (ValueError, ArithmeticError):  # a Decimal that is not finite raises either
        raise ValueError(f"the {name} of a price is no finite number: Price('0.25', '2.00')") from None


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens, which is the same number as micro-dollars per token: `Price("0.25", "2.00")`.

    Each is an exact number: a text, an integer, a Decimal or a Fraction.

    Raises TypeError: if one is something else, such as a float, which is not exact.
    Raises ValueError: if one is negative or no number, or input from a cache costs more than other input, whose price
        every bound is made of.
    """

    input: Fraction
    output: Fraction
    cached_input: Fraction | None = None
    """Of input that was read from the provider's cache; None: the same as of other input."""

    # for type checkers alone, which would take nothing but fractions
    if TYPE_CHECKING:

        def __init__(self, input: Exact, output: Exact, cached_input: Exact | None = None) -> None: ...

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_input"):
            given = getattr(self, name)
            if type(given) is not Fraction and (given is not None or name != "cached_input"):
                object.__setattr__(self, name, _exact(name, given))
        if min(self.input, self.output, self.cached_input or 0) < 0:
            raise ValueError(f"{self!r} is negative: give dollars per million tokens, 0 or more")
        if self.cached_input is not None and self.cached_input > self.input:
            raise ValueError(f"cached_input is {self.cached_input}, more than input, {self.input}: raise that to it")

    def amount(self, input_tokens: int, output_tokens: int, *, cached_input_tokens: int = 0) -> Amount:
        """Return the tokens of a call and its cost, rounded up to whole micro-dollars.

        Args:
            cached_input_tokens: those of the input that were read from a cache.
        """
        if self is FREE:  # the same answer without exact fractions, which are slow
            return Amount(input_tokens + output_tokens)
        exact = input_tokens * self.input + output_tokens * self.output
        if cached_input_tokens and self.cached_input is not None:
            exact -= cached_input_tokens * (self.input - self.cached_input)
        # up, never to the nearest: many calls, each a little undercounted, would exceed a cost limit
        return Amount(input_tokens + output_tokens, -(-exact.numerator // exact.denominator))

    def of(self, model: str | None) -> Price:  # noqa: ARG002
        """Return what a model costs: this, for there is one."""
        return self


FREE = Price(Fraction(0), Fraction(0))


@dataclass(frozen=True, slots=True)
class Dearest(Price):
    """The dearest price of each side of several models, one of which is asked; and what each of them costs."""

    each: tuple[tuple[str, Price], ...] = ()
    """By the names of the models."""

    if TYPE_CHECKING:

        def __init__(
            self,
            input: Exact,
            output: Exact,
            cached_input: Exact | None = None,
            each: tuple[tuple[str, Price], ...] = (),
        ) -> None: ...

    def of(self, model: str | None) -> Price:
        """Return what a model costs; of one that is not among them, or not known, the dearest of each side."""
        return next((price for name, price in self.each if name == model), self)


def dearest(prices: Mapping[str, Price]) -> Price:
    """Return the dearest price of each side of several models.

    Args:
        prices: one or more, by the name of the model.
    """
    if all(price == FREE for price in prices.values()):
        return FREE
    each = prices.values()
    cached = [price.input if price.cached_input is None else price.cached_input for price in each]
    sides = max(price.input for price in each), max(price.output for price in each), max(cached)
    return Dearest(*sides, each=tuple(prices.items()))


class Usage(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What requests used; counts are exact and never negative."""

    requests: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_input_tokens: Count = 0
    """Those of the input tokens that a provider read from its cache."""

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
        )


MOST_TOKENS = 10**12
"""More than any request has. A larger count is a mistake, and sums of it would not fit into the JSON of a journal."""


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value is a number of tokens: a plain integer from 0 up, and not absurdly large."""
    # not isinstance: True is an int too, and would count as one token
    return type(value) is int and 0 <= value <= MOST_TOKENS


def trusted_usage(input_tokens: Any, output_tokens: Any, cached_input_tokens: Any = 0) -> Usage | None:
    """Return a provider's counts as usage if both are numbers of tokens, else None.

    SDK responses are built without validation, so a count may be a string, a bool or negative. Tokens from a cache that
    are no such count, or more than the whole input, count as none: then the whole input costs its full price.
    """
    # each by itself: a negative count beside a large one would add up to something plausible
    if not (is_count(input_tokens) and is_count(output_tokens)):
        return None
    is_cached = is_count(cached_input_tokens) and cached_input_tokens <= input_tokens
    return Usage(
        requests=1,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=cached_input_tokens if is_cached else 0,
    )


def believed(reported: object) -> Usage | None:
    """Return what a model reports as the usage of one request; None if that is unknown, or no usage at all."""
    if not isinstance(reported, Usage):
        return None
    return trusted_usage(reported.input_tokens, reported.output_tokens, reported.cached_input_tokens)


def dollars(micros: int) -> str:
    """Write micro-dollars as dollars, exactly: `$0.00001`."""
    return f"${Decimal(micros) / 1_000_000:f}"


def padded_dollars(micros: int) -> str:
    """Write micro-dollars as dollars with all six digits, so that a column of them lines up: `$0.000010`."""
    return f"${Decimal(micros) / 1_000_000:.6f}"


def in_words(amount: Amount | Allowance, limit: Allowance) -> str:
    """Write an amount in tokens, and in dollars too where money is limited: `2,304 tokens and $0.05`."""
    money = "" if limit.cost is None else f" and {dollars(amount.cost or 0)}"
    return f"{amount.tokens:,} tokens{money}"
