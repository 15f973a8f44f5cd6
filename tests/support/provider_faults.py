"""What a provider can do wrong, without the words of any one API.

A *fault* says how the answer travels (`wire`), what status and error it carries, and how the reply departs from that of
an honest model. Each dialect of `support.provider_dialects` writes it in its own shape.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

Wire = Literal[
    "whole", "cut_before", "cut_within", "slow", "silent", "endless", "garbage", "closed", "stalls", "lingers"
]
"""In this order: whole; cut off before the status line, or in the middle of the body; byte by byte; no answer at all;
a body without end; not HTTP; a port where nobody listens; silence in the middle of the body; silence after it."""

Finish = Literal["stop", "length", "refusal", "content_filter", "context", "failed", "call"]
"""Why the model stopped. Not every dialect has `context` and `failed` (a 200 whose body says that it failed). `call`:
beside its texts it calls a tool by the means of its API, though no request offers one so."""

CALL = {"name": "order_status", "arguments": '{"order": 4711}'}
"""What it calls then."""


USUAL = "(the usual word)"
MISSING = "(no word)"


@dataclass(frozen=True, kw_only=True)
class Said:
    """A reply, before a dialect writes it."""

    texts: tuple[str, ...]
    """Several become as many choices, messages or content blocks."""
    input_tokens: Any
    """What the usage will report, so it may be anything."""
    output_tokens: Any
    finish: Finish = "stop"
    usage: Literal["full", "null", "missing"] = "full"
    word: Any = USUAL
    """What stands where a dialect says how the reply ended, instead of its own word; `MISSING`: nothing."""
    in_parts: bool = False
    """Whether the text comes as parts, thoughts before it; some dialects always do that."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to misbehave."""

    name: str
    wire: Wire = "whole"
    status: int = 200
    error: str | None = None
    """What went wrong, in a word of `provider_dialects`; None: nothing, so that a reply is sent."""
    retry_after: str | None = None
    """The header's value; `date:7` becomes the HTTP date 7 seconds from now."""
    retry_after_ms: str | None = None
    location: str | None = None
    raw: bytes | None = None
    """A body instead of the dialect's own."""
    content_type: str = "application/json"
    encoding: str | None = None
    """The header's value; the body stays as it is, which may not match."""
    echo: Literal["key", "prompt"] | None = None
    """What of the request the error's message quotes."""
    streams: Callable[[list[bytes]], list[bytes]] | None = lambda events: events
    """Makes the events of a stream, from the honest ones; None: it does not stream, though it was asked to."""
    departs: Callable[[Said, int], Said] = lambda said, cap: said
    """Makes the reply, from the honest one and the cap."""


HONEST = Fault(name="honest")


def saying(text: str, *, fault: Fault | None = None) -> Fault:
    """Return a fault that replies with a text, cut at the cap and reported honestly; four characters are a token.

    Args:
        fault: what it does besides; None: nothing.
    """

    def departs(said: Said, cap: int) -> Said:
        cut = text[: 4 * cap]
        return replace(said, texts=(cut,), output_tokens=-(-len(cut) // 4), finish="stop" if cut == text else "length")

    return replace(fault or Fault(name="scripted"), departs=departs)


def _decision(said: Said, **changes: Any) -> str:
    """Return the honest decision with changes; there is one only if a schema was sent."""
    return json.dumps({**json.loads(said.texts[0]), **changes})


def _usage(name: str, **changes: Any) -> Fault:
    return Fault(name=name, departs=lambda said, cap: replace(said, **changes))


def _text(name: str, text: Callable[[Said], str], **changes: Any) -> Fault:
    return Fault(name=name, departs=lambda said, cap: replace(said, texts=(text(said),), **changes))


def _refused(status: int, name: str | None = None, **options: Any) -> Fault:
    return Fault(name=name or str(status), status=status, **{"error": str(status), **options})


def _limited(name: str, **options: Any) -> Fault:
    return _refused(429, f"429 {name}", **options)


def _garbled(name: str, raw: bytes, content_type: str = "application/json") -> Fault:
    return Fault(name=name, raw=raw, content_type=content_type)


def _ends(word: Any) -> Fault:
    return Fault(name=f"ended as {word!r}", departs=lambda said, cap: replace(said, word=word))


_HUGE = 8_000_000

_ALL = (
    HONEST,
    # refused by status
    _limited("after seconds", retry_after="7"),
    _limited("after date", retry_after="date:7"),
    _limited("after ms", retry_after_ms="40", retry_after="1"),
    _limited("after nonsense", retry_after="soon"),
    _limited("after nan", retry_after="nan"),
    _limited("after inf", retry_after="inf"),
    _limited("after negative", retry_after="-5"),
    _limited("after nothing"),
    _refused(429, "429 insufficient quota", error="quota"),
    _refused(402, "402 no credit", error="quota"),
    *(_refused(status) for status in (500, 503, 529, 400, 401, 403, 404, 413)),
    _refused(401, "401 echoing the key", echo="key"),
    _refused(500, "500 echoing the key", echo="key"),
    _refused(400, "400 quoting the prompt", echo="prompt"),
    _refused(400, "context overflow", error="context"),
    _refused(500, "500 with html", raw=b"<html>down</html>", content_type="text/html"),
    Fault(name="307 to itself", status=307, location="itself"),
    Fault(name="302 elsewhere", status=302, location="/elsewhere"),
    # refused in the body of a 200
    *(_refused(200, f"{error} in a 200", error=error) for error in ("429", "quota", "500", "401")),
    # lost on the way
    Fault(name="cut before", wire="cut_before"),
    Fault(name="cut within", wire="cut_within"),
    Fault(name="slow bytes", wire="slow"),
    Fault(name="silence", wire="silent"),
    Fault(name="endless body", wire="endless"),
    Fault(name="no http", wire="garbage"),
    Fault(name="connection refused", wire="closed"),
    # a 200 that says nothing
    _garbled("html", b"<html><body>Welcome to the hotel wifi</body></html>", "text/html"),
    _garbled("html as json", b"<html><body>Welcome</body></html>"),
    _garbled("empty body", b""),
    _garbled("not utf-8", b'{"id": "\xff\xfe"}'),
    _garbled("deep json", b"[" * 200_000),
    Fault(name="gzip bomb", raw=gzip.compress(b" " * 20_000_000), encoding="gzip"),
    Fault(name="bad gzip", raw=b"not gzip at all", encoding="gzip"),
    _garbled("null", b"null"),
    _garbled("a list", b"[]"),
    _garbled("an empty object", b"{}"),
    _garbled("another object", b'{"object": "list", "data": [], "choices": 7, "output": "x", "content": 3}'),
    Fault(name="no choices", departs=lambda said, cap: replace(said, texts=())),
    Fault(name="failed in a 200", departs=lambda said, cap: replace(said, texts=(), finish="failed", usage="null")),
    # usage that cannot be believed
    _usage("usage strings", input_tokens="12", output_tokens="7"),
    _usage("usage floats", input_tokens=12.5, output_tokens=7.5),
    _usage("usage bools", input_tokens=True, output_tokens=True),
    _usage("usage half", input_tokens=None),
    _usage("usage negative", output_tokens=-5),
    _usage("usage null", usage="null"),
    _usage("usage missing", usage="missing"),
    _usage("usage astronomical", input_tokens=10**40),
    # usage that can, and is too much
    Fault(name="usage above the cap", departs=lambda said, cap: replace(said, output_tokens=cap * 50)),
    Fault(
        name="reply above the cap",
        departs=lambda said, cap: replace(said, texts=(said.texts[0] + " " * cap * 20,), output_tokens=cap * 20),
    ),
    # whole decisions, though their end is told in another word
    *(_ends(word) for word in ("eos", "COMPLETE", "end_turn", "tool_calls", "function_call", "error")),
    *(_ends(word) for word in ("content_filter", "max_tokens", "", None, 7, MISSING)),
    _text("a call beside a decision", lambda said: said.texts[0], finish="call"),
    Fault(name="in parts", departs=lambda said, cap: replace(said, in_parts=True)),
    # replies that are no decision
    _text("cut, ended as eos", lambda said: said.texts[0][:-2], word="eos"),
    _text("cut, ended as null", lambda said: said.texts[0][:-2], word=None),
    _text("cut, ended as max_tokens", lambda said: said.texts[0][:-2], word="max_tokens"),
    _text("cut, ended as content_filter", lambda said: said.texts[0][:-2], word="content_filter"),
    _text("empty, ended as tool_calls", lambda said: "", word="tool_calls"),
    _text("empty, ended as null", lambda said: "", word=None),
    _text("a call that nobody asked for", lambda said: "", finish="call"),
    _text("a call beside prose", lambda said: "I will look it up.", finish="call"),
    _text("truncated", lambda said: said.texts[0][:-2], finish="length"),
    _text("truncated as stop", lambda said: said.texts[0][:-2]),
    _text("unknown handoff", lambda said: _decision(said, handoff="to_the_moon")),
    _text("surrogate", lambda said: said.texts[0].replace('"handoff": "', '"handoff": "\ud800')),
    _text("two decisions", lambda said: said.texts[0] * 2),
    Fault(name="two choices", departs=lambda said, cap: replace(said, texts=said.texts * 2)),
    _text("empty text", lambda said: ""),
    _text("refusal", lambda said: "I cannot help with that.", finish="refusal"),
    _text("content filter", lambda said: "", finish="content_filter"),
    _text("context window in a 200", lambda said: said.texts[0][:5], finish="context"),
    _text("huge reply", lambda said: "word " * (_HUGE // 5)),
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
