"""What a reply amounts to, whatever can be read of it."""

from __future__ import annotations

from ..amounts import Usage
from ..define.wording import without_surrogates
from ..errors import CallFailed
from .base import FinishReason, Response
from .http import UNREADABLE
from .wire import is_object


def response(
    text: str | None, usage: Usage | None, finish: FinishReason, word: str = "", *, failed: CallFailed | None = None
) -> Response:
    """Return the response that a reply amounts to.

    Text or usage is enough, so that the usage of a billed call is not lost.

    Args:
        text: what the model wrote; None: nothing that can be read. Then the response is empty, and no answer.
        usage: what the call used; None: unreadable.
        finish: how the reply ended.
        word: the provider's own for that, where nobody here knows it.
        failed: the failure that the reply tells, beside whatever it holds.

    Raises CallFailed: `failed`, if no whole object was written; `unreadable`, if neither text nor usage can be read.
    """
    if failed is not None and not is_object(text):  # a whole decision beside it is still one; anything less was cut
        raise failed
    if text is None and usage is None:
        raise UNREADABLE.error("the reply holds neither a text nor usage")
    if text is None and finish == "stop":  # nothing was said, so nobody may take it for an answer
        finish = "other"
    return Response(text=without_surrogates(text or ""), usage=usage, finish=finish, ended=word)
