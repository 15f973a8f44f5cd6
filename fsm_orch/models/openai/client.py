"""One request through OpenAI's SDK, and what it means if it fails.

Nothing here retries, follows a redirect, or lets an environment variable change a request. A body goes to `.create()`
whole, as `extra_body`, since the SDK would walk through typed arguments once more, for a millisecond or two of CPU. It
never goes to `.parse()`, which raises on a bad enum or truncated JSON, so that the usage of a billed call is lost. A
reply is read as plain JSON, since the SDK builds its own classes without validation. A failure keeps only the codes and
ids of an error: its message may quote a prompt or a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import openai
from openai import AsyncOpenAI
from pydantic import SecretStr

from ...errors import CallFailed
from ..http import OVERFLOW as _OVERFLOW
from ..http import QUOTA as _QUOTA
from ..http import SDK_ERROR as _MISUSED
from ..http import (
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

OPENAI_URL = "https://api.openai.com/v1"

TIMEOUT_S = 60.0
"""Seconds that a call may take in all, by default."""

CODES: Mapping[str, Failure] = {
    "insufficient_quota": _QUOTA,
    "billing_hard_limit_reached": _QUOTA,
    "billing_not_active": _QUOTA,
    "context_length_exceeded": _OVERFLOW,
    "exceed_context_size_error": _OVERFLOW,
}
"""`code` or `type` of a 4xx -> meaning, where the status code alone says too little; the last is llama.cpp's."""

_SAYS_OVERFLOW = re.compile(r"maximum context length|context (length|window|size)", re.IGNORECASE)
"""What the message of a compatible server says if an input is too long; many send no code."""


def _of_status(error: openai.APIStatusError) -> Failure:
    failure = status_failure(error.status_code)
    if not failure.unsent:  # a 5xx may be billed, whatever its code says
        return failure
    named = [CODES[word] for word in (error.code, error.type) if isinstance(word, str) and word in CODES]
    if not named and error.status_code == 400 and _SAYS_OVERFLOW.search(error.message):
        return _OVERFLOW
    return named[0] if named else failure


def _of_transport(error: openai.APIConnectionError) -> Failure:
    return transport_failure(error.__cause__)


def _unreadable(_: Exception) -> Failure:
    return UNREADABLE


def _misused(_: Exception) -> Failure:
    return _MISUSED


FAILURES: Mapping[type[Exception], Callable[[Any], Failure]] = {
    openai.APIStatusError: _of_status,
    openai.BadRequestError: _of_status,
    openai.AuthenticationError: _of_status,
    openai.OAuthError: _of_status,
    openai.PermissionDeniedError: _of_status,
    openai.NotFoundError: _of_status,
    openai.ConflictError: _of_status,
    openai.UnprocessableEntityError: _of_status,
    openai.RateLimitError: _of_status,
    openai.InternalServerError: _of_status,
    openai.APIConnectionError: _of_transport,
    openai.APITimeoutError: _of_transport,
    openai.APIResponseValidationError: _unreadable,
    openai.APIError: _unreadable,
    openai.LengthFinishReasonError: _unreadable,
    openai.ContentFilterFinishReasonError: _unreadable,
    openai.InvalidWebhookSignatureError: _misused,
    openai.WebSocketConnectionClosedError: _misused,
    openai.WebSocketQueueFullError: _misused,
    openai.OpenAIError: _misused,
    Exception: _unreadable,
}
"""Exception of the SDK -> meaning; a subclass that is not listed means what its nearest base does."""


class Endpoint:
    """A server that speaks OpenAI's protocols.

    Args:
        api_key: its key; any text if the server wants none.
        base_url: where it is, with the version at its end.
        timeout_s: seconds that a call may take in all.
        transport: what to send through instead of the network.

    Raises ValueError: if the key cannot be sent in a header, or the URL cannot be called.
    """

    def __init__(self, *, api_key: str, base_url: str, timeout_s: float, transport: Transport | None) -> None:
        self._api_key = SecretStr(checked_key(api_key))
        self._base_url = checked_url(base_url)
        self._timeout_s = timeout_s
        self._sdk = PerLoop(self._build, transport=transport)

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself, whose prices and tokenizers are known."""
        return self._base_url.rstrip("/") == OPENAI_URL

    async def send(self, create: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
        """Send one request, and return the JSON of its reply.

        Args:
            create: calls one `with_raw_response.create` of the client.

        Raises CallFailed: if it failed, was refused, took too long, or its reply is not JSON.
        """
        sdk = await self._sdk.get()
        try:
            reply = await within(self._timeout_s, create(sdk))
            return json.loads(reply.http_response.content)
        except CallFailed:
            raise
        except Exception as error:
            failed = self._failed(error)
        raise failed  # out here, or the SDK's exception, which holds the prompt and the key, is chained to it

    def _failed(self, error: Exception) -> CallFailed:
        failure = next(FAILURES[base] for base in type(error).__mro__ if base in FAILURES)(error)
        if not isinstance(error, openai.APIStatusError):
            return failure.error(type(error.__cause__ or error).__name__)
        # The shapes of codes and ids alone would let a key through.
        said = _said(error).replace(self._api_key.get_secret_value(), "[key]")
        return failure.error(said, retry_after_s=retry_after_s(error.response.headers))

    def _build(self, client: Client) -> AsyncOpenAI:
        sdk = AsyncOpenAI(
            api_key=self._api_key.get_secret_value(),
            admin_api_key="",  # this and each empty value below: a missing one is looked for in the environment
            organization="",
            project="",
            webhook_secret="",
            base_url=self._base_url,
            max_retries=0,  # each retry may be billed: `resilience.retry` makes them, with a reservation each
            default_headers={},
            default_query={},
            http_client=client,
        )
        # None above would mean: look into the environment; and "" would be sent as a header.
        sdk.organization = sdk.project = None
        sdk._custom_headers = {}  # or those of OPENAI_CUSTOM_HEADERS are sent; there is no option for it
        return sdk


_WORDS: Mapping[str, re.Pattern[str]] = {
    "code": re.compile(r"[a-z0-9_]{1,64}"),
    "type": re.compile(r"[a-z0-9_]{1,64}"),
    "param": re.compile(r"[a-z0-9_.\[\]]{1,64}"),
    "request_id": re.compile(r"[A-Za-z0-9_-]{1,64}"),
}
"""The attributes of an error that may be shown, and what each must look like: anything else may quote a prompt."""


def _said(error: openai.APIStatusError) -> str:
    values = ((name, getattr(error, name), shape) for name, shape in _WORDS.items())
    words = [f"{name} {value}" for name, value, shape in values if isinstance(value, str) and shape.fullmatch(value)]
    return ", ".join([f"HTTP {error.status_code}", *words])
