"""The rows of the bridge to pydantic-ai, and what does not hold of them: the library decides that, and it is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from conformance.models.expectations import EXPECTED
from support.provider import KEY

from fsm_orch.models.base import Model

IS_INSTALLED = find_spec("pydantic_ai") is not None

_WINDOW, _NO_CREDIT, _QUOTA = "context window in a 200", "402 no credit", "429 insufficient quota"
_CHAT = (_WINDOW, _NO_CREDIT, "failed in a 200")


CORE = frozenset(
    {
        *("honest", "429 after seconds", "500", "503", "401 echoing the key", "context overflow", "307 to itself"),
        *("429 in a 200", "cut within", "html", "null", "usage strings", "usage floats", "usage missing"),
        *("usage above the cap", "truncated", "refusal", "a call that nobody asked for", "two choices", "in parts"),
    }
)
"""The faults that are tried every day; the others take minutes, on these rows as on ours."""


HUSHED = ("Pydantic serializer warnings", "Failed to extract usage", ".* is not a valid FinishReason")
"""What the libraries warn of when a usage or an end is odd. As errors these would cost them the text, which is safe."""


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
    is_everyday: bool = False
    """Whether all that is no fault is tried every day, too."""
    lost: tuple[str, ...] = ()
    """Faults by which a reply, or why it failed, is lost that our own adapters read: it is charged in full, and the run
    lands."""
    unread: tuple[str, ...] = ()
    """Faults by which its text is lost, and its usage is not: it is refused as no JSON, and asked for again."""


ROWS = (
    Row(
        name="pydantic-ai chat",
        model="openai-chat:gpt-5-mini",
        place="/v1",
        cap="max_completion_tokens",
        left_out=_CHAT,
        lost=("usage floats", "usage half"),
        unread=("ended as ''", "ended as 7"),
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
        is_everyday=True,
        cap="maxOutputTokens",
        left_out=_CHAT,
        lost=("usage floats",),
        unread=("ended as 7",),
    ),
    Row(
        name="pydantic-ai mistral",
        model="mistral:mistral-large-latest",
        place="/mistral",
        is_everyday=True,
        cap="max_tokens",
        left_out=("refusal", "content filter", _WINDOW, "failed in a 200", _QUOTA, "quota in a 200"),
        lost=("401 in a 200", "usage floats", "usage null", "usage missing"),
        unread=("ended as '(no word)'", "ended as 7"),
    ),
    Row(
        name="pydantic-ai groq",
        model="groq:openai/gpt-oss-20b",
        place="/groq",
        cap="max_tokens",
        left_out=(*_CHAT, "refusal", "in parts"),
    ),
)
_PLACES = {row.model: row.place for row in ROWS}


def building(name: str) -> Callable[..., Model]:
    """Return what makes a model of pydantic-ai against the URL of a provider."""

    def build(url: str, **options: Any) -> Model:
        from fsm_orch.models.bridges.pydantic_ai import PydanticAIModel

        return PydanticAIModel(name, api_key=KEY, base_url=url + _PLACES[name], **options)

    return build


def table() -> str:
    """Return what does not hold of each row beside our own adapters, in Markdown, as the page about models shows it."""
    lines = ["| row | faults | a reply is lost, and charged in full | its text is lost, and asked for again |"]
    lines += ["|---|---|---|---|"]
    for row in ROWS:
        tried = len(EXPECTED.keys() - set(row.left_out))
        lines.append(f"| `{row.model}` | {tried} | {_listed(row.lost)} | {_listed(row.unread)} |")
    return "\n".join(lines)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
