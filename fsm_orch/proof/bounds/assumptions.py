"""What the bounds of a certificate hold under, in the sentences that it is printed with."""

from __future__ import annotations

from collections.abc import Iterable

_ALWAYS = (
    "providers keep their output caps, and report honest usage",
    "the bound of a call's input tokens covers the provider's template",
    "agents and tools reach models through their metered one alone",
    "agents end at once when cancelled; sync functions, which cannot be, return in the time left to visit and run",
    "stores and observers answer at once",
    "the models and prices are those named here",
)

_OF_PARTS = "a visit of {!r} runs each of its parts at most once, on a share no larger than the part's bound"


def assumed(with_parts: Iterable[str]) -> tuple[str, ...]:
    """Give them.

    Args:
        with_parts: the states whose visits run machines inside them.
    """
    return (*_ALWAYS, *(_OF_PARTS.format(state) for state in sorted(with_parts)))
