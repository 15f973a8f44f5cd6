"""The assumptions under which the bounds of a certificate hold, as the sentences that are printed with it.

They are part of the certificate, so a certificate made under other sentences is refused.
"""

from __future__ import annotations

from collections.abc import Iterable

_ALWAYS = (
    "providers keep their output caps, and report honest usage",
    "the bound of a call's input tokens covers the provider's template",
    "agents and tools call models only through the metered model of their visit",
    "guards are pure: what they answer depends on the context alone",
    "agents stop promptly when cancelled; sync functions cannot be cancelled, and return while visit and run have time",
    "observers answer promptly; waiting for a store is not counted",
    "the models and prices are those named here",
)

_OF_PARTS = "a visit of {!r} runs each of its parts at most once, on a share no larger than the part's bound"


def assumed(with_parts: Iterable[str]) -> tuple[str, ...]:
    """Return the assumptions of a certificate, one sentence each, always in the same order.

    Args:
        with_parts: the names of the states whose visits run machines inside them.
    """
    return (*_ALWAYS, *(_OF_PARTS.format(state) for state in sorted(with_parts)))
