"""Models of pydantic-ai by name: what is opened, what is refused at the start and why, and what reaches the wire."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

pytest.importorskip("pydantic_ai", reason="models of pydantic-ai need the extra `pydantic-ai`")

from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.messages import Message
from fsm_orch.models import Request
from fsm_orch.models.bridges.answers import refused, told, usage_of
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
    ({"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}, (5, 0)),
    ({"usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 9}}, (5, 4)),
    ({"usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 4}}, None),
    ({"usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": -4, "totalTokenCount": 9}}, None),
    ({"usage": {"prompt_tokens": 5, "total_tokens": 5}}, None),
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


FULL = "You exceeded your current quota, please check your plan and billing details."
DAY = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDay"}]}
WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.429760048s"}
MISTRAL = {"object": "error", "param": None}
OLD = "Prompt contains 150010 tokens, too large for model with 131072 maximum context length"
NEW = "Prompt 264620 > 262144 maximum context length"
REFUSALS: list[tuple[int, Any, tuple[str, bool, bool, float | None]]] = [
    (400, {"error": {"message": "Your prompt is too long: 9 > 8"}}, ("context_overflow", True, False, None)),
    (429, {"error": {"code": "insufficient_quota"}}, ("quota", True, False, None)),
    (400, {"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}, ("authentication", True, False, None)),
    (500, {"error": {"code": "insufficient_quota"}}, ("server_error", False, True, None)),
    (429, {"error": {"code": 429, "message": FULL, "details": [DAY]}}, ("quota", True, False, None)),
    (429, {"error": {"code": 429, "message": FULL, "details": [DAY, WAIT]}}, ("rate_limited", True, True, 36.43)),
    (429, {"error": {"code": 429, "details": [{"retryDelay": "nans"}, 7, WAIT]}}, ("rate_limited", True, True, 36.43)),
    (503, [{"error": {"code": 503, "message": FULL, "details": [WAIT]}}], ("overloaded", False, True, 36.43)),
    (429, {**MISTRAL, "type": "service_tier_capacity_exceeded", "code": "3505"}, ("rate_limited", True, True, None)),
    (400, {**MISTRAL, "type": "invalid_request_error", "message": OLD}, ("context_overflow", True, False, None)),
    (400, {**MISTRAL, "type": "invalid_request_prompt_too_long"}, ("context_overflow", True, False, None)),
    (400, {**MISTRAL, "message": NEW, "code": "3059"}, ("context_overflow", True, False, None)),
    (401, {"detail": "Unauthorized"}, ("authentication", True, False, None)),
    (422, {"object": "error", "message": {"detail": [{"msg": "x"}]}}, ("bad_request", True, False, None)),
    (413, {"error": {"type": "tokens", "code": "rate_limit_exceeded"}}, ("too_large", True, False, None)),
]
"""The real bodies of OpenAI, Anthropic, Google, Mistral and Groq, as users report them, and what each is to mean."""


@pytest.mark.parametrize(("status", "body", "meaning"), REFUSALS)
def test_words_say_why_and_the_status_what_it_cost(
    status: int, body: Any, meaning: tuple[str, bool, bool, float | None]
) -> None:
    """A word of an error refines what a 4xx means; a 5xx may have been billed, whatever is said."""
    error = refused(httpx2.Response(status, json=body))

    assert meaning[:3] == (error.reason, error.unsent, error.transient)
    assert pytest.approx(meaning[3], abs=0.01) == error.retry_after_s


def test_a_header_says_how_long_to_wait_before_a_body_does() -> None:
    """Of two waits that are told, the header's counts."""
    full = httpx2.Response(429, json={"error": {"message": FULL, "details": [WAIT]}}, headers={"retry-after": "5"})

    assert 5 == refused(full).retry_after_s


TOLD = [
    ({"error": {"code": 429, "message": FULL}}, "quota"),
    ({"error": {"code": 429, "message": FULL, "details": [WAIT]}}, "rate_limited"),
    ({**MISTRAL, "type": "rate_limited", "code": "1300", "message": "Rate limit exceeded"}, "rate_limited"),
    ({**MISTRAL, "type": "service_tier_capacity_exceeded", "code": "3505"}, "rate_limited"),
    ({**MISTRAL, "type": "invalid_request_prompt_too_long", "code": "3059", "message": NEW}, "context_overflow"),
    ({**MISTRAL, "type": "tier_not_allowed", "code": "1910"}, "permission"),
    ({"error": "boom"}, "server_error"),
]


@pytest.mark.parametrize(("body", "reason"), TOLD)
def test_an_error_in_a_success_is_charged(body: Any, reason: str) -> None:
    """An error in the body of a 200 means what it says, and is never free."""
    error = told(body)

    assert error is not None
    assert (reason, False) == (error.reason, error.unsent)


CUT = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}


@pytest.mark.parametrize(
    ("reply", "thoughts", "finish"), [({"candidates": [CUT]}, 20, "length"), (BLOCKED, 0, "refusal")]
)
async def test_gemini_without_a_text_is_read(reply: dict[str, Any], thoughts: int, finish: str) -> None:
    """Thoughts that reach the cap, and a prompt that is blocked, leave no text and no count of it, and are read."""
    counts = {"promptTokenCount": 9, "totalTokenCount": 9 + thoughts}
    usage = {**counts, "thoughtsTokenCount": thoughts} if thoughts else counts
    transport = answering({**reply, "usageMetadata": usage}, [])
    response = await PydanticAIModel("google:gemini-2.5-flash", api_key=KEY, transport=transport).complete(ASKED)

    assert response.usage is not None
    assert (finish, "", 9, thoughts) == (
        response.finish,
        response.text,
        response.usage.input_tokens,
        response.usage.output_tokens,
    )


USED = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
COUNTED = {"promptTokenCount": 9, "candidatesTokenCount": 7, "totalTokenCount": 16}


def chosen(*texts: str | None) -> dict[str, Any]:
    """Return a reply of Chat Completions with a choice of each text."""
    said = [{"role": "assistant", "content": text} for text in texts]
    choices = [{"index": i, "message": each, "finish_reason": "stop"} for i, each in enumerate(said)]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": USED}


def candidates(*texts: str | None) -> dict[str, Any]:
    """Return a reply of Gemini with a candidate of each text."""
    said = [{"role": "model", "parts": [] if text is None else [{"text": text}]} for text in texts]
    made = [{"content": each, "finishReason": "STOP", "index": i} for i, each in enumerate(said)]
    return {"candidates": made, "usageMetadata": COUNTED}


@pytest.mark.parametrize(("name", "reply"), [("openai-chat:o", chosen), ("google:g", candidates)])
@pytest.mark.parametrize(
    ("texts", "read"), [(("one",), ("one", "stop")), (("one", "two"), ("", "other")), ((None,), ("", "other"))]
)
async def test_what_is_not_said_once_is_no_answer(
    name: str, reply: Callable[..., Any], texts: tuple[str | None, ...], read: tuple[str, str]
) -> None:
    """Of two choices none is taken, and a reply without a text has not come to its end; both are charged."""
    model = PydanticAIModel(name, api_key=KEY, transport=answering(reply(*texts), []))
    response = await model.complete(ASKED)

    assert response.usage is not None
    assert (*read, 9, 7) == (
        *(response.text, response.finish),
        *(response.usage.input_tokens, response.usage.output_tokens),
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("openai-chat:gpt-5-mini", '"strict":true'),
        ("deepseek:deepseek-chat", "Reply with JSON of this schema, and nothing else: "),
    ],
)
async def test_a_schema_is_sent_strict_or_told_in_words(name: str, told: str) -> None:
    """As its form where a provider takes one, else among the instructions: never not at all."""
    seen: list[httpx2.Request] = []
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    model = PydanticAIModel(name, api_key=KEY, transport=answering({}, seen, 500))
    with pytest.raises(CallFailed):
        await model.complete(Request(messages=ASKED.messages, max_output_tokens=20, schema=schema))

    assert told in seen[0].content.decode()


async def test_half_a_character_is_no_text_that_a_journal_holds() -> None:
    """It is replaced, wherever the reply came from."""
    said = json.dumps(chosen("a\ud800")).encode()
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=said, headers={"content-type": "application/json"})
    )
    response = await PydanticAIModel("openai-chat:o", api_key=KEY, transport=transport).complete(ASKED)

    assert "a" == response.text.encode().decode()[0]


async def test_beside_an_error_only_a_whole_decision_is_one() -> None:
    """Anything less was cut, and fails as the error says."""
    beside = {"error": {"code": "rate_limit_exceeded", "message": "later"}}

    async def said(text: str) -> str:
        transport = answering({**chosen(text), **beside}, [])
        return (await PydanticAIModel("openai-chat:o", api_key=KEY, transport=transport).complete(ASKED)).text

    assert '{"handoff": "done"}' == await said('{"handoff": "done"}')
    with pytest.raises(CallFailed) as caught:
        await said('{"handoff": "do')
    assert ("rate_limited", False) == (caught.value.reason, caught.value.unsent)


@pytest.mark.parametrize("text", ["plain", "\u00fc\u4e2d"])
async def test_a_schema_counts_twice_at_least(text: str) -> None:
    """However a provider shows it to its model the bound of the input holds, and if its characters are escaped."""
    schema = {"type": "object", "properties": {"a": {"description": text * 100, "type": "string"}}}
    model = PydanticAIModel("google:g", api_key=KEY)
    asked = Request(messages=ASKED.messages, max_output_tokens=20, schema=schema)

    assert 2 * len(json.dumps(schema)) <= await model.count(asked) - await model.count(ASKED)


ELSEWHERE = "from-environment"
VARIABLES = {
    **dict.fromkeys(("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN"), ELSEWHERE),
    **dict.fromkeys(("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_API_VERSION"), ELSEWHERE),
    **dict.fromkeys((f"{name}_API_KEY" for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GROQ", "MISTRAL")), ELSEWHERE),
    **dict.fromkeys((f"{name}_CUSTOM_HEADERS" for name in ("OPENAI", "ANTHROPIC", "GROQ")), f"X-Mine: {ELSEWHERE}"),
    **dict.fromkeys((f"{name}_BASE_URL" for name in ("OPENAI", "ANTHROPIC", "GROQ")), f"http://{ELSEWHERE}/v1"),
    **dict.fromkeys(("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"), f"http://{ELSEWHERE}/v1"),
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://{ELSEWHERE}:1"),
    **dict.fromkeys(("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"), "true"),
    **dict.fromkeys(("OPENAI_LOG", "ANTHROPIC_LOG", "GROQ_LOG"), "debug"),
}


@pytest.mark.parametrize("name", ["openai:o", "openai-chat:o", "anthropic:c", "google:g", "groq:g", "mistral:m"])
async def test_nothing_of_the_environment_is_on_the_wire(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a key and an address given, nothing else that an SDK reads is sent, and its logs hold no key."""
    caplog.set_level(logging.DEBUG)
    for variable, value in VARIABLES.items():
        monkeypatch.setenv(variable, value)
    seen: list[httpx2.Request] = []
    options = {"api_key": KEY, "base_url": "http://here.test/v1"}
    with pytest.raises(CallFailed):
        await PydanticAIModel(name, transport=answering({}, seen, 500), **options).complete(ASKED)

    (request,) = seen
    sent = f"{request.url} {request.headers.multi_items()} {request.content!r}"
    assert "here.test" == request.url.host
    assert KEY in sent
    assert ELSEWHERE not in sent
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [("groq:g", "GROQ_BASE_URL", f"http://u:{KEY}@h:port"), ("mistral:m", "SSL_CERT_FILE", "/not/there.pem")],
)
def test_an_environment_that_cannot_be_used_is_told_at_the_start(
    name: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an SDK raises when it is built, the model cannot be had, and nothing of a key is told."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelUnavailable, match="cannot be had") as caught:
        PydanticAIModel(name, api_key=KEY)

    assert caught.value.__cause__ is caught.value.__context__ is None
    assert KEY not in str(caught.value)
