"""Why a reply is refused, an attempt fails, a call is denied, or a run lands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

RefusalReason = Literal[
    # the reply could not be read
    "not_json",
    "trailing_text",
    "duplicate_key",
    "truncated",
    "two_decisions",
    "model_refusal",
    # it could be read, and is not a decision
    "missing_field",
    "unknown_field",
    "wrong_type",
    "undeclared_write",
    "no_handoff",
    "unknown_handoff",
    # it is a decision, and not legal now
    "guard",
    "visits",
    "hops",
    "budget",
    "deadline",
]


FailureReason = Literal["error", "timeout", "denied"]


DenialReason = Literal[
    "repeated",  # another call of the visit was denied before
    "calls",
    "call_limits",
    "budget",
    "deadline",  # the run's, or the end of the visit's time
]


LandingReason = Literal[
    "no_handoff",  # nothing was legal, or no guard held
    "visits",  # the handoff that was chosen led where no visit, hop or money was left for
    "hops",
    "budget",
    "refusal",  # a reply was refused for another reason, and not repaired
    "failure",  # an agent raised
    "denied",  # an agent was denied a call
    "timeout",  # a visit took too long
    "deadline",
    "overrun",
    "cancelled",
]


LANDS_AS: Mapping[RefusalReason, LandingReason] = {
    "visits": "visits",
    "hops": "hops",
    "budget": "budget",
    "deadline": "deadline",
}
"""Refusals that no other reply could avoid, with the reason a run then lands for. Any other lands as `refusal`."""


class Refusal(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Why a reply was not accepted."""

    reason: RefusalReason
    detail: str
    """A sentence for the model that is to repair it. It may quote the handoff that was named, nothing else."""
