"""The rows of the bridge to pydantic-ai, and what does not hold of them: the library decides that, and it is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from support.provider import KEY

from fsm_orch.models.base import Model

IS_INSTALLED = find_spec("pydantic_ai") is not None

_WINDOW, _NO_CREDIT, _QUOTA = "context window in a 200", "402 no credit", "429 insufficient quota"
_CHAT = (_WINDOW, _NO_CREDIT, "failed in a 200")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A provider behind pydantic-ai."""

    name: str
    model: str
    place: str
    """Where its API is on the server that misbehaves."""
    cap: str
    """What it calls the cap."""
    left_out: tuple[str, ...]
    """Faults that the API does not know."""
    lost: tuple[str, ...] = ()
    """Faults by which a reply is lost that our own adapters read: it is charged in full, and the run lands."""


ROWS = (
    Row(
        name="pydantic-ai chat",
        model="openai-chat:gpt-5-mini",
        place="/v1",
        cap="max_completion_tokens",
        left_out=_CHAT,
        lost=("usage floats", "usage half"),
    ),
    Row(
        name="pydantic-ai responses",
        model="openai-responses:gpt-5-mini",
        place="/v1",
        cap="max_output_tokens",
        left_out=(_WINDOW, _NO_CREDIT),
    ),
    Row(
        name="pydantic-ai messages",
        model="anthropic:claude-haiku-4-5",
        place="",
        cap="max_tokens",
        left_out=("failed in a 200", "content filter", _QUOTA),
        lost=("usage null", "usage missing"),
    ),
    Row(
        name="pydantic-ai gemini",
        model="google:gemini-2.5-flash",
        place="/gemini",
        cap="maxOutputTokens",
        left_out=(*_CHAT, _QUOTA, "quota in a 200"),
    ),
    Row(
        name="pydantic-ai mistral",
        model="mistral:mistral-large-latest",
        place="/mistral",
        cap="max_tokens",
        left_out=(_WINDOW, "failed in a 200", _QUOTA, "quota in a 200", "401 in a 200"),
    ),
    Row(
        name="pydantic-ai groq",
        model="groq:openai/gpt-oss-20b",
        place="/groq",
        cap="max_tokens",
        left_out=_CHAT,
    ),
)
_PLACES = {row.model: row.place for row in ROWS}


def building(name: str) -> Callable[..., Model]:
    """Return what makes a model of pydantic-ai against the URL of a provider."""

    def build(url: str, **options: Any) -> Model:
        from fsm_orch.models.bridges.pydantic_ai import PydanticAIModel

        return PydanticAIModel(name, api_key=KEY, base_url=url + _PLACES[name], **options)

    return build
