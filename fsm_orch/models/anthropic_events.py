"""Streams of Anthropic's Messages API: what their events amount to."""

from __future__ import annotations

from typing import Any

from .wire import member, paired


class MessagesAssembly:
    """The events of a reply: a message without content, its blocks piece by piece, and how it ended."""

    def __init__(self) -> None:
        self.is_whole = False
        self._message: dict[str, Any] = {}
        self._blocks: dict[str, dict[str, Any]] = {}
        self._started: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> str:
        match event.get("type"):
            case "message_start":
                self._message = _members(event.get("message"))
                self._started = _members(self._message.pop("usage", None))
            case "content_block_start":
                self._blocks[str(event.get("index"))] = block = _members(event.get("content_block"))
                return block["text"] if isinstance(block.get("text"), str) else ""
            case "content_block_delta":
                return self._added(str(event.get("index")), member(event.get("delta"), "text"))
            case "message_delta":
                self._message |= _members(event.get("delta"))
                self._count(_members(event.get("usage")))
            case "message_stop":
                self.is_whole = True
            case "error":
                self.is_whole = True
                self._message |= {"type": "error", "error": event.get("error")}
        return ""

    def _added(self, index: str, text: Any) -> str:
        """Add a text to a block of text, and return it."""
        block = self._blocks.get(index, {})
        if block.get("type") != "text" or not isinstance(text, str):
            return ""
        block["text"] = f"{block.get('text') or ''}{text}"
        return text

    def _count(self, counts: dict[str, Any]) -> None:
        """Take the last counts; those at the start of a message say nothing of its output, and are not enough."""
        if "output_tokens" in counts:
            self._message["usage"] = self._started | {key: value for key, value in counts.items() if value is not None}

    def reply(self) -> Any:
        for block in self._blocks.values():
            if isinstance(text := block.get("text"), str):
                block["text"] = paired(text)
        return {**self._message, "content": list(self._blocks.values()) or self._message.get("content")}


def _members(value: Any) -> dict[str, Any]:
    """Return a copy of what should be a JSON object; an empty one if it is not."""
    return dict(value) if isinstance(value, dict) else {}
