"""What an answer says on the wire, in the words of all providers that a bridge may lead to: refusals, errors, usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from ...amounts import Usage, is_count, trusted_usage
from ...errors import CallFailed
from ..http import OVERFLOW, QUOTA, STATUSES, Answer, Failure, retry_after_s, status_failure, told_failure
from ..wire import error_in, json_of, member

_REFUSALS: Mapping[str, Failure] = {
    "insufficient_quota": QUOTA,
    "billing_hard_limit_reached": QUOTA,
    "billing_not_active": QUOTA,
    "billing_error": QUOTA,
    "credit balance is too low": QUOTA,
    "context_length_exceeded": OVERFLOW,
    "exceed_context_size_error": OVERFLOW,
    "maximum context length": OVERFLOW,
    "context window": OVERFLOW,
    "prompt is too long": OVERFLOW,
    "too large for model": OVERFLOW,
    "exceeds the maximum number of tokens": OVERFLOW,
    "invalid_request_prompt_too_long": OVERFLOW,
    "API_KEY_INVALID": STATUSES[401],
    (_SPENT := "check your plan and billing details"): QUOTA,
}
"""Code, type or reason of a refusal, or words of its message -> meaning, where the status alone says too little. The
words with a space are of messages: OpenAI's and vLLM's, Anthropic's, Mistral's, Google's. Google says that a quota is
spent of one that is full for a minute, too, and then adds how long to wait."""

_TOLD: Mapping[str, Failure] = {
    **_REFUSALS,
    "rate_limit_exceeded": STATUSES[429],
    "rate_limit_error": STATUSES[429],
    "rate_limited": STATUSES[429],
    "service_tier_capacity_exceeded": STATUSES[429],
    "RESOURCE_EXHAUSTED": STATUSES[429],
    "invalid_request_error": STATUSES[400],
    "INVALID_ARGUMENT": STATUSES[400],
    "invalid_api_key": STATUSES[401],
    "authentication_error": STATUSES[401],
    "UNAUTHENTICATED": STATUSES[401],
    "permission_error": STATUSES[403],
    "tier_not_allowed": STATUSES[403],
    "PERMISSION_DENIED": STATUSES[403],
    "model_not_found": STATUSES[404],
    "invalid_model": STATUSES[404],
    "overloaded_error": STATUSES[503],
    "UNAVAILABLE": STATUSES[503],
}
"""The same for an error in the body of a 200, where no status says anything."""


def refused(answer: Answer) -> CallFailed:
    """Return what an answer means that is no success. A word may say why; that it cost nothing, only the status."""
    by_status, body = status_failure(answer.status_code), json_of(answer.content)
    error = error_in(body)
    error = error if isinstance(error, Mapping) else body
    wait_s = _first(retry_after_s(answer.headers), _told_wait_s(error))
    known = _known(error, wait_s) if by_status.unsent else ""
    failure = _REFUSALS.get(known, by_status)
    # of the words only those of the table are shown: any other may quote a prompt or a key
    said = ", ".join(filter(None, [f"HTTP {answer.status_code}", known]))
    return failure.error(said, retry_after_s=wait_s)


def told(body: Any) -> CallFailed | None:
    """Return the failure that the body of a success tells; None if it tells none. It is charged, as `told_failure`."""
    error = error_in(body)
    failure = told_failure(error, _TOLD)
    if failure is None:
        return None
    known = _REFUSALS.get(_known(error, _told_wait_s(error)), failure)
    return replace(known, unsent=False).error("HTTP 200, and its body says that it failed")


def _known(error: Any, wait_s: float | None) -> str:
    """Return the first word of `_REFUSALS` that an error says; the empty one if it says none."""
    said = _words(error)
    return next((word for word in _REFUSALS if word in said and not (word == _SPENT and wait_s is not None)), "")


def _words(error: Any) -> str:
    """Return all of an error that may say why: its codes, the reasons in its details, its message."""
    reasons = [member(each, "reason") for each in _details(error)]
    said = [*(member(error, key) for key in ("code", "type", "status", "message")), *reasons]
    return "\n".join(word for word in said if isinstance(word, str))


def _told_wait_s(error: Any) -> float | None:
    """Return the seconds that an error of Google asks to wait: it has no header for them, and writes `"36.4s"`."""
    delays = [member(each, "retryDelay") for each in _details(error)]
    waits = [retry_after_s({"retry-after": delay.removesuffix("s")}) for delay in delays if isinstance(delay, str)]
    return _first(*waits)


def _details(error: Any) -> list[Any]:
    details = member(error, "details")
    return details if isinstance(details, list) else []


def _first(*found: float | None) -> float | None:
    return next((each for each in found if each is not None), None)


class _Counts(NamedTuple):
    """How an API names the counts of its usage; the first of each kind must be there, unless it is left out."""

    input: tuple[str, ...]
    output: tuple[str, ...]
    total: str
    cached: tuple[str, ...]
    """Where the cached part of the input is, from the usage inwards."""
    omits_zero: bool = False
    """Whether an output of none is left out, so that the total stands for it."""


_USAGES = (
    _Counts(("prompt_tokens",), ("completion_tokens",), "total_tokens", ("prompt_tokens_details", "cached_tokens")),
    _Counts(
        ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        ("output_tokens",),
        "total_tokens",
        ("cache_read_input_tokens",),
    ),
    _Counts(
        ("promptTokenCount", "toolUsePromptTokenCount"),
        ("candidatesTokenCount", "thoughtsTokenCount"),
        "totalTokenCount",
        ("cachedContentTokenCount",),
        omits_zero=True,  # https://protobuf.dev/programming-guides/json: a field that is zero is not written
    ),
)
"""Chat Completions, and what speaks it, such as Mistral and Groq; the Responses and Messages APIs; Gemini."""


def usage_of(body: Any) -> Usage | None:
    """Return what a reply used, by the plain numbers on the wire; None if they are not there, or cannot be believed.

    What a total has beyond its parts counts as output: some providers leave the tokens of thoughts out of the parts.
    """
    counts = member(body, "usage") or member(body, "usageMetadata")
    names = next((names for names in _USAGES if member(counts, names.input[0]) is not None), None)
    if names is None:
        return None
    total = member(counts, names.total)
    is_left_out = names.omits_zero and is_count(total)
    given, made = _sum(counts, names.input), _sum(counts, names.output, may_lack=is_left_out)
    if given is None or made is None or not (total is None or is_count(total)):
        return None
    cached: Any = counts
    for name in names.cached:
        cached = member(cached, name)
    return trusted_usage(given, max(made, (total or 0) - given), 0 if cached is None else cached)


def _sum(counts: Any, names: tuple[str, ...], *, may_lack: bool = False) -> int | None:
    """Return the sum of some counts, of which the first must be there; None if one is no count."""
    values = [member(counts, name) for name in names]
    parts = [value for value in values if value is not None]
    is_there = may_lack or values[0] is not None
    return sum(parts) if is_there and all(map(is_count, parts)) else None
