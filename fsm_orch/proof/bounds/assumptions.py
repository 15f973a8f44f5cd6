"""The assumptions under which the bounds of a certificate hold, as the sentences that are printed with it.

They are part of the certificate, so a certificate made under other sentences is refused.
"""

from __future__ import annotations

_ALWAYS = (
    "providers keep their output caps, and report honest usage",
    "the bound of a call's input tokens covers the provider's template",
    "agents and tools call models only through the metered model of their visit",
    "guards are pure: what they answer depends on the context alone",
    "agents stop promptly when cancelled; sync functions cannot be cancelled, and return while visit and run have time",
    "observers answer promptly; waiting for a store is not counted",
    "an agent that is not available only closes handoffs; what some run can do is said with all agents available",
    "the models and prices are those named here",
)

_OF_PARTS = "machines that run inside others are run by this library, each within the limits that it declares"


def assumed(*, is_whole: bool) -> tuple[str, ...]:
    """Return the assumptions of a certificate, one sentence each, always in the same order.

    Args:
        is_whole: whether some visit runs a machine inside it.
    """
    return (*_ALWAYS, _OF_PARTS) if is_whole else _ALWAYS
