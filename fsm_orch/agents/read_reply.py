"""What a model replied, read by the form that it was asked to fill in."""

from __future__ import annotations

from ..define.wording import without_surrogates
from ..kernel.reasons import Refusal
from ..messages import Message
from ..models.base import Response
from .base import Reply, Round
from .decision import Form
from .tool_form import ToolForm


def read_reply(asked: Form | ToolForm, response: Response, state: str) -> Reply | Round:
    """Return the reply, or the round of tools, that a response is; a reply with a refusal if it is neither.

    Args:
        asked: the form that the request showed.
        state: the name of the state, for a message that its agent says.
    """
    # whole JSON is a decision whatever word the provider ended it with: the word only tells why there is none
    decision = asked.read(response.text, is_truncated=response.finish == "length")
    if asked.schema is None and _says_nothing(response):
        decision = Refusal("not_json", "The reply was empty.")
    if isinstance(decision, Refusal):
        return Reply(refusal=_as_it_ended(decision, response))
    if isinstance(decision, tuple):
        return Round(decision)
    text = response.text if asked.schema is None else decision.text
    if text is None:
        return Reply(handoff=decision.handoff, changes=decision.changes)
    # without half a surrogate pair, which a message refuses: the reply would fail for one broken character
    return Reply(messages=(Message(role="assistant", content=without_surrogates(text), agent=state),))


def _says_nothing(response: Response) -> bool:
    """Return whether a free text is none: a refusal, or blank though the provider does not say that it is whole."""
    return response.finish == "refusal" or (response.finish == "other" and not response.text.strip())


def _as_it_ended(refusal: Refusal, response: Response) -> Refusal:
    """Return why a reply is refused, with how it ended where that says more."""
    if response.finish == "refusal":
        return Refusal("model_refusal", "The model declined to answer.")
    if response.finish == "other" and response.ended:
        return Refusal(refusal.reason, f"{refusal.detail} It ended as {response.ended!r}.")
    return refusal
