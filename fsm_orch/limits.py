"""Limits of runs and of requests to models. Safe defaults are on: 8 hops, 10,000 tokens, 60 s a run, 10 s a visit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

UNKNOWN_LIMIT = "unknown_limit"
"""The kind of the error of a limit that there is not, in pydantic's words."""

# strict and finite: True is not a number of hops, and a limit of NaN would never be reached
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
MOST_HOPS = 10_000
"""The bounds of every run are known for each number of hops before it starts, so that number has an end."""
Count = Annotated[int, Field(ge=0, strict=True)]


Dollars = Annotated[Decimal, Field(ge=0, le=10**9, allow_inf_nan=False)]


def _is_none(value: object) -> bool:
    return value is None


class Limits(BaseModel):
    """The bounds of one run of a machine, and of all runs of one thread together.

    Raises pydantic.ValidationError: if a number is negative, not finite or not of its type, hops are above 10,000, or
        there is no limit of that name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hops: Annotated[Count, Field(le=MOST_HOPS)] = 8
    """Transitions at most, up to 10,000; the last one is kept for a final state or a landing."""
    tokens: Count = 10_000
    """Input and output tokens at most, settled and reserved together."""
    cost_usd: Dollars | None = None
    """Dollars at most; None: not limited. With a limit, no run starts on a model of unknown price."""
    deadline_s: Seconds = 60.0
    """Seconds that a run may be active; waiting for a human does not count."""
    visit_s: Seconds = 10.0
    """Seconds of one visit, unless its state says `timeout_s`."""
    # left out of digests and journals where they are not said, which are so what they were without them
    thread_tokens: Count | None = Field(default=None, exclude_if=_is_none)
    """Tokens that all runs of a thread may take together; None: not limited. The runner's store keeps what they took.

    A run is moved its own limit, or what is left if that is less; one that cannot pay its first call is landed. Hops,
    visits, calls and policies are those of each run.
    """
    thread_cost_usd: Dollars | None = Field(default=None, exclude_if=_is_none)
    """Dollars that all runs of a thread may take together; None: not limited. A run without `cost_usd` takes all that
    is left until it ends."""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        """Check the names of limits: pydantic refuses one that is unknown, and does not say which there are."""
        unknown = [name for name in given if name not in cls.model_fields] if isinstance(given, dict) else []
        if unknown:
            kind = PydanticCustomError(
                UNKNOWN_LIMIT, "there is no such limit, but {names}", {"names": ", ".join(cls.model_fields)}
            )
            raise ValidationError.from_exception_data(
                cls.__name__, [InitErrorDetails(type=kind, loc=(str(name),), input=None) for name in unknown]
            )
        return given

    # for type checkers alone: pydantic takes dollars as text too, which the signature it derives does not say
    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            hops: int = 8,
            tokens: int = 10_000,
            cost_usd: Decimal | str | None = None,
            deadline_s: float = 60.0,
            visit_s: float = 10.0,
            thread_tokens: int | None = None,
            thread_cost_usd: Decimal | str | None = None,
        ) -> None: ...

    @property
    def cost_micros(self) -> int | None:
        """The value of `cost_usd` in whole micro-dollars; None: not limited."""
        return _micros(self.cost_usd)

    @property
    def thread_cost_micros(self) -> int | None:
        """The value of `thread_cost_usd` in whole micro-dollars; None: not limited."""
        return _micros(self.thread_cost_usd)

    @property
    def has_thread(self) -> bool:
        """Whether the runs of a thread are limited together."""
        return self.thread_tokens is not None or self.thread_cost_usd is not None


def _micros(dollars: Decimal | None) -> int | None:
    # down, as costs are rounded up: charges within this number are within the dollars that were declared
    return None if dollars is None else int(Fraction(dollars) * 1_000_000)


class CallLimits(BaseModel):
    """The bounds of one request to a model.

    Raises pydantic.ValidationError: if a number is negative or not an integer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_input_tokens: Count = 2_048
    """Tokens of the request at most, by the upper bound that its model counts."""
    max_output_tokens: Count = 256
    """Tokens of the reply at most: the cap that is sent to the provider."""
