"""How to read replies that may hold anything: the SDK validates none of them.

Usage is read first and by itself, so that a billed reply whose text cannot be read is still charged what it used.
"""

from __future__ import annotations

from typing import Any

from ...amounts import Usage
from ..base import FinishReason, Response
from ..http import UNREADABLE
from ..wire import without_surrogates


def items(value: Any) -> list[Any]:
    """Return what should be a JSON array; an empty list if it is not one."""
    return value if isinstance(value, list) else []


def response(text: str | None, usage: Usage | None, finish: FinishReason) -> Response:
    """Return the response that a reply amounts to.

    Args:
        text: what the model wrote; None: unreadable. Then the response is empty and counts as cut off, so that nobody
            takes it for an answer.
        usage: what the call used; None: unreadable.
        finish: `length` also where the reply does not say how it ended.

    Raises CallFailed: `unreadable`, if neither text nor usage can be read.
    """
    if text is None and usage is None:
        raise UNREADABLE.error("the reply holds neither a text nor usage")
    if text is None:
        return Response(text="", usage=usage, finish="refusal" if finish == "refusal" else "length")
    return Response(text=without_surrogates(text), usage=usage, finish=finish)
