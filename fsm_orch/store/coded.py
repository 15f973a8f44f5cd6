"""Codecs: what may hold somebody's words is kept as a codec makes it, bound to the place where it is kept.

A codec may be cryptography, or compression, or both. What lists and fences go by stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from ..errors import StepError, StoreError
from ..kernel.codec import input_from_json
from ..kernel.inputs import Input
from .prompts import KeptPrompt
from .values import PaidResponse, Post

_PROMPT = msgspec.json.Decoder(KeptPrompt)

Column = Literal["input", "request", "response", "answer", "who", "canceller", "prompt"]
"""What is kept under a codec: an input of a journal; the hash of what a model was asked, and what it answered; what a
human answered, and who that was; who cancelled a run; a prompt with its reply."""


class Place(Struct, frozen=True):
    """Where a text is kept. No two texts that are kept at one time have the same place."""

    run_id: str
    column: Column
    key: str
    """Which of the run: the position of an input, the key of a response, the question of an answer, the numbers of a
    prompt; empty if a run has one alone."""

    @property
    def bound(self) -> bytes:
        """The place as bytes, for the associated data of a cipher: a text that was moved is then not read."""
        return msgspec.json.encode((self.run_id, self.column, self.key))

    def __str__(self) -> str:
        return f"{self.column} {self.key if self.column == 'input' else repr(self.key)} of run {self.run_id!r}"


class Codec(Protocol):
    """Makes the texts that a store keeps. Both methods are called in the store's own thread, and may be slow.

    Two texts that it makes of one need not be alike. Whatever it raises becomes a StoreError that names the place and
    the kind of the error, and no more of it.
    """

    def encode(self, place: Place, text: str) -> str:
        """Return what is kept of a text, without the character 0."""
        ...

    def decode(self, place: Place, stored: str) -> str:
        """Return the text of what is kept; whatever this codec, or one before it, has made of it."""
        ...


class Coded:
    """Texts as they are kept, and what they say.

    Args:
        codec: None: a text is kept as it is.
    """

    def __init__(self, codec: Codec | None) -> None:
        self._codec = codec

    def encode(self, run_id: str, column: Column, key: str | int, text: str) -> str:
        """Return what is kept of a text at a place.

        Raises StoreError: if the codec cannot make it.
        """
        if self._codec is None:  # a place costs as much as all else that is done for a text
            return text
        place = Place(run_id, column, str(key))
        stored, why = _tried(self._codec.encode, place, text)
        if why:
            raise StoreError(f"{place} cannot be written ({why}): its codec failed, and nothing was stored")
        return stored

    def decode(self, run_id: str, column: Column, key: str | int, stored: str) -> str:
        """Return the text of what is kept at a place.

        Raises StoreError: if the codec cannot read it.
        """
        if self._codec is None:
            return stored
        place = Place(run_id, column, str(key))
        text, why = _tried(self._codec.decode, place, stored)
        if why:
            raise StoreError(
                f"{place} cannot be read ({why}): it was stored with another key, or was changed or moved since. "
                "Give the codec the key that it was stored with; nothing has changed"
            )
        return text

    def input(self, run_id: str, position: int, stored: str) -> Input:
        """Return an input that is kept.

        Raises StoreError: if it cannot be read.
        """
        read: Input = self._said(input_from_json, run_id, "input", position, stored)
        return read

    def response(self, run_id: str, key: str, request: str, body: str) -> PaidResponse:
        """Return a response that is kept.

        Raises StoreError: if it cannot be read.
        """
        asked = self.decode(run_id, "request", key, request)
        return PaidResponse(key, asked, self.decode(run_id, "response", key, body))

    def post(self, run_id: str, question: str, id: str, body: str, who: str | None) -> Post:
        """Return an answer that is kept.

        Raises StoreError: if it cannot be read.
        """
        answer = self._said(msgspec.json.decode, run_id, "answer", question, body)
        return Post(question, id, answer, None if who is None else self.decode(run_id, "who", question, who))

    def prompt(self, run_id: str, key: str, stored: str) -> KeptPrompt:
        """Return a prompt that is kept.

        Raises StoreError: if it cannot be read.
        """
        read: KeptPrompt = self._said(_PROMPT.decode, run_id, "prompt", key, stored)
        return read

    def _said(self, read: Callable[[str], Any], run_id: str, column: Column, key: str | int, stored: str) -> Any:
        text = self.decode(run_id, column, key, stored)
        try:
            return read(text)
        except (StepError, ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, StepError) else "this is no JSON"
            place = Place(run_id, column, str(key))
            has = "its codec has read it" if self._codec else "was it stored with a codec, which this store has not?"
            raise StoreError(f"{place} cannot be read: {why}; {has}") from None


def _tried(made: Callable[[Place, str], str], place: Place, text: str) -> tuple[str, str]:
    """Return what a codec made of a text, and why it is none, without a value; empty if it is one."""
    try:
        other: object = made(place, text)
    except BaseException as error:  # of any kind: it is called in a thread that others need
        return "", type(error).__name__
    if not isinstance(other, str):
        return "", f"{type(other).__name__}, not str"
    return other, "the character 0" if "\x00" in other else ""
