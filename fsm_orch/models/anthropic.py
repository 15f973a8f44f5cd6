"""Models of Anthropic, and of servers that speak its Messages API: one call is one request of the `anthropic` SDK.

Replies are read from the wire as plain JSON, because the SDK builds its objects without validation: any reply becomes a
`Response` or a `CallFailed`. A failure keeps only the codes and ids of an error: its message may quote a prompt or a
key. Nothing but `open_messages` looks into the environment.

Only what system, user and assistant said is sent; tool calls and their results are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from anthropic import AsyncAnthropic
from msgspec.structs import replace
from pydantic import SecretStr

from ..amounts import Price, Usage, trusted_usage
from ..errors import CallFailed
from ..settings import ModelSettings
from .anthropic_events import MessagesAssembly
from .base import OnPiece, Request, Response
from .events import Events
from .http import (
    LOOK_UP_TIMEOUT_S,
    STATUSES,
    TIMEOUT,
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
from .http import OVERFLOW as _OVERFLOW
from .http import QUOTA as _QUOTA
from .prices import ANTHROPIC_MAX_INPUT_TOKENS, anthropic_price
from .refused import by_anthropic, not_taken
from .replied import response
from .turns import said, turns
from .wire import (
    byte_bound,
    check_cap,
    environment_key,
    error_in,
    finish_of,
    json_of,
    json_text,
    member,
)

BASE_URL = "https://api.anthropic.com"

MAX_INPUT_TOKENS = ANTHROPIC_MAX_INPUT_TOKENS

_TEMPLATE_TOKENS = 32
"""What the chat template adds to a conversation. What it adds to each message, the JSON around that message covers."""

_FORMAT_TOKENS = 346
"""What the provider's own prompt adds that explains a schema. Its length is not published. This is the length of the
prompt for tools: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing"""

_COUNT_MARGIN = 32
"""How far the counting endpoint may be short: so many tokens, and one more for every so many that it counted. Its page
says "a small amount"."""

_OUTCOME_UNKNOWN = Failure("outcome_unknown", unsent=False, transient=True)
_INCOMPLETE = Failure("incomplete", unsent=False, transient=False)

MEANINGS: Mapping[str, Failure] = {
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
    "authorization_check_unavailable": STATUSES[503],  # "nothing was done", says the SDK; a 5xx does not prove it
    "change_outcome_unknown": _OUTCOME_UNKNOWN,  # it may be sent again: what was done is not done twice
    "cmek_context_unavailable": STATUSES[503],
    "cmek_key_unreachable": STATUSES[503],
    "registration_pending": STATUSES[503],
    "workspace_created_incomplete": _INCOMPLETE,  # it must not be sent again: what was done would be done twice
    "compaction_unavailable": STATUSES[529],
    "prompt is too long": _OVERFLOW,
    "exceed context limit": _OVERFLOW,
    "credit balance is too low": _QUOTA,
}
"""Error code, error type, or words of a message that has no code of its own -> meaning.

Not here: `invalid_request_error` and `api_error`, which say no more than the status does. A refused request cost
nothing if both its status and its meaning say so.
"""

_TOLD: Mapping[str, Failure] = {
    **MEANINGS,
    "invalid_request_error": STATUSES[400],
    "api_error": status_failure(500),
}
"""The same for an error in the body of a 200, where no status says anything."""

_WORD = re.compile(r"[a-z_]{1,64}")
_REQUEST_ID = re.compile(r"req_[A-Za-z0-9]{1,64}")


class MessagesModel:
    """A model behind the Messages API.

    Args:
        model: the provider's name of it.
        api_key: sent with every request, and never shown.
        base_url: where the API is.
        price: what tokens cost; None: at Anthropic's own API the installed price table's, elsewhere unknown.
        timeout_s: seconds that a request may take, from its start to the end of the reply.
        max_input_tokens: larger requests are refused, since a model has one price here and long inputs cost more.
        exact_count: ask the counting endpoint how large a request is. That is free, but it is a second request.
            Otherwise the bytes bound it, several times too high for most texts.
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
        self._is_anthropic = base_url.rstrip("/") == BASE_URL
        if price is None and self._is_anthropic:
            self.price = anthropic_price(model, max_input_tokens=max_input_tokens)
        self._model = model
        self._api_key = SecretStr(checked_key(api_key))  # a plain str would show in tracebacks and reprs
        self._base_url = checked_url(base_url)
        self._timeout_s = timeout_s
        self._max_input_tokens = max_input_tokens
        self._is_exact = exact_count
        self._clients = PerLoop(self._client, transport=transport)

    async def count(self, request: Request) -> int:
        """Return an upper bound of the input tokens.

        Anthropic's tokenizer is not published. The bound by bytes assumes that no token is shorter than a byte of the
        text or of its NFKD form, and that the template and the prompt that explains the schema are no longer than the
        constants of this module.

        Raises CallFailed: `bad_input`, if the request cannot be sent; `context_overflow`, if it may be larger than
            `max_input_tokens`; as `complete`, if the counting endpoint failed.
        """
        body = _body(request)
        bound = _bound(body)
        if self._is_exact:
            bound = min(bound, await self._counted(body))  # both hold, so the lower one does
        self._admit(bound)
        return bound

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what of some settings the model cannot keep to."""
        return not_taken(settings, by_anthropic(self._model, settings))

    async def warm(self) -> None:
        """Open a connection, and ask for the model by its name, which is free.

        Raises CallFailed: if the name or the key is wrong, or the server is not there. Another server than Anthropic's
            need not know how to look a model up.
        """
        client = await self._clients.get()

        async def retrieve() -> object:
            return await client.models.with_raw_response.retrieve(self._model)

        try:
            await once(min(self._timeout_s, LOOK_UP_TIMEOUT_S), retrieve, _refused)
        except CallFailed as error:
            if self._is_anthropic or error.reason not in ("not_found", "bad_request"):
                raise

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        """Send the request once, streamed if somebody listens; a cancellation closes its connection.

        Raises CallFailed: if it failed, or its reply cannot be read.
        """
        body = _body(request)
        if not self._is_exact:  # else the bytes may be too many though the tokens, which `count` has asked for, are not
            self._admit(_bound(body))
        body, timeout_s = {**body, "max_tokens": request.max_output_tokens}, request.settings.timeout_s
        events = None if on_text is None else Events(MessagesAssembly(), on_text)
        if events is not None:
            # by `extra_body`, or the SDK would read the stream, which the transport has read by then
            body["extra_body"] = {"stream": True}
        return _response(await self._send("create", body, timeout_s, events))

    def _admit(self, bound: int) -> None:
        if bound > self._max_input_tokens:
            detail = f"its input may be {bound:,} tokens, the largest is {self._max_input_tokens:,}"
            raise CallFailed("context_overflow", detail, unsent=True)

    async def _counted(self, body: Mapping[str, Any]) -> int:
        try:
            reply = await self._send("count_tokens", body)
        except CallFailed as error:
            error.unsent = True  # however it failed: counting is free
            raise
        counted = trusted_usage(member(reply, "input_tokens"), 0)
        if counted is None:
            raise CallFailed("unreadable", "the counting endpoint gave no number", unsent=True)
        return counted.input_tokens + counted.input_tokens // _COUNT_MARGIN + _COUNT_MARGIN

    async def _send(
        self,
        method: Literal["create", "count_tokens"],
        body: Mapping[str, Any],
        timeout_s: float | None = None,
        events: Events | None = None,
    ) -> Any:
        """Return the JSON of a successful reply; None if it is not JSON.

        Args:
            events: hears it, where a stream was asked for.

        Raises CallFailed: if the request failed, or its stream cannot be read.
        """
        client = await self._clients.get()
        # the raw response, since the SDK would build its own classes of the body for nobody
        call = getattr(client.messages.with_raw_response, method)
        content = await once(timeout_s or self._timeout_s, lambda: call(model=self._model, **body), _refused, events)
        return json_of(content) if events is None else events.reply(content)

    def _client(self, http: Client) -> AsyncAnthropic:
        """Build the SDK's client. Every argument stands here, since it looks for missing ones in the environment."""
        client = AsyncAnthropic(
            api_key=self._api_key.get_secret_value(),
            base_url=self._base_url,
            http_client=http,
            timeout=http.timeout,  # ours; and given, since without one the SDK refuses a cap above about 21,000 tokens
            max_retries=0,  # the transport would hold them back: `resilience.retry` makes them, with a reservation each
            open_telemetry=False,
            webhook_key="",
        )
        client._custom_headers = {}  # or those of ANTHROPIC_CUSTOM_HEADERS are sent; there is no option for it
        return client


def open_messages(model: str) -> MessagesModel:
    """Return a model of Anthropic, with the key in `ANTHROPIC_API_KEY`.

    Raises ModelUnavailable: if that is not set.
    """
    return MessagesModel(model, api_key=environment_key("Anthropic", "ANTHROPIC_API_KEY"))


def _body(request: Request) -> dict[str, Any]:
    """Return the body of a request, all but its cap: the counting endpoint takes none.

    Raises CallFailed: `bad_input`, if it is not valid Unicode, its schema is not JSON, or it allows no output.
    """
    check_cap(request)
    body: dict[str, Any] = {"messages": turns(request.messages)}
    system = "\n\n".join(said("system", request.messages))
    if system:
        body["system"] = system
    output: dict[str, Any] = {}
    if request.schema is not None:
        output["format"] = {"type": "json_schema", "schema": dict(request.schema)}
    if request.settings.reasoning_effort is not None:
        output["effort"] = request.settings.reasoning_effort
    if output:
        body["output_config"] = output
    json_text(body)  # refused here, for inside the SDK it would fail with an exception that holds the prompt
    return body


def _bound(body: Mapping[str, Any]) -> int:
    """Return a bound of the input tokens by bytes.

    The schema counts twice: nothing says how the prompt that explains it shows it, perhaps longer than its JSON.
    """
    said = {key: value for key, value in body.items() if key != "output_config"}
    bound = _TEMPLATE_TOKENS + _bytes(said)
    if "output_config" in body:
        bound += _FORMAT_TOKENS + 2 * _bytes(body["output_config"])
    return bound


def _bytes(value: Any) -> int:
    return byte_bound(json.dumps(value, ensure_ascii=False))


def _response(reply: Any) -> Response:
    """Read a reply, as JSON.

    Raises CallFailed: as `response` does.
    """
    blocks, failure = member(reply, "content"), told_failure(_error(reply), _TOLD)
    text = "".join(map(_text, blocks)) if isinstance(blocks, list) else None
    failed = None if failure is None else failure.error("HTTP 200, and its body says that it failed")
    return response(text, _usage(member(reply, "usage")), *finish_of(member(reply, "stop_reason")), failed=failed)


def _error(reply: Any) -> Any:
    """Return the error that a body tells, under the most specific of its words; None if it tells none."""
    error = error_in(reply)
    known = [word for word in _words(reply) if isinstance(word, str) and word in _TOLD]
    return {**error, "code": known[0]} if isinstance(error, Mapping) and error and known else error


def _text(block: Any) -> str:
    """Return the text of a block; empty for thinking and every other kind."""
    text = member(block, "text") if member(block, "type") == "text" else None
    return text if isinstance(text, str) else ""


def _usage(counts: Any) -> Usage | None:
    """Read the usage: input that was written to a cache or read from it is not in `input_tokens`, and is added.

    The counts may be anything, as the SDK validates none of them. If one is not a plain int, none is believed: the call
    then costs its whole reservation, which is the safe side.
    """
    written, read = (
        0 if count is None else count
        for count in (member(counts, "cache_creation_input_tokens"), member(counts, "cache_read_input_tokens"))
    )
    parts = [
        trusted_usage(member(counts, "input_tokens"), member(counts, "output_tokens")),
        trusted_usage(written, 0),
        trusted_usage(read, 0, read),
    ]
    known = [part for part in parts if part is not None]
    return replace(sum(known, Usage()), requests=1) if len(known) == len(parts) else None


def _refused(answer: Answer) -> CallFailed:
    """Return what an answer means that is no success."""
    body = json_of(answer.content)
    wait_s = retry_after_s(answer.headers)
    return _meaning(answer.status_code, body).error(_detail(answer, body), retry_after_s=wait_s)


def _meaning(status: int, body: Any) -> Failure:
    """Return what a refusal means. Words say why; that it cost nothing, or may pass, words and status must both say."""
    by_status = status_failure(status)
    for word in _words(body):
        known = MEANINGS.get(word) if isinstance(word, str) else None
        if known is not None:
            unsent, transient = by_status.unsent and known.unsent, by_status.transient and known.transient
            return replace(known, unsent=unsent, transient=transient)
    return by_status


def _words(body: Any) -> list[Any]:
    """Return what may say why a request was refused, the most specific first."""
    error = error_in(body)
    message = str(member(error, "message"))
    named = [word for word in MEANINGS if " " in word and word in message]
    return [*named, member(member(error, "details"), "error_code"), member(error, "type")]


def _detail(answer: Answer, body: Any) -> str:
    """Return the codes and ids of a refusal, each only if it looks like one: anything else may quote a prompt."""
    said = error_in(body)
    codes = [member(said, "type"), member(member(said, "details"), "error_code")]
    parts = [f"HTTP {answer.status_code}", *(code for code in codes if isinstance(code, str) and _WORD.fullmatch(code))]
    return " ".join([*parts, *_REQUEST_ID.findall(answer.headers.get("request-id", ""))[:1]])
