"""The routes of a service for clients that chat: of OpenAI, and of AG-UI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter

from .agui import agui_routes
from .agui_events import Shown
from .beginning import Beginning
from .chats import chats_of, only
from .front import Front
from .openai import openai_routes
from .streams import Streams


def chat_routes(
    beginning: Beginning,
    front: Front,
    streams: Streams,
    auth: Callable[..., Any],
    *,
    text: object,
    answer: object,
    shown: Shown | None,
    waits: bool,
    ends_alone: bool,
    max_body: int,
) -> Iterator[APIRouter]:
    """Yield the routes, if the application names the fields that they need. See `router`.

    Args:
        waits: whether a request waits for its turn of a conversation.
        ends_alone: whether a run is cancelled when its client is gone.

    Raises StartError: if `text` or `answer` is no field of the machine, or the first is not for callers to give.
    Raises TypeError: if one is no field at all, or missing.
    """
    if text is None and answer is None:
        return
    chats = chats_of(beginning, front, streams, text, answer, waits=waits, ends_alone=ends_alone)
    yield openai_routes(chats, auth, max_body=max_body)
    yield agui_routes(chats, auth, shown=shown or only(chats.answer), max_body=max_body)
