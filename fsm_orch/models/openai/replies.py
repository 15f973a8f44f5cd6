"""How to read replies that may hold anything: the SDK validates none of them.

Usage is read first and by itself, so that a billed reply whose text cannot be read is still charged what it used.
"""

from __future__ import annotations

from typing import Any

from ...amounts import Usage
from ...define.wording import without_surrogates
from ...errors import CallFailed
from ..base import Response
from ..http import UNREADABLE
from ..wire import finish_of, is_object, member


def items(value: Any) -> list[Any]:
    """Return what should be a JSON array; an empty list if it is not one."""
    return value if isinstance(value, list) else []


def response(text: str | None, usage: Usage | None, ended: Any, *, failed: CallFailed | None = None) -> Response:
    """Return the response that a reply amounts to.

    Args:
        text: what the model wrote; None: nothing that can be read. Then the response is empty, and no answer.
        usage: what the call used; None: unreadable.
        ended: the provider's word for how it ended, or whatever stands there.
        failed: the failure that the reply tells, beside whatever it holds.

    Raises CallFailed: `failed`, if no whole object was written; `unreadable`, if neither text nor usage can be read.
    """
    if failed is not None and not is_object(text):  # a whole decision beside it is still one; anything less was cut
        raise failed
    if text is None and usage is None:
        raise UNREADABLE.error("the reply holds neither a text nor usage")
    finish, word = finish_of(ended)
    if text is None and finish == "stop":  # nothing was said, so nobody may take it for an answer
        finish = "other"
    return Response(text=without_surrogates(text or ""), usage=usage, finish=finish, ended=word)


def joined(contents: list[Any], kind: str, key: str) -> str | None:
    """Return the texts of the parts of a kind, put together; None if there are none."""
    texts = [member(part, key) for part in contents if member(part, "type") == kind]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if said else None
