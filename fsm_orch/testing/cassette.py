"""Cassettes: real traffic of the SDKs, recorded once and replayed from then on, without keys and without the network.

    with cassette("tests/cassettes/refund.json"):
        result = Runner(Support, model="openai:gpt-5-mini").run_sync(Ticket(query="..."))

In a test the fixture `fsm_cassette` gives each test a cassette of its own, which `pytest --fsm-record` records.

`vcrpy` records and replays, at the transport of httpx2, which the SDKs of OpenAI and Anthropic use. This module decides
what may be written: no key, no account, no cookie, and the same file for the same traffic.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote_plus

import vcr
import vcr.cassette
import vcr.request
from vcr.record_mode import RecordMode

from .cassette_file import MalformedCassette, Readable, check, check_replaceable, parsed, unparsed

__all__ = ["HIDDEN", "KEYS", "MalformedCassette", "UnknownRequest", "cassette"]

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "FSM_ORCH_COMPATIBLE_KEY")
"""The environment variables that hold keys. While a cassette replays, each that is not set gets a dummy value."""
HIDDEN = "hidden"
"""Stands where a secret was."""

_KEPT_HEADERS = {"content-type", "anthropic-version", "anthropic-beta", "retry-after", "retry-after-ms"}
"""The only headers that are kept: others may show who sent a request, or differ every time. A list of what to leave out
instead would let a new header through."""
_SECRET_LENGTH = 8
"""Characters of a secret, at least. Masking a shorter one wherever it stands would mask ordinary words."""
_SECRET_NAMES = re.compile(
    r"(?:(?:x-)?(?:goog-)?api[-_]?key|(?:access|refresh|auth|id)[-_]?token|(?:proxy-)?authorization|password|secret|client[-_]?secret"
    r"|cookie|session[-_]?id|signature|sig|organization|organization[-_]?id|openai-organization|project[-_]?id"
    r"|safety[-_]?identifier)",
    re.IGNORECASE,
)
_COMMON_NAMES = re.compile(r"key|token|user|user[-_]?id", re.IGNORECASE)
"""Names of secrets and accounts: anywhere in a request, but only at the top of a reply. Deeper there, they are data."""
_FORM = re.compile(r"[^\s=&{]+=[^\s&]*(?:&[^\s=&]+=[^\s&]*)*")
_STREAMED = re.compile(r"^(data:[ \t]*)([^\r\n]+)", re.MULTILINE)
"""A line of server-sent events, and its data."""
_SECRET_TEXTS = re.compile(r"\b(?:sk|pk|rk|org|proj|sess|user)-[A-Za-z0-9_-]{8,}|\bBearer\s+[A-Za-z0-9._~+/=-]{8,}")
_VOLATILE = frozenset({"id", "created", "created_at", "completed_at", "system_fingerprint", "request_id"})
"""Members of a reply that differ every time, and that no adapter reads."""


class UnknownRequest(AssertionError):
    """A replay met a request that is not in the cassette, or not that often; nothing was sent."""


@contextmanager
def cassette(path: str | Path, *, record: bool = False) -> Iterator[None]:
    """Replay the traffic of a file, or record it into one.

    A request is recognised by its method, URL and body. Each recorded one is replayed once, in order.

    Args:
        path: ends in `.json`.
        record: True sends requests for real and writes the file anew; False never sends anything.

    Raises FileNotFoundError: if there is no file to replay.
    Raises MalformedCassette: if the file is not a cassette, be it to be replayed or to be recorded into.
    Raises UnknownRequest: at the end of the block, if a replay met a request that is not recorded. Until then that
        request fails like a lost connection, because the SDK turns our exception into its own.
    """
    place = Path(path)
    if record:
        check_replaceable(place)
        place.unlink(missing_ok=True)
    else:
        check(place)
    unknown: list[str] = []
    absent = {} if record else {name: HIDDEN for name in KEYS if not os.environ.get(name)}
    with patch.dict(os.environ, absent), _recorder(record=record).use_cassette(str(place)) as tape:
        tape.dirty = record  # or vcrpy writes no file if nothing was recorded
        try:
            with patch.object(tape, "can_play_response_for", _noting(tape, unknown, record=record)):
                yield
        finally:  # even over another exception: an unknown request is what led to it
            if unknown:
                raise UnknownRequest("\n".join([f"{str(place)!r} does not hold", *unknown, "Record it anew"]))


def _noting(tape: vcr.cassette.Cassette, unknown: list[str], *, record: bool) -> Callable[[vcr.request.Request], bool]:
    """Return a tape's `can_play_response_for` that also notes what the tape cannot play."""
    can_play = tape.can_play_response_for

    def noted(request: vcr.request.Request) -> bool:
        is_known = bool(can_play(request))
        if not is_known and not record:
            unknown.append(_shown(tape.filter_request(request)))
        return is_known

    return noted


def _recorder(*, record: bool) -> vcr.VCR:
    cleaner = _Cleaner()
    recorder = vcr.VCR(
        serializer="readable",
        record_mode=RecordMode.ALL if record else RecordMode.NONE,
        match_on=("method", "scheme", "host", "port", "path", "query", "body"),
        before_record_request=cleaner.request,
        before_record_response=cleaner.response,
        decode_compressed_response=True,
    )
    recorder.register_serializer("readable", Readable)
    return recorder


def _is_secret(name: str, *, common: bool) -> bool:
    """Return whether a name is that of a secret.

    Args:
        name: of a header or a member.
        common: whether `_COMMON_NAMES` count too, which elsewhere are data.
    """
    return bool(_SECRET_NAMES.fullmatch(name) or (common and _COMMON_NAMES.fullmatch(name)))


def _form(text: str) -> str:
    """Mask what a query or a form says under the name of a secret."""
    pairs = [pair.partition("=") for pair in text.split("&") if pair]
    return "&".join(
        f"{name}={HIDDEN if _is_secret(unquote_plus(name), common=True) else value}" for name, _, value in pairs
    )


def _hidden(value: Any) -> Any:
    """Return a value with every text in it hidden."""
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, dict):
        return {name: _hidden(member) for name, member in value.items()}
    return HIDDEN if isinstance(value, str) else value


class _Cleaner:
    """Removes secrets from traffic, and from replies what differs every time."""

    def __init__(self) -> None:
        self._secrets = {value for name in KEYS if len(value := os.environ.get(name, "")) >= _SECRET_LENGTH}
        """Masked wherever they stand: the keys of the environment, and what requests were authorized with."""

    def request(self, request: vcr.request.Request) -> vcr.request.Request:
        """Return a request as it is written and compared."""
        for name, value in request.headers.items():
            if name.lower() not in _KEPT_HEADERS and _is_secret(name, common=True):
                self._secrets.update(part for part in str(value).split() if len(part) >= _SECRET_LENGTH)
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() in _KEPT_HEADERS}
        base, question, query = re.sub(r"//[^/@]*@", "//", request.uri).partition("?")
        uri = self._text(base + question + _form(query))
        return vcr.request.Request(request.method, uri, self._body(request.body, is_reply=False), headers)

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        """Return a response as it is written."""
        headers = {name.lower(): value for name, value in response["headers"].items() if name.lower() in _KEPT_HEADERS}
        return {
            **response,
            "headers": headers,
            "body": {"string": self._body(response["body"]["string"], is_reply=True)},
        }

    def _body(self, body: Any, *, is_reply: bool) -> Any:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        if not isinstance(text, str):
            return body
        if _STREAMED.search(text):
            text = _STREAMED.sub(lambda line: line[1] + self._whole(line[2], is_reply=is_reply), text)
            return self._text(text).encode()
        return self._whole(text, is_reply=is_reply).encode()

    def _whole(self, text: str, *, is_reply: bool) -> str:
        """Return a whole body, be it JSON, a form or neither, with its secrets masked."""
        value = parsed(text)
        if isinstance(value, dict | list):
            return str(unparsed(self._masked(value, is_reply=is_reply, is_top=True)))
        return self._text(_form(text) if _FORM.fullmatch(text) else text)

    def _masked(self, value: Any, *, is_reply: bool, is_top: bool = False) -> Any:
        """Return a value with members masked by their names, and texts by their shape, at any depth."""
        if isinstance(value, list):
            return [self._masked(item, is_reply=is_reply) for item in value]
        if isinstance(value, dict):
            return {
                self._text(name): self._member(name, member, is_reply=is_reply, is_top=is_top)
                for name, member in value.items()
            }
        return self._text(value) if isinstance(value, str) else value

    def _member(self, name: str, member: Any, *, is_reply: bool, is_top: bool) -> Any:
        is_volatile = is_reply and name in _VOLATILE
        if is_volatile and isinstance(member, int | float):
            return 0
        if is_volatile and isinstance(member, str):
            return HIDDEN
        if _is_secret(name, common=is_top or not is_reply):
            return _hidden(member)
        return self._masked(member, is_reply=is_reply)

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _SECRET_TEXTS.sub(HIDDEN, text)


def _shown(request: vcr.request.Request) -> str:
    body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else str(request.body or "")
    return f"  {request.method} {request.uri} {body[:400]}"
