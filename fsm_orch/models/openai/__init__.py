"""OpenAI's models, and those of servers that speak its protocols; needs the extra `openai`.

`ResponsesModel` is for OpenAI itself, `ChatModel` for compatible servers. Only `open_responses`, `open_chat` and
`open_compatible`, which make a model from its name alone, look into the environment.
"""

from __future__ import annotations

import os

from ...errors import ModelUnavailable
from ...settings import Effort
from ..wire import environment_key
from .chat import COMPATIBLE, OLLAMA, OPENAI, ChatModel, Profile
from .client import OPENAI_URL
from .responses import ResponsesModel

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
    """Return a model of OpenAI, with the key in `OPENAI_API_KEY`.

    Raises ModelUnavailable: if that is not set.
    """
    return ResponsesModel(model, api_key=environment_key("OpenAI", "OPENAI_API_KEY"))


def open_chat(model: str) -> ChatModel:
    """Return a model of OpenAI through Chat Completions, with the key in `OPENAI_API_KEY`.

    Raises ModelUnavailable: if that is not set.
    """
    return ChatModel(model, api_key=environment_key("OpenAI", "OPENAI_API_KEY"), base_url=OPENAI_URL, profile=OPENAI)


def open_compatible(model: str) -> ChatModel:
    """Return a model of a server that speaks Chat Completions, such as llama.cpp's or vLLM's.

    Its address is in `FSM_ORCH_COMPATIBLE_URL`, such as `http://127.0.0.1:8080/v1`; its key, if it wants one, in
    `FSM_ORCH_COMPATIBLE_KEY`. Check with `fsm_orch.models.probe` that it keeps to the cap on output.

    Raises ModelUnavailable: if the URL is not set.
    """
    url = os.environ.get("FSM_ORCH_COMPATIBLE_URL", "").strip()
    if not url:
        raise ModelUnavailable("A compatible server needs an address; set FSM_ORCH_COMPATIBLE_URL, ending in /v1")
    key = os.environ.get("FSM_ORCH_COMPATIBLE_KEY", "").strip() or "none"
    return ChatModel(model, api_key=key, base_url=url, profile=COMPATIBLE)
