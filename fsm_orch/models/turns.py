"""A conversation as the strictest APIs want it: one system text, then user and assistant in turns, the user last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from ..messages import Message


class Turn(TypedDict):
    """What one side says until the other does, as the APIs write it."""

    role: Literal["user", "assistant"]
    content: str


_FILLER: Turn = {"role": "user", "content": "Continue."}
"""Stands where a user's message is missing: first, where an API wants one, and last, or the model would go on writing
its own last message."""


def said(role: str, messages: Iterable[Message]) -> list[str]:
    """Return the texts of a role, without blank ones, which some APIs refuse."""
    return [message.content for message in messages if message.role == role and message.content.strip()]


def turns(messages: Iterable[Message]) -> list[Turn]:
    """Join messages in a row by the same side, so that user and assistant take turns; the user is first and last."""
    taken: list[Turn] = []
    for message in messages:
        role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        for text in said(message.role, [message] if message.role in ("user", "assistant") else []):
            if taken and taken[-1]["role"] == role:
                taken[-1]["content"] += "\n\n" + text
            else:
                taken.append({"role": role, "content": text})
    head: list[Turn] = [] if taken and taken[0]["role"] == "user" else [{**_FILLER}]
    tail: list[Turn] = [] if not taken or taken[-1]["role"] == "user" else [{**_FILLER}]
    return [*head, *taken, *tail]
