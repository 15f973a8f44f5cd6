"""What is said: provider-neutral records of messages, tool calls and usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What requests used; counts are exact and never negative."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


def trusted_usage(input_tokens: Any, output_tokens: Any) -> Usage | None:
    """Believe a provider's counts only if both are plain non-negative integers; else None.

    SDK responses are built without validation, so a count may be a string, a bool or negative.
    """
    counts = (input_tokens, output_tokens)
    if all(type(count) is int and count >= 0 for count in counts):
        return Usage(requests=1, input_tokens=input_tokens, output_tokens=output_tokens)
    return None
