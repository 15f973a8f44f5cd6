"""Chat Completions: OpenAI's older API, which most other servers speak.

A *profile* says how a server wants the two things in which they differ: the cap on output tokens, and the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from openai import AsyncOpenAI

from ...amounts import Price, Usage, trusted_usage
from ...errors import CallFailed, ModelUnavailable
from ...messages import Message
from ..base import FinishReason, Request, Response
from ..http import Transport
from ..prices import price_of
from .counting import Encoding, encoding_of, input_bound, spoken
from .replies import items, part, response
from .wire import TIMEOUT_S, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a server speaks Chat Completions."""

    name: str
    """The provider's part of a model's name."""
    cap: Literal["max_completion_tokens", "max_tokens"]
    """What it calls the cap on output tokens; servers ignore the name that they do not know."""
    output: Literal["json_schema", "json_object", "none"]
    """How it holds a reply to a schema: fully, to JSON only, or not at all. What it does not hold is refused later."""


OPENAI = Profile(name="openai-chat", cap="max_completion_tokens", output="json_schema")
"""OpenAI itself."""

COMPATIBLE = Profile(name="compatible", cap="max_tokens", output="json_schema")
"""llama.cpp, vLLM and others."""

OLLAMA = Profile(name="ollama", cap="max_tokens", output="json_schema")
"""Ollama, which ignores `max_completion_tokens`."""

_PROBE = Request(
    messages=(Message(role="user", content="Count from one to a hundred, in words. Begin at once."),),
    max_output_tokens=4,
)
_NOT_CUT_OFF = f"its cap was {_PROBE.max_output_tokens} output tokens, and it did not say that a long text was cut off"

_FINISHES: Mapping[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "refusal"}


class ChatModel:
    """A model behind Chat Completions.

    Args:
        model: the server's name of it.
        api_key: the key, any text if the server wants none; nothing is read from the environment.
        base_url: the endpoint, such as `http://localhost:8080/v1`. Elsewhere than at OpenAI tokens are counted in
            bytes, and no price is known.
        profile: how the server speaks.
        price: what tokens cost; None: as OpenAI's price table says, if it is OpenAI.
        timeout_s: how long a call may take in all.
        transport: what to send through instead of the network.

    Raises ValueError: if the key cannot be sent, or the URL is none.
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
        self._wire = Wire(api_key=api_key, base_url=base_url, timeout_s=timeout_s, transport=transport)
        self._profile = profile
        is_openai = self._wire.is_openai
        self.name = f"{profile.name}:{model}"
        self.price = price_of("openai", model) if price is None and is_openai else price
        self._encoding: Encoding | None = encoding_of(model) if is_openai else None
        self._fixed: dict[str, Any] = {"model": model}
        if is_openai:  # the tier, or else a setting of the project may double the price
            self._fixed |= {"store": False, "service_tier": "default"}

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r})"

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
        body = self._fixed | self._body(request)

        async def create(sdk: AsyncOpenAI) -> Any:
            return await sdk.chat.completions.with_raw_response.create(
                model=body["model"],
                messages=[],
                extra_body=body,  # see `wire`, why so
            )

        return _read(await self._wire.send(create))

    def _body(self, request: Request) -> dict[str, Any]:
        body = {
            "messages": [_message(message) for message in request.messages],
            self._profile.cap: request.max_output_tokens,
        }
        if request.schema is not None and self._profile.output == "json_schema":
            schema = {"name": "decision", "strict": True, "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif request.schema is not None and self._profile.output == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    async def probe(self) -> None:
        """Send a tiny request, and see that the server keeps to the caps that budgets rest on.

        Do it once at start-up: it costs about fifty tokens, which no run's budget counts, or twice that if the text was
        not cut off, since a small model may end it by itself.

        Raises ModelUnavailable: if the server cannot be reached, does not tell usage, writes more than it may, or
            reads more than was counted.
        """
        try:
            bound = await self.count(_PROBE)
            reason = _broken_promise(await self.complete(_PROBE), bound)
            if reason == _NOT_CUT_OFF:
                reason = _broken_promise(await self.complete(_PROBE), bound)
        except CallFailed as error:
            reason = str(error)
        if reason:
            raise ModelUnavailable(f"{self.name} cannot be used on a budget: {reason}")


def _broken_promise(reply: Response, bound: int) -> str:
    """Say how the reply to the probe breaks a cap; empty if it does not."""
    cap = _PROBE.max_output_tokens
    if reply.usage is None:
        return "it does not tell the tokens that a request used"
    if reply.usage.output_tokens > cap:
        return f"its cap was {cap} output tokens, and it wrote {reply.usage.output_tokens}. Try another profile"
    if reply.usage.input_tokens > bound:
        return f"at most {bound} input tokens were counted, and it read {reply.usage.input_tokens}"
    if reply.finish != "length":
        return _NOT_CUT_OFF
    return ""


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


def _read(reply: Any) -> Response:
    """Read a reply; one with several choices was not asked for, and is not chosen from."""
    choices = items(part(reply, "choices"))
    choice = choices[0] if len(choices) == 1 else None
    refusal, content = (part(part(choice, "message"), key) for key in ("refusal", "content"))
    usage = _usage(part(reply, "usage"))
    if isinstance(refusal, str) and refusal:
        return response(refusal, usage, "refusal")
    ended = part(choice, "finish_reason")
    finish = _FINISHES.get(ended, "length") if isinstance(ended, str) else "length"
    return response(content if isinstance(content, str) else None, usage, finish)


def _usage(counts: Any) -> Usage | None:
    return trusted_usage(part(counts, "prompt_tokens"), part(counts, "completion_tokens"))
