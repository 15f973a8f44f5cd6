"""OpenAI's own models, through the Responses API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from openai import AsyncOpenAI

from ...amounts import Price, trusted_usage
from ...messages import Message
from ...settings import Effort, ModelSettings
from ..base import OnPiece, Request, Response
from ..events import Events
from ..http import Transport
from ..prices import openai_price
from ..refused import NO_SEED, by_openai, not_taken
from ..replied import response
from ..wire import finish_of, member
from .client import OPENAI_URL, TIMEOUT_S, Endpoint, told
from .counting import Encoding, encoding_of, input_bound, loaded, texts_of
from .replies import items, joined
from .streamed import ResponsesAssembly


class ResponsesModel:
    """A model of OpenAI's Responses API.

    Nothing is stored there, and an input that does not fit is refused, not cut. The tokens that a model spends thinking
    are output: they are charged, and if `max_output_tokens` is too low for them, no answer comes.

    Args:
        model: OpenAI's name of it; pin a dated one, so that neither the model nor its price changes.
        api_key: its key; nothing is read from the environment.
        base_url: the endpoint. For any but OpenAI's own, tokens are counted in bytes and no price is known.
        effort: how much a reasoning model thinks, where an agent's settings do not say; None: the provider's default.
        price: what tokens cost; None: at OpenAI itself the installed price table's, elsewhere unknown.
        timeout_s: seconds that a call may take in all.
        transport: what to send through instead of the network.

    Raises ValueError: if the key cannot be sent in a header, or the URL cannot be called.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str,
        base_url: str = OPENAI_URL,
        effort: Effort | None = None,
        price: Price | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: Transport | None = None,
    ) -> None:
        self._endpoint = Endpoint(api_key=api_key, base_url=base_url, timeout_s=timeout_s, transport=transport)
        is_openai = self._endpoint.is_openai
        self.name = f"openai:{model}"
        self._model = model
        self.price = openai_price(model) if price is None and is_openai else price
        self._encoding: Encoding | None = encoding_of(model) if is_openai else None
        self._fixed: dict[str, Any] = {"model": model, "store": False, "truncation": "disabled"}
        if is_openai:
            self._fixed["service_tier"] = "default"  # or a setting of the project may choose a tier at twice the price
        if effort is not None:
            self._fixed["reasoning"] = {"effort": effort}

    def __repr__(self) -> str:
        return f"ResponsesModel({self.name!r})"

    async def count(self, request: Request) -> int:
        """Return an upper bound of the request's input tokens; the module `counting` says what it assumes.

        Raises CallFailed: `bad_input`, if the request cannot be sent.
        """
        return await input_bound(request, self._encoding)

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what of some settings the model cannot keep to; of another endpoint's models little is known."""
        effort = settings.reasoning_effort or self._fixed.get("reasoning", {}).get("effort")
        known = settings.model_copy(update={"reasoning_effort": effort})
        return not_taken(settings, NO_SEED | (by_openai(self._model, known) if self._endpoint.is_openai else {}))

    async def warm(self) -> None:
        """Load the tokenizer, open a connection, and ask the server for the model by its name, which is free.

        Raises CallFailed: if the name or the key is wrong, or the server is not there.
        """
        await asyncio.gather(self._endpoint.warm(self._model, _part), loaded(self._encoding))

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        """Send the request once, streamed if somebody listens; a cancellation closes its connection.

        Raises CallFailed: if it failed, or its reply cannot be read.
        """
        texts_of(request)  # only to check it: a lone surrogate would fail inside the SDK
        body, events = self._fixed | _body(request), None
        if on_text is not None:
            body["stream"], events = True, Events(ResponsesAssembly(), on_text)

        async def create(sdk: AsyncOpenAI) -> Any:
            # All of the body, for the reason that the module `client` gives.
            return await _part(sdk).create(extra_body=body)

        return _read(await self._endpoint.send(create, request.settings.timeout_s, events))


def _part(sdk: AsyncOpenAI) -> Any:
    return sdk.responses.with_raw_response


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "input": [item for message in request.messages for item in _items(message)],
        "max_output_tokens": request.max_output_tokens,
    }
    settings = request.settings.chosen
    body |= {name: settings[name] for name in ("temperature", "top_p") if name in settings}
    if "reasoning_effort" in settings:
        body["reasoning"] = {"effort": settings["reasoning_effort"]}
    if request.schema is not None:
        schema = {"type": "json_schema", "name": "decision", "strict": True, "schema": dict(request.schema)}
        body["text"] = {"format": schema}
    return body


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield a message, and each tool call of it, as an item of its own."""
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": message.content}
    elif message.content or not message.tool_calls:
        yield {"role": message.role, "content": message.content}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _read(reply: Any) -> Response:
    counts = member(reply, "usage")
    cached = member(member(counts, "input_tokens_details"), "cached_tokens")
    usage = trusted_usage(member(counts, "input_tokens"), member(counts, "output_tokens"), cached)
    contents = [
        content
        for item in items(member(reply, "output"))
        if member(item, "type") == "message"
        for content in items(member(item, "content"))
    ]
    text, refusal = joined(contents, "output_text", "text"), joined(contents, "refusal", "refusal")
    ended = "refusal" if refusal is not None else _ended(reply)
    return response(refusal if text is None else text, usage, *finish_of(ended), failed=told(reply))


def _ended(reply: Any) -> Any:
    reason = member(member(reply, "incomplete_details"), "reason")
    if reason is not None:
        return reason
    # the status does not tell it, and a model that reads no more than "empty" would call again
    has_called = any(member(item, "type") == "function_call" for item in items(member(reply, "output")))
    return "function_call" if has_called else member(reply, "status")
