"""Reading replies that may be anything: JSON without a promise.

Usage is read first and apart, so that a billed reply that cannot be read is still charged what it used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...amounts import Usage
from ..base import FinishReason, Response
from ..http import UNREADABLE


def part(value: Any, key: str) -> Any:
    """Give a member of what should be a JSON object; None if it is not one, or has no such member."""
    return value.get(key) if isinstance(value, Mapping) else None


def items(value: Any) -> list[Any]:
    """Give what should be a JSON array; empty if it is not one."""
    return value if isinstance(value, list) else []


def response(text: str | None, usage: Usage | None, finish: FinishReason) -> Response:
    """Give the response of a reply.

    Args:
        text: what was said; None if that cannot be read. It is then empty and counts as cut off, so that nobody
            takes it for an answer.
        finish: `length` too where the reply does not say how it ended.

    Raises CallFailed: `unreadable`, if neither what was said nor what it used can be read.
    """
    if text is None and usage is None:
        raise UNREADABLE.error("the reply holds neither a text nor usage")
    if text is None:
        return Response(text="", usage=usage, finish="refusal" if finish == "refusal" else "length")
    return Response(text=_mended(text), usage=usage, finish=finish)


def _mended(text: str) -> str:
    """Replace lone surrogates, which JSON can spell but no file or socket takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
