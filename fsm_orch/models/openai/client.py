"""One request through OpenAI's SDK, and what it means if it fails.

Nothing here lets an environment variable change a request. A body goes to `.create()` whole, as `extra_body`, since the
SDK would walk through typed arguments once more, for a millisecond or two of CPU. A reply is read from the wire as
plain JSON, since the SDK builds its own classes without validation. A failure keeps only the codes and ids of an error:
its message may quote a prompt or a key.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from openai import AsyncOpenAI
from pydantic import SecretStr

from ...errors import CallFailed
from ..events import Events
from ..http import (
    LOOK_UP_TIMEOUT_S,
    STATUSES,
    UNREADABLE,
    Answer,
    Client,
    Failure,
    PerLoop,
    Transport,
    checked_key,
    checked_url,
    once,
    retry_after_s,
    status_failure,
    told_failure,
)
from ..http import OVERFLOW as _OVERFLOW
from ..http import QUOTA as _QUOTA
from ..wire import error_in, is_stream, json_of, member

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

_TOLD: Mapping[str, Failure] = {
    **CODES,
    "rate_limit_exceeded": STATUSES[429],
    "rate_limit_error": STATUSES[429],
    "RESOURCE_EXHAUSTED": STATUSES[429],
    "invalid_request_error": STATUSES[400],
    "invalid_prompt": STATUSES[400],
    "invalid_api_key": STATUSES[401],
    "authentication_error": STATUSES[401],
    "permission_error": STATUSES[403],
    "model_not_found": STATUSES[404],
    "overloaded_error": STATUSES[503],
}
"""`code` or `type` of an error in the body of a 200 -> meaning, where it is no status code."""

_NO_SCOPE = Failure("no_scope", unsent=True, transient=False)
"""The key is right, and may not do this."""

_SAYS_NO_SCOPE = re.compile(r"missing scopes?:", re.IGNORECASE)
"""What OpenAI says with a 401 to a restricted key; of a wrong one it says that, by its code."""

_SAYS_OVERFLOW = re.compile(r"maximum context length|context (length|window|size)", re.IGNORECASE)
"""What the message of a compatible server says if an input is too long; many send no code."""


def told(reply: Any, *parts: Any) -> CallFailed | None:
    """Return the failure that the body of a 200 tells, itself or in one of its parts; None if it tells none.

    Args:
        reply: the body, as JSON.
        parts: what else of it may hold an error.
    """
    for error in map(error_in, (reply, *parts)):
        failure = told_failure(error, _TOLD)
        if failure is not None:
            return failure.error("HTTP 200, and its body says that it failed")
    return None


_SAYS_NOTHING = frozenset({"no_scope"})
"""How a server may answer who looks a model up, and complete his requests: a restricted key need not be let to look."""

_SAYS_LITTLE = _SAYS_NOTHING | {"not_found", "bad_request", "unreadable"}
"""How another server than OpenAI may answer besides, since few of them know how to look a model up."""


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

    async def send(
        self,
        create: Callable[[AsyncOpenAI], Awaitable[Any]],
        timeout_s: float | None = None,
        events: Events | None = None,
    ) -> Any:
        """Send one request, and return the JSON of its reply.

        Args:
            create: calls one `with_raw_response.create` of the client.
            timeout_s: seconds that it may take in all; None: as for all.
            events: hears the reply, where a stream was asked for.

        Raises CallFailed: if it failed, was refused, took too long, was cut off, or its reply is not JSON.
        """
        sdk = await self._sdk.get()
        content = await once(timeout_s or self._timeout_s, lambda: create(sdk), self._refused, events)
        body = json_of(content) if events is None else events.reply(content)
        if body is None:
            raise UNREADABLE.error(f"the reply is {'a stream of events' if is_stream(content) else 'not JSON'}")
        return body

    async def warm(self, model: str, part: Callable[[AsyncOpenAI], object]) -> None:
        """Ask whether there is a model of a name, which is free; it opens a connection, too. It has ten seconds.

        Args:
            part: looks at the part of the SDK that requests go through, which is imported when it is first looked at.

        Raises CallFailed: if it failed, or was refused. Of another server than OpenAI's a refusal counts only if it is
            of the key. One that the key is too restricted for never counts: it may still be let to ask the model.
        """

        async def retrieve(sdk: AsyncOpenAI) -> Any:
            return await sdk.models.with_raw_response.retrieve(model)

        await asyncio.to_thread(part, await self._sdk.get())
        try:
            await self.send(retrieve, min(self._timeout_s, LOOK_UP_TIMEOUT_S))
        except CallFailed as error:
            if error.reason not in (_SAYS_NOTHING if self.is_openai else _SAYS_LITTLE):
                raise

    def _refused(self, answer: Answer) -> CallFailed:
        body = json_of(answer.content)
        error = error_in(body)
        error = error if isinstance(error, Mapping) else body
        words = {name: member(error, name) for name in ("code", "type", "param")}
        words["request_id"] = answer.headers.get("x-request-id")
        # The shapes of codes and ids alone would let a key through.
        said = _said(answer.status_code, words).replace(self._api_key.get_secret_value(), "[key]")
        failure = _of_status(answer.status_code, words, str(member(error, "message")))
        return failure.error(said, retry_after_s=retry_after_s(answer.headers))

    def _build(self, client: Client) -> AsyncOpenAI:
        sdk = AsyncOpenAI(
            api_key=self._api_key.get_secret_value(),
            admin_api_key="",  # this and each empty value below: a missing one is looked for in the environment
            organization="",
            project="",
            webhook_secret="",
            base_url=self._base_url,
            max_retries=0,  # the transport would hold them back: `resilience.retry` makes them, with a reservation each
            default_headers={},
            default_query={},
            http_client=client,
        )
        # None above would mean: look into the environment; and "" would be sent as a header.
        sdk.organization = sdk.project = None
        sdk._custom_headers = {}  # or those of OPENAI_CUSTOM_HEADERS are sent; there is no option for it
        return sdk


def _of_status(status: int, words: Mapping[str, Any], message: str) -> Failure:
    failure = status_failure(status)
    if not failure.unsent:  # a 5xx may be billed, whatever its code says
        return failure
    named = [CODES[word] for word in (words["code"], words["type"]) if isinstance(word, str) and word in CODES]
    if not named and status in (401, 403) and _SAYS_NO_SCOPE.search(message):
        return _NO_SCOPE
    if not named and status == 400 and _SAYS_OVERFLOW.search(message):
        return _OVERFLOW
    return named[0] if named else failure


_WORDS: Mapping[str, re.Pattern[str]] = {
    "code": re.compile(r"[a-z0-9_]{1,64}"),
    "type": re.compile(r"[a-z0-9_]{1,64}"),
    "param": re.compile(r"[a-z0-9_.\[\]]{1,64}"),
    "request_id": re.compile(r"[A-Za-z0-9_-]{1,64}"),
}
"""What of an error may be shown, and what each must look like: anything else may quote a prompt."""


def _said(status: int, words: Mapping[str, Any]) -> str:
    shown = [f"{name} {words[name]}" for name, shape in _WORDS.items() if shape.fullmatch(_text(words[name]))]
    return ", ".join([f"HTTP {status}", *shown])


def _text(word: Any) -> str:
    return word if isinstance(word, str) else ""
