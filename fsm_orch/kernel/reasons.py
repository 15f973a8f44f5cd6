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
    "declined",  # it takes none of the handoffs
    "undeclared_ask",  # it asks for what its agent does not declare, or more often
    "must_ask",  # it decides before anything that its agent must ask for was answered
    # it is a decision, and not legal now
    "guard",
    "shut",  # nobody may enter the state that it leads to
    "visits",
    "hops",
    "budget",
    "deadline",
]


FailureReason = Literal[
    "error",  # it raised
    "timeout",  # its visit's time was over
    "denied",  # it was denied a call
    "outcome_unknown",  # the worker died while it was at work, and what it did must not be done twice
]


CallCause = Literal[
    # the provider refused it
    "authentication",
    "permission",
    "quota",
    "rate_limited",
    "overloaded",
    "not_found",
    "bad_request",
    "bad_input",
    "too_large",
    "context_overflow",
    "conflict",
    "too_early",
    # the provider failed, or what it said could not be read
    "server_error",
    "redirect",
    "unreadable",
    "incomplete",
    "outcome_unknown",
    # the provider was not reached, or lost
    "connection",
    "disconnected",
    "timeout",
    # on this side
    "given_up",  # its visit, or its run, was over before it was
    "sdk_error",
    "local_error",
    "stopped",
    "other",
]
"""Why a call of a model brought no answer: what `CallFailed.reason` says, if it is one of these; else `other`."""


DenialReason = Literal[
    "repeated",  # another call of the visit was denied before
    "calls",
    "call_limits",
    "budget",
    "deadline",  # the run's, or the end of the visit's time
]


AskEnd = Literal[
    "answered",  # a tool told its result or why it failed, a human answered
    "declined",  # a human did not approve the tool
    "finished",  # the part reached an end, be it its fallback
    "unneeded",  # its round, or its visit, was over before it was
]


LandingReason = Literal[
    "no_handoff",
    "visits",
    "hops",
    "budget",
    "declined",
    "shut",
    "refusal",
    "failure",
    "denied",
    "timeout",
    "outcome_unknown",
    "deadline",
    "overrun",
    "cancelled",
]


LANDED_SINCE: Mapping[LandingReason, str] = {
    "no_handoff": "there was no way on",
    "visits": "it was to go where no visit was left",
    "hops": "no hop was left",
    "budget": "too little was left to pay for what came next",
    "declined": "none of the handoffs was taken",
    "shut": "it was to go where nobody may enter now",
    "refusal": "a reply was refused, and not repaired",
    "failure": "an agent failed",
    "denied": "an agent was denied a call",
    "timeout": "a visit took too long",
    "outcome_unknown": "nobody knows whether an agent had done its work when its worker died",
    "deadline": "the time of the run was over",
    "overrun": "a call used more than it had reserved",
    "cancelled": "it was cancelled",
}
"""What each reason means, as the end of a sentence."""


LANDS_AS: Mapping[RefusalReason, LandingReason] = {
    "visits": "visits",
    "hops": "hops",
    "budget": "budget",
    "deadline": "deadline",
    "declined": "declined",
    "shut": "shut",
}
"""The reasons that a run lands for after refusals; after any other it lands as `refusal`."""

BEYOND_REPAIR: frozenset[RefusalReason] = frozenset(LANDS_AS) - {"shut"}
"""Refusals that no other reply of the model could mend, or that it meant. Whoever named a shut state chooses again."""


class Refusal(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Why a reply was not accepted."""

    reason: RefusalReason
    detail: str
    """A sentence for the model that is to repair it. It may quote the handoff that was named, and what a
    validator says of the values that the model wrote."""
