"""The file of a cassette: JSON that a diff can be read of, and what is said of a file that is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

RECORD_IT = "record it with a key, by cassette(..., record=True) or pytest --fsm-record"


class MalformedCassette(ValueError):
    """A file is not a cassette, or no longer one. The message names it, what is wrong, and the fix."""


class Readable:
    """A format that writes JSON bodies as JSON, with sorted keys, so that a diff shows what changed."""

    @staticmethod
    def serialize(traffic: Mapping[str, Any]) -> str:
        """Return the text of a file."""
        for interaction in traffic["interactions"]:
            interaction["request"]["body"] = parsed(interaction["request"]["body"])
            interaction["response"]["body"] = {"string": parsed(interaction["response"]["body"]["string"])}
        return json.dumps(traffic, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @staticmethod
    def deserialize(text: str) -> Any:
        """Return what a file holds, which `check` has found to be a cassette."""
        traffic = json.loads(text)
        for interaction in traffic["interactions"]:
            interaction["request"]["body"] = unparsed(interaction["request"]["body"])
            interaction["response"]["body"] = {"string": unparsed(interaction["response"]["body"]["string"])}
        return traffic


def parsed(body: Any) -> Any:
    """Return the value of a body that is a JSON object or list; any other stays a text."""
    try:
        value = json.loads(body) if body else body
    except ValueError:
        return body
    return value if isinstance(value, dict | list) else body


def unparsed(body: Any) -> Any:
    """Return the body that `parsed` read."""
    return json.dumps(body, ensure_ascii=False) if isinstance(body, dict | list) else body


def check(place: Path) -> None:
    """Check that a file holds a cassette that can be replayed.

    Raises FileNotFoundError: if there is no file.
    Raises MalformedCassette: if it holds anything else.
    """
    if not place.exists():
        raise FileNotFoundError(f"no cassette {str(place)!r}: {RECORD_IT}")
    try:
        _Traffic.model_validate(_json(place))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise MalformedCassette(_malformed(place, f"{where}: {first['msg']}")) from None


def check_replaceable(place: Path) -> None:
    """Check that recording into a file loses nothing but a cassette.

    Raises MalformedCassette: if it holds anything else.
    """
    if not place.exists() or not place.stat().st_size:
        return
    held = _json(place)
    if not isinstance(held, dict) or "interactions" not in held:
        raise MalformedCassette(_malformed(place, "interactions: Field required"))


def _json(place: Path) -> Any:
    try:
        held = json.loads(place.read_text(encoding="utf-8"))
        json.dumps(held, ensure_ascii=False).encode()  # half a character, as "\\ud800", cannot be sent or received
        return held
    except UnicodeError:
        reason = "it is not UTF-8"
    except ValueError as error:  # also of a number with too many digits
        reason = f"it is not JSON: {error}"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
    except RecursionError:
        reason = "it is nested too deeply"
    raise MalformedCassette(_malformed(place, reason))


def _malformed(place: Path, reason: str) -> str:
    return f"{str(place)!r} is not a cassette: {reason}. Name another file; or delete it, and {RECORD_IT}"


def _address(uri: str) -> str:
    address = urlsplit(uri)
    if address.scheme not in ("http", "https") or not address.hostname or address.port == 0:  # or it is no number
        raise ValueError("not the address of a request")
    return uri


class _Part(BaseModel):
    # Strict, or "200" would be a status; what vcrpy of another version writes besides is let pass.
    model_config = ConfigDict(strict=True, defer_build=True)


_Body = dict[str, Any] | list[Any] | str
_Ascii = Annotated[str, Field(pattern=r"^[\t -~]*$")]
_Headers = dict[_Ascii, Annotated[list[_Ascii], Field(min_length=1)]]


class _Request(_Part):
    model_config = ConfigDict(extra="forbid")  # vcrpy takes these alone

    method: str
    uri: Annotated[str, AfterValidator(_address)]
    body: _Body | None
    headers: _Headers


class _Status(_Part):
    code: Annotated[int, Field(ge=100, le=599)]
    message: _Ascii | None


class _Content(_Part):
    string: _Body


class _Response(_Part):
    status: _Status
    headers: _Headers
    body: _Content


class _Interaction(_Part):
    request: _Request
    response: _Response


class _Traffic(_Part):
    version: Literal[1]
    interactions: list[_Interaction]
