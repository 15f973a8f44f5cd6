"""The assumptions under which the bounds of a certificate hold, as the sentences that are printed with it.

They are part of the certificate, so a certificate made under other sentences is refused.
"""

from __future__ import annotations

ASSUMPTIONS = (
    "providers keep their output caps, and report honest usage",
    "the bound of a call's input tokens covers the provider's template",
    "agents and tools call models only through the metered model of their visit",
    "agents stop promptly when cancelled; sync functions cannot be cancelled, and return while visit and run have time",
    "observers answer promptly; waiting for a store is not counted",
    "the models and prices are those named here",
)
