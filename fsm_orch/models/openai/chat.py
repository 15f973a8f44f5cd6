"""Chat Completions: OpenAI's older API, which most other servers speak.

A *profile* says how a server wants the two things in which servers differ: the cap on output tokens, and the schema.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace
from openai import AsyncOpenAI

from ...amounts import Price, Usage, trusted_usage
from ...messages import Message
from ...settings import ModelSettings
from ..base import OnPiece, Request, Response
from ..events import Events
from ..http import Transport
from ..prices import openai_price
from ..refused import TAKEN_BY_CHAT, by_chat, by_openai, not_taken
from ..replied import response
from ..wire import finish_of, is_object, member, unfenced
from .client import TIMEOUT_S, Endpoint, told
from .counting import Encoding, encoding_of, input_bound, loaded, texts_of
from .replies import items, joined
from .streamed import ChatAssembly


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a server speaks Chat Completions."""

    name: str
    """The provider's part of a model's name."""
    cap: Literal["max_completion_tokens", "max_tokens"]
    """What it calls the cap on output tokens. A server ignores the name that it does not know, and then writes on."""
    output: Literal["json_schema", "json_object", "none"]
    """How it holds a reply to a schema: fully, to JSON only, or not at all. What breaks the schema is refused later.

    Never by a tool that must be called: llama.cpp's servers ignore `tool_choice="required"` in silence.
    """
    has_fences: bool = False
    """Whether it writes JSON into a markdown fence, which is then taken off. Elsewhere a fence is a mistake."""
    takes: frozenset[str] = TAKEN_BY_CHAT
    """The settings that it knows by OpenAI's names. A server ignores others in silence, so they are refused here."""


OPENAI = Profile(
    name="openai-chat",
    cap="max_completion_tokens",
    output="json_schema",
    takes=TAKEN_BY_CHAT | {"reasoning_effort"},
)
"""OpenAI itself."""

COMPATIBLE = Profile(name="compatible", cap="max_tokens", output="json_schema")
"""llama.cpp, vLLM and others."""

OLLAMA = Profile(name="ollama", cap="max_tokens", output="json_schema")
"""Ollama, which ignores `max_completion_tokens`."""


_STREAM: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
"""Asks for a stream, with its usage in the end."""


class ChatModel:
    """A model behind Chat Completions.

    Args:
        model: the server's name of it.
        api_key: its key, or any text if the server wants none; nothing is read from the environment.
        base_url: the endpoint, such as `http://localhost:8080/v1`. For any but OpenAI's own, tokens are counted in
            bytes and no price is known.
        profile: how the server speaks.
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
        base_url: str,
        profile: Profile = COMPATIBLE,
        price: Price | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: Transport | None = None,
    ) -> None:
        self._endpoint = Endpoint(api_key=api_key, base_url=base_url, timeout_s=timeout_s, transport=transport)
        self._profile = profile
        is_openai = self._endpoint.is_openai
        self.name = f"{profile.name}:{model}"
        self._model = model
        self.price = openai_price(model) if price is None and is_openai else price
        self._encoding: Encoding | None = encoding_of(model) if is_openai else None
        self._fixed: dict[str, Any] = {"model": model}
        if is_openai:  # with the tier, or a setting of the project may choose one at twice the price
            self._fixed |= {"store": False, "service_tier": "default"}

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r})"

    async def count(self, request: Request) -> int:
        """Return an upper bound of the request's input tokens; the module `counting` says what it assumes.

        Raises CallFailed: `bad_input`, if the request cannot be sent.
        """
        return await input_bound(request, self._encoding)

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what of some settings the model cannot keep to."""
        why = by_chat(self._profile.name, self._profile.takes)
        return not_taken(settings, why | (by_openai(self._model, settings) if self._endpoint.is_openai else {}))

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
        body, events = self._fixed | self._body(request), None
        if on_text is not None:
            body |= _STREAM
            events = Events(ChatAssembly(lambda said: _said(said)[0]), on_text)

        async def create(sdk: AsyncOpenAI) -> Any:
            return await _part(sdk).create(
                model=body["model"],
                messages=[],
                extra_body=body,  # all of it, for the reason that the module `client` gives
            )

        reply = await self._endpoint.send(create, request.settings.timeout_s, events)
        return _text(reply) if request.schema is None else _json(reply, has_fences=self._profile.has_fences)

    def _body(self, request: Request) -> dict[str, Any]:
        body = {
            "messages": [_message(message) for message in request.messages],
            self._profile.cap: request.max_output_tokens,
            **{name: value for name, value in request.settings.chosen.items() if name != "timeout_s"},
        }
        if request.schema is not None and self._profile.output == "json_schema":
            schema = {"name": "decision", "strict": True, "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif request.schema is not None and self._profile.output == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body


def _part(sdk: AsyncOpenAI) -> Any:
    return sdk.chat.completions.with_raw_response


def _message(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        written["tool_call_id"] = message.tool_call_id or ""
    if message.tool_calls:
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return written


def _text(reply: Any) -> Response:
    """Read a reply. Only one choice was asked for, so of several none is taken."""
    choices = items(member(reply, "choices"))
    choice = choices[0] if len(choices) == 1 else None
    text, refusal = _said(member(choice, "message"))
    ended = member(choice, "finish_reason") if refusal is None else "refusal"
    failed = told(reply, *choices)
    return response(refusal if text is None else text, _usage(member(reply, "usage")), *finish_of(ended), failed=failed)


def _said(message: Any) -> tuple[str | None, str | None]:
    """Return what a message says, as a text or as a list of parts, and how it refuses; None: it does not."""
    content, refusal = member(message, "content"), member(message, "refusal")
    text = content if isinstance(content, str) else _in_parts(items(content))
    refused = refusal if isinstance(refusal, str) and refusal else joined(items(content), "refusal", "refusal")
    return text, refused


def _in_parts(parts: list[Any]) -> str | None:
    """Return the text of a content in parts, which servers write in several ways; None if there is none."""
    said = [part if isinstance(part, str) else member(part, "text") for part in parts if _is_text(part)]
    texts = [text for text in said if isinstance(text, str)]
    return "".join(texts) if texts else None


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or member(part, "type") in ("text", "output_text", None)


def _json(reply: Any, *, has_fences: bool) -> Response:
    """Read a reply that is to be JSON: without its fence, and from the reasoning if some server put it there."""
    read = _text(reply)
    if not read.text.strip() and read.finish != "refusal":
        message = member(next(iter(items(member(reply, "choices"))), None), "message")
        # reasoning in prose is no answer
        reasons = (member(message, key) for key in ("reasoning_content", "reasoning"))
        read = replace(read, text=next((reason for reason in reasons if is_object(reason)), read.text))
    return replace(read, text=unfenced(read.text)) if has_fences else read


def _usage(counts: Any) -> Usage | None:
    cached = member(member(counts, "prompt_tokens_details"), "cached_tokens")
    return trusted_usage(member(counts, "prompt_tokens"), member(counts, "completion_tokens"), cached)
