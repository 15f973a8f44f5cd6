"""What every adapter does to a request before it is sent, and to a reply of which nothing is certain.

Nothing here knows a provider, opens a connection or needs an extra.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from unicodedata import normalize

from ..errors import CallFailed, ModelUnavailable
from .base import FinishReason, Request


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


def json_of(content: bytes) -> Any:
    """Return the JSON of a body; None if it is none.

    Of a list of one, it is what is in it: some servers put an error into a list. Of a stream of events, which nobody
    asked for, it is the first event that tells an error: a gateway may answer so when it fails.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = next(filter(error_in, _events(content)), None)
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def is_stream(content: bytes) -> bool:
    """Return whether a body is a stream of events."""
    return content.lstrip().startswith((b"data:", b"event:", b":"))


def _events(content: bytes) -> Iterator[Any]:
    for line in content.splitlines():
        if line.startswith(b"data:"):
            with suppress(ValueError, RecursionError):
                yield json.loads(line.removeprefix(b"data:"))


def error_in(body: Any) -> Any:
    """Return what a body holds where servers tell an error, in one of their shapes; nothing if it tells none."""
    error, errors = member(body, "error"), member(body, "errors")
    if error:
        return body if error is True else {"code": error} if isinstance(error, int) else error
    if isinstance(errors, list) and errors:
        return errors[0]
    # vLLM and others put the error where the reply should be; and a response may have failed without one
    words = [member(body, key) for key in ("object", "type", "status", "code")]
    return body if any(word in ("error", "failed") or _is_error_code(word) for word in words) else None


def _is_error_code(word: Any) -> bool:
    return type(word) is int and 400 <= word < 600


def is_object(text: Any) -> bool:
    """Return whether a text looks like a JSON object from its start to its end."""
    return isinstance(text, str) and text.strip().startswith("{") and text.strip().endswith("}")


def paired(text: str) -> str:
    """Return a text in which two halves of a surrogate pair, put together from two pieces, are one character."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


_FINISHES: Mapping[str, FinishReason] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "max_length"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("refusal", "content_filter", "content_filtered", "safety"), "refusal"),
}
"""How a reply ended, in the words of the APIs and of servers that speak them, in lower case."""

_SHOWN = re.compile(r"[A-Za-z_.:]{1,64}")
"""What a word looks like that may be shown: anything else may quote a prompt or, with digits in it, a key."""


def finish_of(word: Any) -> tuple[FinishReason, str]:
    """Return how a reply ended, by its provider's word for it, and that word itself where nobody here knows it."""
    finish = _FINISHES.get(word.lower(), "other") if isinstance(word, str) else "other"
    is_shown = finish == "other" and isinstance(word, str) and _SHOWN.fullmatch(word)
    return finish, word if is_shown else ""


_LANGUAGE = re.compile(r"\w*")


def unfenced(text: str) -> str:
    """Return what is inside a text that is one markdown fence from its start to its end; any other text as it is."""
    inner = text.strip().removeprefix("```").removesuffix("```")
    if len(inner) + 6 != len(text.strip()) or "```" in inner:
        return text
    return _LANGUAGE.sub("", inner, count=1) if inner[:1].isalpha() else inner
