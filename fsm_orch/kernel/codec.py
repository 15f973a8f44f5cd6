"""Inputs and records as JSON: one object each, whose `kind` says what it is; the other keys are the fields by name.

    {"kind":"call_reserved","call":1,"input_tokens":120,"output_tokens":256,"at":0.25}

The form is stable, and its version is that of the kernel, which `started` holds. A field may be added, with a default
that leaves the meaning of old lines as it was. Whatever else changes raises `kernel.VERSION`. A line that is read and
written again is the same, byte for byte.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from msgspec.json import Decoder, Encoder
from pydantic_core import to_json as model_json

from ..errors import StepError
from ..limits import Limits
from .inputs import Input
from .records import Record

_ENCODER = Encoder(enc_hook=lambda limits: limits.model_dump(mode="json"))  # all else is a struct or plain


def to_json(value: Input | Record) -> bytes:
    """Return an input or a record as one line of JSON, without its end of line."""
    return _ENCODER.encode(value)


def input_from_json(line: bytes | str) -> Input:
    """Return the input that `to_json` wrote.

    Raises StepError: if the line holds anything else; says where, and nothing of what it holds.
    """
    read: Input = _read("input", line)
    return read


def record_from_json(line: bytes | str) -> Record:
    """Return the record that `to_json` wrote.

    Raises StepError: if the line holds anything else; says where, and nothing of what it holds.
    """
    read: Record = _read("record", line)
    return read


def _read(what: Literal["input", "record"], line: bytes | str) -> Any:
    try:
        return _decoder(what).decode(line)
    except ValueError as error:  # msgspec's own are, and pydantic's of limits
        # the place alone: the rest of the message may quote a value, which may be private
        place = str(error).partition(" - at ")[2]
        raise StepError(f"this line is no {what} of a journal{f', at {place}' if place else ''}") from None


@cache  # building one takes milliseconds, which no import should
def _decoder(what: Literal["input", "record"]) -> Decoder[Any]:
    return Decoder(Input if what == "input" else Record, dec_hook=_limits)


def _limits(_: type, values: Any) -> Limits:
    """Return the one value that is no struct."""
    return Limits.model_validate_json(model_json(values))
