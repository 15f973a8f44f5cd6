"""Inputs and records as JSON: one object each, whose `kind` says what it is; the other keys are the fields by name.
Of an input, those that hold their default are left out.

    {"kind":"call_reserved","call":1,"input_tokens":120,"output_tokens":256,"at":0.25}

The form is stable, and its version is that of the kernel, which `started` holds. A field may be added, with a default
that leaves the meaning of old lines as it was. Whatever else changes raises `kernel.VERSION`. A line that is read and
written again is the same, byte for byte, and a value that is written and read again is equal. All else is refused: a
key that is unknown (a newer version may have added it, with a meaning), a key that stands twice, a count below 0.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Literal, get_args

from msgspec.json import Decoder, Encoder
from msgspec.structs import fields
from pydantic import ValidationError
from pydantic_core import to_json as model_json

from ..errors import StepError
from ..limits import Limits
from .inputs import Input
from .records import Record

What = Literal["input", "record"]

_WHAT: dict[type, What] = {**dict.fromkeys(get_args(Input), "input"), **dict.fromkeys(get_args(Record), "record")}

_NAME = r"`[a-z_]{1,32}`"
_TELLING = re.compile(
    rf"Object (?:missing required|contains unknown|has twice the) field {_NAME}|Expected .*|JSON is malformed.*"
)
"""What may be told of a line that cannot be read: the rest of what msgspec says quotes values, which may be private."""


def to_json(value: Input | Record) -> bytes:
    """Return an input or a record as one line of JSON, without its end of line.

    Raises StepError: if a field holds what JSON does not give back, such as a set or a NaN; says which field.
    Raises TypeError: if it is neither an input nor a record.
    """
    what = _WHAT.get(type(value))
    if what is None:
        raise TypeError(f"to_json takes an input or a record, not a {type(value).__name__}")
    line = _round_trip(value, _decoder(what))
    if line is None:
        raise StepError(f"{value.kind!r} cannot be written: JSON does not give back what {_lost(value)!r} holds")
    return line


def _round_trip(value: object, decoder: Decoder[Any]) -> bytes | None:
    """Return a value as JSON; None if it is not read back as it was."""
    try:
        line = _ENCODER.encode(value)
        # msgspec writes a set as a list, and a NaN as null: no store may keep what never was
        return line if decoder.decode(line) == value else None
    except (ValueError, TypeError, RecursionError):
        return None


def _lost(value: Input | Record) -> str:
    """Return the first field that is not read back as it was."""
    return next(
        field.name
        for field in fields(value)
        if _round_trip(getattr(value, field.name), Decoder(field.type, dec_hook=_limits)) is None
    )


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


def _read(what: What, line: bytes | str) -> Any:
    try:
        read = _decoder(what).decode(line)
        # of two equal keys msgspec keeps the last; in a line as we write it, there are none
        if _ENCODER.encode(read) != (line.encode() if isinstance(line, str) else line):
            json.loads(line, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise StepError(f"this line is no {what} of a journal{_told(error)}") from None
    return read


def _told(error: Exception) -> str:
    """Return where a line is damaged, and how, without a value that it holds."""
    if isinstance(error, RecursionError):
        return ": it is nested too deeply"
    problem, _, place = str(error).partition(" - at ")
    telling = f": {problem}" if _TELLING.fullmatch(problem) else ""
    return f"{f', at {place}' if place else ''}{telling}"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise ValueError(f"Object has twice the field `{key}`")
        read[key] = value
    return read


@cache  # building one takes milliseconds, which no import should
def _decoder(what: What) -> Decoder[Any]:
    return Decoder(Input if what == "input" else Record, dec_hook=_limits)


def _limits(_: type, values: Any) -> Limits:
    """Return the one value that is no struct."""
    try:
        return Limits.model_validate_json(model_json(values))
    except ValidationError as error:
        wrong = {str(part) for item in error.errors(include_input=False, include_url=False) for part in item["loc"]}
        told = ", ".join(f"another `{name}`" for name in Limits.model_fields if name in wrong)
        raise ValueError(f"Expected {told or '`Limits`'}") from None


def _plain(held: object) -> Any:
    """Return the one value that is no struct as JSON."""
    if isinstance(held, Limits):
        return held.model_dump(mode="json")
    raise TypeError(f"{type(held).__name__} is not JSON")


_ENCODER = Encoder(enc_hook=_plain)
