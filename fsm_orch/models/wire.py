"""What every adapter does to a request before it is sent, and to a reply of which nothing is certain.

Nothing here knows a provider, opens a connection or needs an extra.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from ..errors import CallFailed, ModelUnavailable
from .base import Request


def environment_key(provider: str, variable: str) -> str:
    """Return the key that an environment variable holds.

    Raises ModelUnavailable: if it is not set, or blank.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelUnavailable(f"{provider} needs a key; set the environment variable {variable}")
    return key


def check_cap(request: Request) -> None:
    """Check that a request allows output.

    Raises CallFailed: `bad_input`, if its cap is below 1.
    """
    if request.max_output_tokens < 1:
        raise _bad_input("max_output_tokens must be at least 1: one token is always made")


def check_unicode(text: str) -> None:
    """Check that a text can be sent; a lone surrogate, as in `'\\ud800'`, has no UTF-8.

    Raises CallFailed: `bad_input`, if it cannot.
    """
    if text.isascii():  # most are, and to ask costs nothing
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        pass  # raised below: this exception holds the whole text, and would be chained
    else:
        return
    raise _bad_input("it holds a lone surrogate, which is not Unicode text")


def json_text(value: object) -> str:
    """Return a schema, or a body with one, as JSON text; its non-ASCII characters are not escaped.

    Raises CallFailed: `bad_input`, if it is not JSON or not Unicode. Only a schema can be other than JSON, and so the
        message speaks of it.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)  # NaN is not JSON, though Python writes it
    except (TypeError, ValueError, RecursionError):
        text = None
    if text is None:
        raise _bad_input("its schema is not JSON")
    check_unicode(text)
    return text


def _bad_input(why: str) -> CallFailed:
    return CallFailed("bad_input", why, unsent=True)


def byte_bound(text: str) -> int:
    """Return the most tokens that a byte-level tokenizer makes of a text: one for each byte of UTF-8.

    Some tokenizers normalise first. NFKD is the longest of the normal forms, so the longer of both is counted: U+FDFA
    is 3 bytes, but 33 as NFKD, and some tokenizers make 15 tokens of it.
    """
    if text.isascii():
        return len(text)
    return max(len(text.encode()), len(normalize("NFKD", text).encode()))


def member(value: Any, key: str) -> Any:
    """Return a member of what should be a JSON object; None if it is not one, or has no such member."""
    return value.get(key) if isinstance(value, Mapping) else None


def without_surrogates(text: str) -> str:
    """Return a text with `?` for each lone surrogate: JSON can spell them, but no file or socket takes them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
