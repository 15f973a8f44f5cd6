"""The rows of the bridge to pydantic-ai, and what does not hold of them: the library decides that, and it is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from support.provider import KEY

from fsm_orch.models.base import Model

IS_INSTALLED = find_spec("pydantic_ai") is not None

PLACES: Mapping[str, str] = {
    "openai-chat:gpt-5-mini": "/v1",
    "openai-responses:gpt-5-mini": "/v1",
    "anthropic:claude-haiku-4-5": "",
    "google:gemini-2.5-flash": "/gemini",
    "mistral:mistral-large-latest": "/mistral",
    "groq:openai/gpt-oss-20b": "/groq",
}
"""Name of a model -> where its API is on the server that misbehaves."""


def building(name: str) -> Callable[..., Model]:
    """Return what makes a model of pydantic-ai against the URL of a provider."""

    def build(url: str, **options: Any) -> Model:
        from fsm_orch.models.bridges.pydantic_ai import PydanticAIModel

        return PydanticAIModel(name, api_key=KEY, base_url=url + PLACES[name], **options)

    return build
