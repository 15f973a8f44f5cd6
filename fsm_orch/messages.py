"""Messages and tool calls, in a form that belongs to no provider."""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import UNSET, Struct, UnsetType
from pydantic_core import from_json

Role = Literal["system", "user", "assistant", "tool", "summary"]

REDACTED = "[redacted]"
"""Stands in the place of a text that a store does not keep."""


class ToolCall(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A model's request to run a tool."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _check_text(f"the {name} of a tool call", getattr(self, name))


class Message(Struct, frozen=True, kw_only=True, gc=False, repr_omit_defaults=True, forbid_unknown_fields=True):
    """One message of a conversation.

    Raises TypeError: if its content is no text, or its calls are no tuple of `ToolCall`.
    Raises ValueError: if its role is unknown, it cannot be encoded, or it does not show the fields that it names.
    """

    role: Role
    """Who said it: a message is sent to a model as this role's, whoever wrote it down. A `summary` is what an agent
    keeps of what has left its window; only that agent sees it, and its model is sent it as the user's."""
    content: str
    agent: str | None = None
    """The name of the state whose agent wrote it; None: somebody else, such as the user."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """On a message of role `tool`: the call it answers."""
    fields: tuple[str, ...] | UnsetType = UNSET
    """Names of fields, which its content shows as a JSON object. Only agents that read or write one of them see it, and
    see no others in it. Unset: it is text, for all."""

    until: str | UnsetType = UNSET
    """On a message of role `summary`: the last message that it tells of, as the window of its agent names it."""

    # refused here, where it is written: no journal and no request could encode it later
    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise ValueError(f"the role of a message is one of {', '.join(_ROLES)}, not {self.role!r}")
        if type(self.content) is not str or not self.content.isascii():  # most are, and to ask costs little
            _check_text("the content of a message", self.content)
            _check_unicode(self.content)
        if not _are_calls(self.tool_calls):
            raise TypeError("the tool_calls of a message are a tuple of ToolCall: ToolCall(id=..., name=..., ...)")
        if self.agent is not None:
            _check_text("the agent of a message", self.agent)
        if self.tool_call_id is not None:
            _check_text("the tool_call_id of a message", self.tool_call_id)
        if self.fields is not UNSET and not _shows(self.content, self.fields):
            raise ValueError("a message with fields has a JSON object of exactly these as its content")


_ROLES = get_args(Role)

_INSTEAD = {
    type(None): "write '' if there is none",
    list: "join the texts of its parts, and leave out what is no text",
    bytes: "decode it",
}


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str):
        instead = _INSTEAD.get(type(text), "write its text")
        raise TypeError(f"{what} is text, not {'None' if text is None else type(text).__name__}: {instead}")


def _check_unicode(content: str) -> None:
    try:
        content.encode()
    except UnicodeEncodeError:
        raise ValueError(
            "the content of a message holds a lone surrogate, which UTF-8 cannot encode: replace it first, "
            "for example by content.encode('utf-8', 'replace').decode()"
        ) from None


def _are_calls(calls: object) -> bool:
    return isinstance(calls, tuple) and (not calls or all(isinstance(call, ToolCall) for call in calls))


def _shows(content: str, fields: object) -> bool:
    try:
        shown = from_json(content)
    except ValueError:
        return False
    return isinstance(fields, tuple) and isinstance(shown, dict) and tuple(shown) == fields
