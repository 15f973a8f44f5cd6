"""Models of pydantic-ai by name: what is opened, what is refused at the start and why, and what reaches the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

pytest.importorskip("pydantic_ai", reason="models of pydantic-ai need the extra `pydantic-ai`")

from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.messages import Message
from fsm_orch.models import Request
from fsm_orch.models.bridges.answers import refused, usage_of
from fsm_orch.models.bridges.pydantic_ai import PydanticAIModel
from fsm_orch.models.prices import anthropic_price, price_by_name, price_of
from fsm_orch.models.registry import resolve
from fsm_orch.settings import ModelSettings

KEY = "sk-test-secret-key"
ASKED = Request(messages=(Message(role="user", content="Hello"),), max_output_tokens=20)


def test_a_name_opens_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name after `pydantic-ai:` is pydantic-ai's, and its provider finds the key in the environment."""
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    model = resolve("pydantic-ai:google:gemini-2.5-flash")

    assert isinstance(model, PydanticAIModel)
    assert "pydantic-ai:google:gemini-2.5-flash" == model.name
    assert price_of("google", "gemini-2.5-flash") == model.price
    assert KEY not in repr(vars(model)) + repr(model)


REFUSED = [
    ("bedrock:amazon.nova-lite-v1:0", "boto3, takes no HTTP client"),
    ("openai-codex:gpt-5", "a call is one request"),
    ("sentence-transformers:all", "takes no HTTP client"),
    ("nonsense:x", "Unknown provider: nonsense"),
    ("google", "google"),
    ("mistral:mistral-large-latest", "MISTRAL_API_KEY"),
    ("vllm:llama", "VLLM_BASE_URL"),
]


@pytest.mark.parametrize(("name", "why"), REFUSED)
def test_what_cannot_be_promised_is_refused_at_the_start(name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that cannot be held to one request, or be had at all, is refused with the reason before any run."""
    for variable in ("MISTRAL_API_KEY", "VLLM_BASE_URL", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(ModelUnavailable, match=why):
        resolve(f"pydantic-ai:{name}")


def answering(body: Any, seen: list[httpx2.Request], status: int = 200) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(status, json=body)

    return httpx2.MockTransport(answer)


@pytest.mark.parametrize("provider", ["ollama", "vllm"])
async def test_older_servers_are_told_the_cap_by_its_older_name(provider: str) -> None:
    """Ollama ignores `max_completion_tokens`, so a request bears `max_tokens`, and that alone."""
    seen: list[httpx2.Request] = []
    model = PydanticAIModel(
        f"{provider}:llama4", api_key=KEY, base_url="http://127.0.0.1:1/v1", transport=answering({}, seen, 500)
    )
    with pytest.raises(CallFailed):
        await model.complete(ASKED)

    (request,) = seen
    assert b'"max_tokens":20' in request.content
    assert b"max_completion_tokens" not in request.content


@pytest.mark.parametrize("status", [500, 429, 503])
@pytest.mark.parametrize("name", ["groq:llama-3.3-70b-versatile", "mistral:m", "google:g", "openai:o", "deepseek:d"])
async def test_a_refused_call_is_one_request(name: str, status: int) -> None:
    """Whatever the retries of an SDK are set to, one request goes out, and its refusal is read from the wire."""
    seen: list[httpx2.Request] = []
    options: dict[str, Any] = {} if name.startswith("deepseek") else {"base_url": "http://127.0.0.1:1"}
    model = PydanticAIModel(name, api_key=KEY, transport=answering({"error": {}}, seen, status), **options)
    with pytest.raises(CallFailed) as caught:
        await model.complete(ASKED)

    assert 1 == len(seen)
    assert (status == 429) == caught.value.unsent


@pytest.mark.parametrize(
    ("name", "settings", "takes"),
    [
        ("google:gemini-2.5-flash", {"temperature": 0.5, "top_p": 0.5, "seed": 7}, True),
        ("mistral:mistral-large-latest", {"temperature": 0.5, "seed": 7}, True),
        ("anthropic:claude-haiku-4-5", {"temperature": 0.5}, False),
        ("google:gemini-2.5-flash", {"reasoning_effort": "low"}, False),
        ("deepseek:deepseek-chat", {"temperature": 0.5}, False),
        ("deepseek:deepseek-chat", {"timeout_s": 5.0}, True),
    ],
)
async def test_settings_are_sent_or_refused(name: str, settings: dict[str, Any], takes: bool) -> None:
    """A setting that a bridge does not surely carry is refused, and one that it takes is on the wire."""
    seen: list[httpx2.Request] = []
    model = PydanticAIModel(name, api_key=KEY, transport=answering({}, seen, 500))
    chosen = ModelSettings(**settings)
    assert takes == (model.objection(chosen) is None)

    if takes:
        with pytest.raises(CallFailed):
            await model.complete(Request(messages=ASKED.messages, max_output_tokens=20, settings=chosen))
        assert all(str(value) in seen[0].content.decode() for key, value in settings.items() if key != "timeout_s")


PRICES: list[tuple[str, Callable[[], object]]] = [
    ("pydantic-ai:groq:llama-3.3-70b-versatile", lambda: price_of("groq", "llama-3.3-70b-versatile")),
    ("pydantic-ai:openai-chat:gpt-5-mini", lambda: price_by_name("openai:gpt-5-mini")),
    ("pydantic-ai:anthropic:claude-haiku-4-5", lambda: anthropic_price("claude-haiku-4-5")),
    ("pydantic-ai:xai:grok-4", lambda: price_of("x-ai", "grok-4")),
]


@pytest.mark.parametrize(("name", "price"), PRICES)
def test_prices_are_known_by_the_names_of_pydantic_ai(name: str, price: Callable[[], object]) -> None:
    """A price is found by pydantic-ai's name of a provider."""
    assert price() is not None
    assert price() == price_by_name(name)


def test_own_servers_have_no_price() -> None:
    """What runs at a place of the user's own has the price that its operator knows."""
    assert price_by_name("pydantic-ai:ollama:llama4") is price_by_name("pydantic-ai:vllm:llama4") is None


USAGES = [
    ({"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}, (5, 7)),
    ({"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 20}}, (5, 15)),
    ({"usage": {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 3}}, (8, 7)),
    ({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 4}}, (5, 11)),
    ({"usage": {"prompt_tokens": True, "completion_tokens": 7}}, None),
    ({"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": "12"}}, None),
    ({"usage": {"prompt_tokens": 5}}, None),
    ({"usage": {"tokens": 5}}, None),
    ([], None),
]


@pytest.mark.parametrize(("body", "counts"), USAGES)
def test_usage_is_plain_numbers_on_the_wire(body: Any, counts: tuple[int, int] | None) -> None:
    """Only whole numbers are believed, thoughts are output, and what a total has beyond its parts is too."""
    usage = usage_of(body)

    assert counts == (usage and (usage.input_tokens, usage.output_tokens))


REFUSALS = [
    (400, {"error": {"message": "Your prompt is too long: 9 > 8"}}, "context_overflow", True),
    (429, {"error": {"code": "insufficient_quota"}}, "quota", True),
    (400, {"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}, "authentication", True),
    (500, {"error": {"code": "insufficient_quota"}}, "server_error", False),
]


@pytest.mark.parametrize(("status", "body", "reason", "unsent"), REFUSALS)
def test_words_say_why_and_the_status_what_it_cost(status: int, body: Any, reason: str, unsent: bool) -> None:
    """A word of an error refines what a 4xx means; a 5xx may have been billed, whatever is said."""
    error = refused(httpx2.Response(status, json=body))

    assert (reason, unsent) == (error.reason, error.unsent)
