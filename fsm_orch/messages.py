"""Messages and tool calls, in a form that belongs to no provider."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A model's request to run a tool."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""


class Message(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One message of a conversation."""

    role: Role
    content: str
    agent: str | None = None
    """The name of the state whose agent wrote it; None: the user."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """On a message of role `tool`: the call it answers."""

    def __post_init__(self) -> None:
        # refused here, where it is written: no journal and no request could encode it later
        try:
            self.content.encode()
        except UnicodeEncodeError:
            raise ValueError(
                "the content of a message holds a lone surrogate, which UTF-8 cannot encode: replace it first, "
                "for example by content.encode('utf-8', 'replace').decode()"
            ) from None
