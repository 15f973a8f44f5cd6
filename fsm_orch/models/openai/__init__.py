"""OpenAI's models, and those of servers that speak its protocols; needs the extra `openai`.

`ResponsesModel` is for OpenAI itself, `ChatModel` for compatible servers. Nothing but `open_responses`, `open_chat` and
`open_compatible`, which make a model of its name alone, looks into the environment.
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
    "open_compatible",
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


def open_compatible(model: str) -> ChatModel:
    """Give a model of a server that speaks Chat Completions, such as llama.cpp's or vLLM's.

    The environment says where it is: `FSM_ORCH_COMPATIBLE_URL`, such as `http://127.0.0.1:8080/v1`, and
    `FSM_ORCH_COMPATIBLE_KEY` if it wants one. `ChatModel.probe` tells whether it keeps the cap of its output.

    Raises ModelUnavailable: if the URL is not set.
    """
    url = os.environ.get("FSM_ORCH_COMPATIBLE_URL", "").strip()
    if not url:
        raise ModelUnavailable("A compatible server needs an address; set FSM_ORCH_COMPATIBLE_URL, ending in /v1")
    key = os.environ.get("FSM_ORCH_COMPATIBLE_KEY", "").strip() or "none"
    return ChatModel(model, api_key=key, base_url=url, profile=COMPATIBLE)


def _key() -> str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise ModelUnavailable("OpenAI needs a key; set the environment variable OPENAI_API_KEY")
    return key
