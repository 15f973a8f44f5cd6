"""Streams of OpenAI's two protocols: what their events amount to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..wire import error_in, member, paired
from .replies import items

_ENDS = ("response.completed", "response.incomplete", "response.failed")


class ResponsesAssembly:
    """The events of a reply of the Responses API, whose last one holds the whole of it."""

    def __init__(self) -> None:
        self.is_whole = False
        self._reply: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> str:
        kind = event.get("type")
        if kind in _ENDS:
            self.is_whole, self._reply = True, event.get("response") or {}
        elif kind == "error":
            self.is_whole, self._reply = True, {"error": event}
        said = event.get("delta") if kind == "response.output_text.delta" else None
        return said if isinstance(said, str) else ""

    def reply(self) -> Any:
        return self._reply


class ChatAssembly:
    """The chunks of a reply of Chat Completions, put together choice by choice.

    Args:
        text_of: returns the text that a message, or a part of one, says; None if it says none.
    """

    def __init__(self, text_of: Callable[[Any], str | None]) -> None:
        self.is_whole = False
        self._text_of = text_of
        self._choices: dict[str, dict[str, Any]] = {}
        self._around: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> str:
        # of the members around the choices the last one counts, such as the usage, which is null before
        self._around |= {key: value for key, value in event.items() if key != "choices" and value is not None}
        if error_in(event):
            self.is_whole = True
        return "".join([self._take(choice) for choice in items(event.get("choices"))])

    def _take(self, choice: Any) -> str:
        index = str(member(choice, "index"))
        kept = self._choices.setdefault(index, {"message": {"content": None}, "finish_reason": None})
        said, delta = kept["message"], member(choice, "delta")
        text = self._text_of(delta)
        if text is not None:
            said["content"] = (said["content"] or "") + text
        for key in ("refusal", "reasoning_content", "reasoning"):
            if isinstance(more := member(delta, key), str):
                said[key] = said.get(key, "") + more
        if (ended := member(choice, "finish_reason")) is not None:
            self.is_whole, kept["finish_reason"] = True, ended
        if (error := member(choice, "error")) is not None:
            kept["error"] = error
        return text or "" if next(iter(self._choices)) == index else ""  # only one is asked for

    def reply(self) -> Any:
        for kept in self._choices.values():
            kept["message"] = {key: said and paired(said) for key, said in kept["message"].items()}
        return {**self._around, "choices": list(self._choices.values())}
