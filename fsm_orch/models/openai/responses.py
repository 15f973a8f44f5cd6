"""OpenAI's own models, through the Responses API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from openai import AsyncOpenAI

from ...amounts import Price, trusted_usage
from ...messages import Message
from ..base import FinishReason, Request, Response
from ..http import Transport, status_failure
from ..prices import price_of
from .counting import Encoding, encoding_of, input_bound, spoken
from .replies import items, part, response
from .wire import OPENAI_URL, TIMEOUT_S, Wire

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class ResponsesModel:
    """A model of OpenAI's Responses API.

    Nothing is stored there, and an input that does not fit is refused instead of cut. What a model thinks before it
    answers is output too: it is charged, and a `max_output_tokens` too low for it leaves no answer.

    Args:
        model: OpenAI's name of it; pin a dated one, so that neither it nor its price changes.
        api_key: the key; nothing is read from the environment.
        base_url: the endpoint. Elsewhere than at OpenAI tokens are counted in bytes, and no price is known.
        effort: how much it thinks, if it does; None leaves that to the provider.
        price: what tokens cost; None: as OpenAI's price table says.
        timeout_s: how long a call may take in all.
        transport: what to send through instead of the network.

    Raises ValueError: if the key cannot be sent, or the URL is none.
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
        self._wire = Wire(api_key=api_key, base_url=base_url, timeout_s=timeout_s, transport=transport)
        is_openai = self._wire.is_openai
        self.name = f"openai:{model}"
        self.price = price_of("openai", model) if price is None and is_openai else price
        self._encoding: Encoding | None = encoding_of(model) if is_openai else None
        self._fixed: dict[str, Any] = {"model": model, "store": False, "truncation": "disabled"}
        if is_openai:
            self._fixed["service_tier"] = "default"  # or a setting of the project may double the price
        if effort is not None:
            self._fixed["reasoning"] = {"effort": effort}

    def __repr__(self) -> str:
        return f"ResponsesModel({self.name!r})"

    async def count(self, request: Request) -> int:
        """Give an upper bound of the request's input tokens; `counting` says what it assumes.

        Raises CallFailed: `bad_input`, if the request cannot be sent.
        """
        return await input_bound(request, self._encoding)

    async def complete(self, request: Request) -> Response:
        """Send the request once.

        Raises CallFailed: if it failed.
        """
        spoken(request)  # or a lone surrogate fails inside the SDK
        body = self._fixed | _body(request)

        async def create(sdk: AsyncOpenAI) -> Any:
            return await sdk.responses.with_raw_response.create(extra_body=body)  # see `wire`, why so

        return _read(await self._wire.send(create))


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "input": [item for message in request.messages for item in _items(message)],
        "max_output_tokens": request.max_output_tokens,
    }
    if request.schema is not None:
        schema = {"type": "json_schema", "name": "decision", "strict": True, "schema": dict(request.schema)}
        body["text"] = {"format": schema}
    return body


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Write a message, and each tool call of it, as an item of its own."""
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": message.content}
    elif message.content or not message.tool_calls:
        yield {"role": message.role, "content": message.content}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _read(reply: Any) -> Response:
    counts = part(reply, "usage")
    usage = trusted_usage(part(counts, "input_tokens"), part(counts, "output_tokens"))
    contents = [
        content
        for item in items(part(reply, "output"))
        if part(item, "type") == "message"
        for content in items(part(item, "content"))
    ]
    texts = [part(content, "text") for content in contents if part(content, "type") == "output_text"]
    refusals = [part(content, "refusal") for content in contents if part(content, "type") == "refusal"]
    said = [text for text in (texts or refusals) if isinstance(text, str)]
    if not said and usage is None and part(reply, "status") == "failed":
        raise status_failure(500).error("the reply says that it failed")
    return response("".join(said) if said else None, usage, "refusal" if refusals else _finish(reply))


def _finish(reply: Any) -> FinishReason:
    if part(part(reply, "incomplete_details"), "reason") == "content_filter":
        return "refusal"
    return "stop" if part(reply, "status") == "completed" else "length"
