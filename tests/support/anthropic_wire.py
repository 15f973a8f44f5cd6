"""Anthropic's models on a wire of ours."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.wired import Wired

from fsm_orch.errors import CallFailed
from fsm_orch.messages import Message, Role
from fsm_orch.models.base import Request

pytest.importorskip("anthropic", reason="Anthropic's models need the extra `anthropic`")

from fsm_orch.models.anthropic import MessagesModel

KEY = "sk-ant-api03-s3cr3t"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
HONEST = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2},
}


class Provider(Wired):
    """Anthropic, on a wire of ours."""

    def __init__(self, answer: Any = HONEST, **options: Any) -> None:
        super().__init__(answer, **options)

    def model(self, name: str = "claude-haiku-4-5", **options: Any) -> MessagesModel:
        """Give a model that is answered here."""
        return MessagesModel(name, **({"api_key": KEY, "transport": self.transport} | options))


def said(role: Role, content: str) -> Message:
    """Say something."""
    return Message(role=role, content=content)


def request(*messages: Message, cap: int = 100, schema: Mapping[str, Any] | None = None) -> Request:
    """Ask something."""
    return Request(messages=messages or (said("user", "hello"),), schema=schema, max_output_tokens=cap)


async def failure(model: MessagesModel, asked: Request | None = None) -> CallFailed:
    """Give the failure of a request."""
    with pytest.raises(CallFailed) as caught:
        await model.complete(asked or request())
    return caught.value


def refusal(kind: str, message: str = "No.", code: str | None = None) -> Any:
    """Write an error as the API does."""
    details = {} if code is None else {"details": {"error_code": code}}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "req_1"}
