"""Models of Anthropic, and of servers that speak its Messages API: one call is one request of the `anthropic` SDK.

Replies are read as plain JSON, because the SDK builds its objects without validation: whatever comes back is a
`Response` or a `CallFailed`. A failure keeps only codes and ids of what the provider said: its messages may quote a
prompt or a key. Nothing but `open_messages` looks into the environment.

Of a conversation only what both sides said is sent; tool calls and what tools answered are left out.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from anthropic import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    AsyncAnthropic,
)
from pydantic import SecretStr

from ..amounts import Price, Usage, trusted_usage
from ..errors import CallFailed, ModelUnavailable
from ..messages import Message
from .base import FinishReason, Request, Response
from .http import (
    STATUSES,
    TIMEOUT,
    TRANSPORT,
    UNREADABLE,
    Client,
    Failure,
    PerLoop,
    Transport,
    checked_key,
    checked_url,
    retry_after_s,
    status_failure,
    transport_failure,
    within,
)
from .prices import price_of

BASE_URL = "https://api.anthropic.com"

MAX_INPUT_TOKENS = 200_000
"""The default of the largest input; above it some models cost twice as much."""

_TEMPLATE_TOKENS = 32
"""What the chat template adds to a conversation; of each message it is covered by the JSON around it."""

_FORMAT_TOKENS = 346
"""What the prompt adds that explains a schema. Its length is not published; this is that of the prompt for tools, at
https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#tolls, with the schema itself counted twice."""

_COUNT_MARGIN = 32
"""Tokens, and one in so many, by which the counting endpoint may be short; its page says "a small amount"."""

_FILLER = {"role": "user", "content": "Continue."}
"""Stands where a user's message must: first, and last, or else the model would go on writing its last message."""

_FINISH: Mapping[str, FinishReason] = {"end_turn": "stop", "stop_sequence": "stop", "refusal": "refusal"}
"""`stop_reason` -> ours; by all others (the cap, the end of the context, a pause, a tool) the reply is not whole."""

_QUOTA = STATUSES[402]
_OUTCOME_UNKNOWN = Failure("outcome_unknown", unsent=False, transient=True)
_INCOMPLETE = Failure("incomplete", unsent=False, transient=False)
_OVERFLOW = Failure("context_overflow", unsent=True, transient=False)
_BROKEN = Failure("sdk_error", unsent=False, transient=False)

MEANINGS: Mapping[str | type[BaseException], Failure] = {
    "authentication_error": STATUSES[401],
    "billing_error": _QUOTA,
    "permission_error": STATUSES[403],
    "not_found_error": STATUSES[404],
    "conflict_error": STATUSES[409],
    "memory_path_conflict_error": STATUSES[409],
    "memory_precondition_failed_error": STATUSES[409],
    "request_too_large": STATUSES[413],
    "rate_limit_error": STATUSES[429],
    "timeout_error": TIMEOUT,
    "overloaded_error": STATUSES[529],
    "contract_spend_limit_reached": _QUOTA,
    "enforced_spend_limit_reached": _QUOTA,
    "linked_organization_billing_unavailable": _QUOTA,
    "linked_organization_spend_limit_reached": _QUOTA,
    "ramp_limit_exceeded": STATUSES[429],
    "organization_on_hold": STATUSES[403],
    "authorization_check_unavailable": STATUSES[503],  # "nothing was done", says the SDK; a 5xx is no proof of it
    "change_outcome_unknown": _OUTCOME_UNKNOWN,  # it may be sent again: what was done is not done twice
    "cmek_context_unavailable": STATUSES[503],
    "cmek_key_unreachable": STATUSES[503],
    "registration_pending": STATUSES[503],
    "workspace_created_incomplete": _INCOMPLETE,  # it must not be sent again: what was done would be done twice
    "compaction_unavailable": STATUSES[529],
    "prompt is too long": _OVERFLOW,
    "exceed context limit": _OVERFLOW,
    "credit balance is too low": _QUOTA,
    APIResponseValidationError: UNREADABLE,
    Exception: _BROKEN,
}
"""Error code, error type, words of a message that has no code of its own, or exception -> meaning.

`invalid_request_error` and `api_error` say no more than the status does, and a lost connection is known by its cause:
for both see `fsm_orch.models.http`. A refused request cost nothing if both its status and its meaning say so.
"""

_WORD = re.compile(r"[a-z_]{1,64}")
_REQUEST_ID = re.compile(r"req_[A-Za-z0-9]{1,64}")


class MessagesModel:
    """A model behind the Messages API.

    Args:
        model: the provider's name of it.
        api_key: sent with every request, and shown nowhere.
        base_url: where the API is; other servers than Anthropic's set their own prices.
        price: what tokens cost; None: that of the installed table for Anthropic's own API, else not known.
        timeout_s: seconds that a request takes at most, from its start to the end of the reply.
        max_input_tokens: requests that may be larger are refused. Long inputs have a higher price, and the price
            is one for all calls.
        exact_count: ask the counting endpoint how large a request is, which is free but takes a request of its own.
            Otherwise its bytes bound it, several times higher for most texts.
        transport: what to send through instead of the network, such as a mock.

    Raises ValueError: if the key cannot be sent in a header, or the URL cannot be called.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str,
        base_url: str = BASE_URL,
        price: Price | None = None,
        timeout_s: float = 60.0,
        max_input_tokens: int = MAX_INPUT_TOKENS,
        exact_count: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self.name = f"anthropic:{model}"
        self.price = price
        if price is None and base_url.rstrip("/") == BASE_URL:
            # No `cache_control` is sent, and without it nothing is written to a cache.
            self.price = price_of("anthropic", model, max_input_tokens=max_input_tokens, writes_cache=False)
        self._model = model
        self._api_key = SecretStr(checked_key(api_key))
        self._base_url = checked_url(base_url)
        self._timeout_s = timeout_s
        self._max_input_tokens = max_input_tokens
        self._is_exact = exact_count
        self._clients = PerLoop(self._client, transport=transport)

    async def count(self, request: Request) -> int:
        """Give an upper bound of the input tokens.

        By bytes it holds if no token is shorter than a byte of the text, or of its NFKD form, and the template and the
        prompt that explains the schema are no longer than assumed here. Anthropic's tokenizer is not published.

        Raises CallFailed: if the request is not valid, is larger than `max_input_tokens`, or could not be counted.
        """
        body = _body(request)
        bound = _bound(body)
        if self._is_exact:
            bound = min(bound, await self._counted(body))
        self._admit(bound)
        return bound

    async def complete(self, request: Request) -> Response:
        """Send the request once; a cancellation closes its connection.

        Raises CallFailed: if it failed, or what came back is not a reply.
        """
        body = _body(request)
        if not self._is_exact:  # then `count` has seen to it
            self._admit(_bound(body))
        return _response(await self._send("create", {**body, "max_tokens": request.max_output_tokens}))

    def _admit(self, bound: int) -> None:
        if bound > self._max_input_tokens:
            detail = f"its input may be {bound:,} tokens, the largest is {self._max_input_tokens:,}"
            raise CallFailed("context_overflow", detail, unsent=True)

    async def _counted(self, body: Mapping[str, Any]) -> int:
        try:
            reply = _json(await self._send("count_tokens", body))
        except CallFailed as error:
            error.unsent = True  # counting is free
            raise
        counted = trusted_usage(_member(reply, "input_tokens"), 0)
        if counted is None:
            raise CallFailed("unreadable", "the counting endpoint gave no number", unsent=True)
        return counted.input_tokens + counted.input_tokens // _COUNT_MARGIN + _COUNT_MARGIN

    async def _send(self, method: Literal["create", "count_tokens"], body: Mapping[str, Any]) -> bytes:
        """Give the body of a successful reply.

        Raises CallFailed: outside of `except`, since the SDK's exceptions hold the prompt and the key.
        """
        try:
            return await within(self._timeout_s, self._post(method, body))
        except CallFailed:
            raise
        except Exception as error:
            failed = _failed(error)
        raise failed

    async def _post(self, method: str, body: Mapping[str, Any]) -> bytes:
        client = await self._clients.get()
        call: Awaitable[Any] = getattr(client.messages.with_raw_response, method)(model=self._model, **body)
        content: bytes = (await call).http_response.content
        return content

    def _client(self, http: Client) -> AsyncAnthropic:
        """Build the SDK's client; what is left out here it would look for in the environment."""
        client = AsyncAnthropic(
            api_key=self._api_key.get_secret_value(),
            base_url=self._base_url,
            http_client=http,
            timeout=http.timeout,
            max_retries=0,
            open_telemetry=False,
            webhook_key="",
        )
        client._custom_headers = {}  # or those of ANTHROPIC_CUSTOM_HEADERS are sent; there is no option for it
        return client


def open_messages(model: str) -> MessagesModel:
    """Give a model of Anthropic, with the key of the environment.

    Raises ModelUnavailable: if there is none.
    """
    key = os.environ.get("ANTHROPIC_API_KEY", "").strip()
    if not key:
        raise ModelUnavailable("Anthropic needs a key; set the environment variable ANTHROPIC_API_KEY")
    return MessagesModel(model, api_key=key)


def _body(request: Request) -> dict[str, Any]:
    """Write a request on the wire, all but its cap.

    Raises CallFailed: if it is not valid Unicode, or asks for no output.
    """
    body: dict[str, Any] = {"messages": _turns(request.messages)}
    system = "\n\n".join(_said("system", request.messages))
    if system:
        body["system"] = system
    if request.schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.schema)}}
    if request.max_output_tokens < 1:
        raise CallFailed("bad_input", "max_output_tokens must be at least 1: one token is always made", unsent=True)
    fault = _fault(body)
    if fault is not None:
        raise CallFailed("bad_input", fault, unsent=True)
    return body


def _fault(body: Mapping[str, Any]) -> str | None:
    """Say why a body cannot be sent; None if it can."""
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "it holds a lone surrogate, which is not Unicode text"
    except (TypeError, ValueError, RecursionError):
        return "its schema is not JSON"
    return None


def _said(role: str, messages: Iterable[Message]) -> list[str]:
    """Give the texts of a role; blank ones are refused by the API."""
    return [message.content for message in messages if message.role == role and message.content.strip()]


def _turns(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Let user and assistant take turns, from the user to the user."""
    turns: list[dict[str, str]] = []
    for message in messages:
        for text in [*_said("user", [message]), *_said("assistant", [message])]:
            if turns and turns[-1]["role"] == message.role:
                turns[-1]["content"] += "\n\n" + text
            else:
                turns.append({"role": message.role, "content": text})
    head = [] if turns and turns[0]["role"] == "user" else [dict(_FILLER)]
    tail = [] if not turns or turns[-1]["role"] == "user" else [dict(_FILLER)]
    return [*head, *turns, *tail]


def _bound(body: Mapping[str, Any]) -> int:
    """Bound the input tokens by bytes, those of the schema counted twice."""
    said = {key: value for key, value in body.items() if key != "output_config"}
    bound = _TEMPLATE_TOKENS + _bytes(said)
    if "output_config" in body:
        bound += _FORMAT_TOKENS + 2 * _bytes(body["output_config"])
    return bound


def _bytes(value: Any) -> int:
    """Measure JSON as it is, and in the longest of the forms that a tokenizer may bring it to."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii():
        return len(text)
    return max(len(text.encode()), len(unicodedata.normalize("NFKD", text).encode()))


def _json(content: bytes) -> Any:
    """Read JSON; None if it is none, or is nested too deep."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _response(content: bytes) -> Response:
    """Read a reply; with content or usage it is one, so that what a billed call used is not lost.

    Raises CallFailed: if it has neither.
    """
    reply = _json(content)
    usage, blocks, reason = _usage(_member(reply, "usage")), _member(reply, "content"), _member(reply, "stop_reason")
    if not isinstance(blocks, list):
        if usage is None:
            raise UNREADABLE.error("a reply without content and usage")
        blocks, reason = [], None
    finish = _FINISH.get(reason, "length") if isinstance(reason, str) else "length"
    return Response(text="".join(map(_text, blocks)), usage=usage, finish=finish)


def _text(block: Any) -> str:
    """Give the text of a block, without lone surrogates; thinking and all else have none."""
    text = _member(block, "text") if _member(block, "type") == "text" else None
    return text.encode(errors="replace").decode() if isinstance(text, str) else ""


def _usage(counts: Any) -> Usage | None:
    """Read the counts: what was written to a cache and read from it is input too."""
    cached = [_member(counts, "cache_creation_input_tokens"), _member(counts, "cache_read_input_tokens")]
    parts = [trusted_usage(0 if count is None else count, 0) for count in cached]
    parts.append(trusted_usage(_member(counts, "input_tokens"), _member(counts, "output_tokens")))
    known = [part for part in parts if part is not None]
    return replace(sum(known, Usage()), requests=1) if len(known) == len(parts) else None


def _failed(error: Exception) -> CallFailed:
    """Tell what an exception of the SDK, or one that leaked through it, means."""
    if isinstance(error, APIStatusError):
        wait_s = retry_after_s(error.response.headers)
        return _meaning(error.status_code, error.body).error(_detail(error), retry_after_s=wait_s)
    if isinstance(error, APIConnectionError):
        return transport_failure(error.__cause__).error(type(error.__cause__ or error).__name__)
    known: dict[Any, Failure] = {**MEANINGS, **TRANSPORT}
    meaning = next(known[base] for base in type(error).__mro__ if base in known)  # `Exception` is
    return meaning.error(str(error) if isinstance(error, DeprecationWarning) else type(error).__name__)


def _meaning(status: int, body: Any) -> Failure:
    """Tell what a refusal means: its words say why; that it cost nothing, or may pass, both they and its status say."""
    by_status = status_failure(status)
    for word in _words(body):
        known = MEANINGS.get(word) if isinstance(word, str) else None
        if known is not None:
            unsent, transient = by_status.unsent and known.unsent, by_status.transient and known.transient
            return replace(known, unsent=unsent, transient=transient)
    return by_status


def _words(body: Any) -> list[Any]:
    """Give what a refusal may be known by, the most telling first."""
    error = _member(body, "error")
    message = str(_member(error, "message"))
    told = [word for word in MEANINGS if isinstance(word, str) and " " in word and word in message]
    return [*told, _member(_member(error, "details"), "error_code"), _member(error, "type")]


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _detail(error: APIStatusError) -> str:
    """Show the codes and ids of a refusal."""
    said = _member(error.body, "error")
    codes = [_member(said, "type"), _member(_member(said, "details"), "error_code")]
    parts = [f"HTTP {error.status_code}", *(code for code in codes if isinstance(code, str) and _WORD.fullmatch(code))]
    return " ".join([*parts, *_REQUEST_ID.findall(error.request_id or "")[:1]])
