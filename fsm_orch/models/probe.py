"""A probe of a model: whether it keeps to the caps that budgets rest on."""

from __future__ import annotations

from ..errors import CallFailed, ModelUnavailable
from ..messages import Message
from .base import Model, Request, Response

_ASKED = Request(
    messages=(Message(role="user", content="Count from one to a hundred, in words. Begin at once."),),
    max_output_tokens=16,  # the least that every provider takes
)
_CAP = _ASKED.max_output_tokens
_NOT_CUT_OFF = f"its cap was {_CAP} output tokens, and it did not say that a long text was cut off"

_TRIES = 8
"""Requests at most. A small model ends about every third text by itself before the cap, which tells nothing."""

_BYTES_A_TOKEN = 32
"""More bytes than this a token are not made of English words, so a text that is longer was not cut at the cap."""


async def probe(model: Model) -> None:
    """Send a model a tiny request, and check that it keeps to the caps that budgets rest on.

    Call it once at start-up, for a compatible server or an own model. It costs about eighty tokens, which no run's
    budget counts, and as many again each time that the model ends its text by itself.

    Raises ModelUnavailable: if the model cannot be reached, reports no usage, writes more than its cap, or reads more
        than was counted.
    """
    reason = _NOT_CUT_OFF
    try:
        bound = await model.count(_ASKED)
        for _ in range(_TRIES):
            reason = _broken_promise(await model.complete(_ASKED), bound)
            if reason != _NOT_CUT_OFF:
                break
    except CallFailed as error:
        reason = str(error)
    if reason:
        raise ModelUnavailable(f"{model.name} cannot be used on a budget: {reason}")


def _broken_promise(reply: Response, bound: int) -> str:
    """Return how the reply to the probe breaks a cap; empty if it does not."""
    usage = reply.usage
    if usage is None:
        return "it does not report the tokens that a request used"
    if usage.output_tokens > _CAP:
        return f"its cap was {_CAP} output tokens, and it wrote {usage.output_tokens}. Try another profile"
    if len(reply.text.encode()) > _CAP * _BYTES_A_TOKEN:
        return f"its cap was {_CAP} output tokens, and it wrote a text of {len(reply.text):,} characters"
    if usage.input_tokens > bound:
        return f"at most {bound} input tokens were counted, and it read {usage.input_tokens}"
    is_at_its_cap = reply.finish == "other" and usage.output_tokens == _CAP  # it does not say how it ended
    return "" if reply.finish == "length" or is_at_its_cap else _NOT_CUT_OFF
