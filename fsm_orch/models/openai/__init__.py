"""OpenAI's models, and those of servers that speak its protocols; needs the extra `openai`.

`ResponsesModel` is for OpenAI itself, `ChatModel` for compatible servers. Nothing but `open_responses` and
`open_chat`, which make a model of its name alone, looks into the environment.
"""

from __future__ import annotations

import os

from ...errors import ModelUnavailable
from .chat import COMPATIBLE, OLLAMA, OPENAI, ChatModel, Profile
from .responses import Effort, ResponsesModel
from .wire import OPENAI_URL

__all__ = [
    "COMPATIBLE",
    "OLLAMA",
    "OPENAI",
    "ChatModel",
    "Effort",
    "Profile",
    "ResponsesModel",
    "open_chat",
    "open_responses",
]


def open_responses(model: str) -> ResponsesModel:
    """Give a model of OpenAI, with the key of the environment.

    Raises ModelUnavailable: if there is none.
    """
    return ResponsesModel(model, api_key=_key())


def open_chat(model: str) -> ChatModel:
    """Give a model of OpenAI by Chat Completions, with the key of the environment.

    Raises ModelUnavailable: if there is none.
    """
    return ChatModel(model, api_key=_key(), base_url=OPENAI_URL, profile=OPENAI)


def _key() -> str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise ModelUnavailable("OpenAI needs a key; set the environment variable OPENAI_API_KEY")
    return key
