"""What is said: provider-neutral messages and tool calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's request to run a tool."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str
    agent: str | None = None
    """The state whose agent said it; None for the user."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """On a message of role `tool`: the call it answers."""

    def __post_init__(self) -> None:
        try:
            self.content.encode()
        except UnicodeEncodeError:
            raise ValueError("a message is Unicode text, which lone surrogates are not") from None
