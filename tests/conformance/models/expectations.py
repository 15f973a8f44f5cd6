"""What every adapter is to make of each fault: one table, from FACTS.md, "Reserving tokens"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from support.provider_faults import FAULTS

from fsm_orch.kernel.reasons import LandingReason, RefusalReason

Charge = Literal["usage", "reservation", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a fault that does not go away leads to."""

    charge: frozenset[Charge]
    """What each call may be charged; more than one where the rules leave it to the adapter."""
    landings: frozenset[LandingReason] = frozenset()
    """Why the run lands; empty: it does not."""
    refusals: frozenset[RefusalReason] = frozenset()
    """How the kernel may refuse the replies; empty: any way."""
    calls: int | None = 1
    """Requests of a run whose visit has two calls; None: one or two."""
    reasons: frozenset[str] = frozenset()
    """What the call may fail with; empty: it may not fail."""
    unsent: bool = False
    transient: bool | None = None
    """None: left to the adapter."""
    retry_after_s: float | None = None
    may_reply: bool = False
    """Whether it may also count as a reply, which is then refused."""


_USAGE: frozenset[Charge] = frozenset({"usage"})
_RESERVATION: frozenset[Charge] = frozenset({"reservation"})
_EITHER = _USAGE | _RESERVATION


def _fails(
    *reasons: str, unsent: bool = False, transient: bool = False, calls: int = 1, retry_after_s: float | None = None
) -> Expected:
    return Expected(
        charge=frozenset({"nothing"} if unsent else {"reservation"}),
        landings=frozenset({"failure"}),
        calls=calls,
        reasons=frozenset(reasons),
        unsent=unsent,
        transient=transient,
        retry_after_s=retry_after_s,
    )


def _passes(*reasons: str, unsent: bool = False, retry_after_s: float | None = None) -> Expected:
    """Fails for now: the run tries again while a call is left."""
    return _fails(*reasons, unsent=unsent, transient=True, calls=2, retry_after_s=retry_after_s)


def _waits(retry_after_s: float) -> Expected:
    """Fails for longer than the visit lasts, so the run does not try again."""
    return _fails("rate_limited", unsent=True, transient=True, retry_after_s=retry_after_s)


def _refused(*reasons: RefusalReason) -> Expected:
    """Is a reply, and no decision: repaired once, then the run lands."""
    return Expected(charge=_USAGE, landings=frozenset({"refusal"}), refusals=frozenset(reasons), calls=2)


def _unreadable(*, charge: frozenset[Charge] = _RESERVATION, may_reply: bool = False) -> Expected:
    return Expected(
        charge=charge,
        landings=frozenset({"failure", "refusal"}) if may_reply else frozenset({"failure"}),
        calls=None if may_reply else 1,
        reasons=frozenset({"unreadable"}),
        transient=False,
        may_reply=may_reply,
    )


_HANGS = Expected(charge=_RESERVATION, landings=frozenset({"timeout"}), reasons=frozenset({"timeout"}), transient=True)
UNREADABLE = _unreadable()
"""What a reply comes to that could not be read: it is charged in full, and the same request is not sent again."""

NO_TEXT = _refused("not_json")
"""What a reply comes to of which only the usage could be read."""

_UNKNOWN_USAGE = Expected(charge=_RESERVATION)
_DECISION = Expected(charge=_USAGE)
_ENDS = [name for name in FAULTS if name.startswith("ended as ")]
_OVERRUN = Expected(charge=_USAGE, landings=frozenset({"overrun"}))

EXPECTED: Mapping[str, Expected] = {
    "honest": _DECISION,
    "429 after seconds": _waits(7),
    "429 after date": _waits(7),
    "429 after ms": _passes("rate_limited", unsent=True, retry_after_s=0.04),
    "429 after nonsense": _passes("rate_limited", unsent=True),
    "429 after nan": _passes("rate_limited", unsent=True),
    "429 after inf": _passes("rate_limited", unsent=True),
    "429 after negative": _passes("rate_limited", unsent=True),
    "429 after nothing": _passes("rate_limited", unsent=True),
    "429 insufficient quota": _fails("quota", unsent=True),
    "402 no credit": _fails("quota", unsent=True),
    "500": _passes("server_error"),
    "503": _passes("overloaded"),
    "529": _passes("overloaded"),
    "400": _fails("bad_request", unsent=True),
    "401": _fails("authentication", unsent=True),
    "403": _fails("permission", unsent=True),
    "404": _fails("not_found", unsent=True),
    "413": _fails("too_large", unsent=True),
    "401 echoing the key": _fails("authentication", unsent=True),
    "500 echoing the key": _passes("server_error"),
    "400 quoting the prompt": _fails("bad_request", unsent=True),
    "context overflow": _fails("context_overflow", unsent=True),
    "500 with html": _passes("server_error"),
    "429 in a 200": _passes("rate_limited"),
    "quota in a 200": _fails("quota"),
    "500 in a 200": _passes("server_error"),
    "401 in a 200": _fails("authentication"),
    "307 to itself": _fails("redirect"),
    "302 elsewhere": _fails("redirect"),
    "cut before": _passes("disconnected"),
    "cut within": _passes("disconnected"),
    "slow bytes": _HANGS,
    "silence": _HANGS,
    "endless body": _HANGS,
    "no http": _passes("disconnected"),
    "connection refused": _passes("connection", unsent=True),
    "html": _unreadable(),
    "html as json": _unreadable(),
    "empty body": _unreadable(),
    "not utf-8": _unreadable(),
    "deep json": _unreadable(),
    "gzip bomb": _unreadable(),
    "bad gzip": _unreadable(),
    "null": _unreadable(),
    "a list": _unreadable(),
    "an empty object": _unreadable(may_reply=True),
    "another object": _unreadable(),
    "no choices": _unreadable(charge=_EITHER, may_reply=True),
    "failed in a 200": Expected(
        charge=_RESERVATION,
        landings=frozenset({"failure"}),
        calls=None,
        reasons=frozenset({"server_error", "unreadable"}),
    ),
    "usage strings": _UNKNOWN_USAGE,
    "usage floats": _UNKNOWN_USAGE,
    "usage bools": _UNKNOWN_USAGE,
    "usage half": _UNKNOWN_USAGE,
    "usage negative": _UNKNOWN_USAGE,
    "usage null": _UNKNOWN_USAGE,
    "usage missing": _UNKNOWN_USAGE,
    "usage astronomical": _UNKNOWN_USAGE,
    "usage above the cap": _OVERRUN,
    "reply above the cap": _OVERRUN,
    **dict.fromkeys(_ENDS, _DECISION),
    "a call beside a decision": _DECISION,
    "in parts": _DECISION,
    "cut, ended as eos": _refused("truncated"),
    "cut, ended as null": _refused("truncated"),
    "cut, ended as max_tokens": _refused("truncated"),
    "cut, ended as content_filter": _refused("model_refusal"),
    "empty, ended as tool_calls": _refused("not_json"),
    "empty, ended as null": _refused("not_json"),
    "a call that nobody asked for": _refused("not_json"),
    "a call beside prose": _refused("not_json"),
    "truncated": _refused("truncated"),
    "truncated as stop": _refused("truncated", "not_json"),
    "unknown handoff": _refused("unknown_handoff"),
    "surrogate": _refused(),
    "two decisions": _refused("two_decisions"),
    "two choices": _unreadable(charge=_EITHER, may_reply=True),
    "empty text": _unreadable(charge=_EITHER, may_reply=True),
    "refusal": _refused("model_refusal"),
    "content filter": _refused("model_refusal"),
    "context window in a 200": _refused("truncated"),
    "huge reply": _refused("not_json"),
}
"""Name of a fault -> what it is to lead to."""
