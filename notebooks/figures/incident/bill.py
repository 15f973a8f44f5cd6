"""What a request took: its calls, their tokens, and the dollars of a day that has nothing but such requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal, NamedTuple

from fsm_orch.models import Price
from fsm_orch.models.openai import ResponsesModel

from .story import REQUESTS_A_DAY

MODEL = "gpt-4o-mini"
WINDOW = 128_000
"""The most tokens that a request to the model may have."""

End = Literal["an answer", "default answer", "an error"]


class Call(NamedTuple):
    """One request to a model."""

    agent: str
    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """All that it costs."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Bill:
    """What one request of a customer took, and what the customer got for it."""

    calls: Sequence[Call]
    end: End
    reason: str = ""
    """Why it ended, where it was cut off."""

    @property
    def tokens(self) -> int:
        """Of all calls."""
        return sum(call.tokens for call in self.calls)

    @property
    def usd(self) -> Fraction:
        """At the list price, exact."""
        rate = price()
        millionths = (call.input_tokens * rate.input + call.output_tokens * rate.output for call in self.calls)
        return sum(millionths, Fraction()) / 1_000_000

    @property
    def usd_a_day(self) -> Fraction:
        """If every request of a day were like this one."""
        return self.usd * REQUESTS_A_DAY


@cache
def price() -> Price:
    """Return the list price of the model, from the table inside `genai_prices`.

    Raises LookupError: if the table does not know the model.
    """
    found = ResponsesModel(MODEL, api_key="none").price
    if found is None:
        raise LookupError(f"genai_prices has no price for {MODEL}: install a version that does")
    return found
