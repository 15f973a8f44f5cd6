"""Chat Completions: OpenAI's older API, which most other servers speak.

A *profile* says how a server wants the two things in which servers differ: the cap on output tokens, and the schema.
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
from ..prices import openai_price
from ..wire import member
from .client import TIMEOUT_S, Endpoint
from .counting import Encoding, encoding_of, input_bound, texts_of
from .replies import items, response


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

    async def complete(self, request: Request) -> Response:
        """Send the request once; a cancellation closes its connection.

        Raises CallFailed: if it failed, or its reply cannot be read.
        """
        texts_of(request)  # only to check it: a lone surrogate would fail inside the SDK
        body = self._fixed | self._body(request)

        async def create(sdk: AsyncOpenAI) -> Any:
            return await sdk.chat.completions.with_raw_response.create(
                model=body["model"],
                messages=[],
                extra_body=body,  # all of it, for the reason that the module `client` gives
            )

        return _read(await self._endpoint.send(create))

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
        """Send a tiny request, and check that the server keeps to the caps that budgets rest on.

        Call it once at start-up. It costs about fifty tokens, which no run's budget counts, or twice that if the text
        was not cut off, since a small model may end it by itself.

        Raises ModelUnavailable: if the server cannot be reached, reports no usage, writes more than its cap, or reads
            more than was counted.
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
    """Return how the reply to the probe breaks a cap; empty if it does not."""
    cap = _PROBE.max_output_tokens
    if reply.usage is None:
        return "it does not report the tokens that a request used"
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
    """Read a reply. Only one choice was asked for, so of several none is taken."""
    choices = items(member(reply, "choices"))
    choice = choices[0] if len(choices) == 1 else None
    refusal, content = (member(member(choice, "message"), key) for key in ("refusal", "content"))
    usage = _usage(member(reply, "usage"))
    if isinstance(refusal, str) and refusal:
        return response(refusal, usage, "refusal")
    ended = member(choice, "finish_reason")
    finish = _FINISHES.get(ended, "length") if isinstance(ended, str) else "length"
    return response(content if isinstance(content, str) else None, usage, finish)


def _usage(counts: Any) -> Usage | None:
    return trusted_usage(member(counts, "prompt_tokens"), member(counts, "completion_tokens"))
