"""Anthropic's Messages API: one request a call, nothing from the environment, and no reply that is neither a
`Response` nor a `CallFailed`. The real SDK is driven, over a transport that answers from memory.
"""

import asyncio
import inspect
import json
import logging
import sys
import unicodedata
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

httpx2 = pytest.importorskip("httpx2", reason="Anthropic's models need the extra `anthropic`")
pytest.importorskip("anthropic", reason="Anthropic's models need the extra `anthropic`")

from support.pinned import pinned  # noqa: E402 - after the SDK is known to be there

from fsm_orch.amounts import (  # noqa: E402
    FREE,
    Price,
    Usage,
)
from fsm_orch.errors import CallFailed, ModelUnavailable  # noqa: E402
from fsm_orch.messages import Message, Role, ToolCall  # noqa: E402
from fsm_orch.models.anthropic import MEANINGS, MessagesModel  # noqa: E402
from fsm_orch.models.base import Request, Response  # noqa: E402
from fsm_orch.models.registry import resolve  # noqa: E402

KEY = "sk-ant-api03-s3cr3t"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
HONEST = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2},
}

Handler = Callable[[Any], Any]


class Provider:
    """Answers in memory, and remembers what it was asked."""

    def __init__(self, answer: Any = HONEST, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.requests: list[Any] = []
        self._answer = answer
        self._status = status
        self._headers = headers

    async def handle(self, request: Any) -> Any:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        content = self._answer if isinstance(self._answer, bytes) else json.dumps(self._answer).encode()
        return httpx2.Response(self._status, content=content, headers=self._headers)

    def model(self, name: str = "claude-haiku-4-5", **options: Any) -> MessagesModel:
        """Give a model that is answered here."""
        return MessagesModel(name, api_key=KEY, transport=httpx2.MockTransport(self.handle), **options)

    @property
    def body(self) -> Any:
        """What the one request said."""
        (request,) = self.requests
        return json.loads(request.content)


def said(role: Role, content: str) -> Message:
    """Say something."""
    return Message(role=role, content=content)


def request(*messages: Message, cap: int = 100, schema: Mapping[str, Any] | None = None) -> Request:
    """Ask something."""
    return Request(messages=messages or (said("user", "hello"),), schema=schema, max_output_tokens=cap)


async def failure(model: MessagesModel, asked: Request | None = None) -> CallFailed:
    """Give the failure of a request."""
    with pytest.raises(CallFailed) as caught:
        await model.complete(asked or request())
    return caught.value


# --- what is sent ---------------------------------------------------------------------------------------------


async def test_body() -> None:
    """A request holds the system's messages apart, the cap, the schema, and nothing that was not asked for."""
    provider = Provider()
    asked = request(said("system", "a"), said("user", "b"), said("system", "c"), cap=7, schema=SCHEMA)
    await provider.model().complete(asked)

    assert {
        "model": "claude-haiku-4-5",
        "system": "a\n\nc",
        "messages": [{"role": "user", "content": "b"}],
        "max_tokens": 7,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    } == provider.body


async def test_body_without_system_and_schema() -> None:
    """What there is not is not sent."""
    provider = Provider()
    await provider.model().complete(request())

    assert {"model", "messages", "max_tokens"} == provider.body.keys()


SAID = st.lists(
    st.builds(said, st.sampled_from(get_args(Role)), st.sampled_from(["", " ", "\n", "a", "b", "{}"]) | st.text())
)


@given(messages=SAID)
@example(messages=[])
@example(messages=[said("assistant", "a")])
@example(messages=[said("user", " ")])
async def test_turns(messages: list[Message]) -> None:
    """Whatever the conversation, user and assistant take turns from the user to the user, and none says nothing."""
    provider = Provider()
    await provider.model().complete(Request(messages=tuple(messages), max_output_tokens=1))
    sent = provider.body["messages"]

    assert [("user", "assistant")[at % 2] for at in range(len(sent))] == [message["role"] for message in sent]
    assert 1 == len(sent) % 2
    assert all(message["content"].strip() for message in sent)
    assert provider.body.get("system", "x").strip()


@given(messages=SAID)
async def test_nothing_is_lost(messages: list[Message]) -> None:
    """What both sides and the system said is sent in its order; what tools said is not."""
    provider = Provider()
    await provider.model().complete(Request(messages=tuple(messages), max_output_tokens=1))
    talk = [m.content for m in messages if m.role in ("user", "assistant") and m.content.strip()]
    system = [m.content for m in messages if m.role == "system" and m.content.strip()]
    sent = "\n\n".join(message["content"] for message in provider.body["messages"])

    assert "\n\n".join(talk) in sent
    assert len(sent) <= len("\n\n".join(["Continue.", *talk, "Continue."]))
    assert "\n\n".join(system) == provider.body.get("system", "")


async def test_tool_calls_are_left_out() -> None:
    """A message that only calls a tool says nothing."""
    provider = Provider()
    called = Message(role="assistant", content="", tool_calls=(ToolCall(id="1", name="find", arguments="{}"),))
    answered = Message(role="tool", content="found", tool_call_id="1")
    await provider.model().complete(request(said("user", "a"), called, answered, said("user", "b")))

    assert [{"role": "user", "content": "a\n\nb"}] == provider.body["messages"]


async def test_large_cap() -> None:
    """A cap for which the SDK would want to stream is sent as it is."""
    provider = Provider()
    await provider.model().complete(request(cap=64_000))

    assert 64_000 == provider.body["max_tokens"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (request(schema={"description": "\ud800"}), "lone surrogate"),
        (request(cap=0), "at least 1"),
        (request(schema={"enum": [object()]}), "not JSON"),
        (request(schema={"enum": [float("nan")]}), "not JSON"),
    ],
)
async def test_bad_input(asked: Request, why: str) -> None:
    """What cannot be sent is refused, at no cost, both when it is counted and when it would be sent."""
    provider = Provider()
    with pytest.raises(CallFailed, match=f"bad_input.*{why}") as caught:
        await provider.model().count(asked)

    assert caught.value.unsent
    assert "bad_input" == (await failure(provider.model(), asked)).reason
    assert [] == provider.requests


ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "sk-other",
    "ANTHROPIC_AUTH_TOKEN": "token",
    "ANTHROPIC_BASE_URL": "https://evil.example",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Evil: 1\nAuthorization: Bearer other\nanthropic-version: 2000-01-01",
    "ANTHROPIC_PROFILE": "evil",
    "ANTHROPIC_CONFIG_DIR": "/nowhere",
    "ANTHROPIC_IDENTITY_TOKEN": "token",
    "ANTHROPIC_FEDERATION_RULE_ID": "rule",
    "ANTHROPIC_ORGANIZATION_ID": "org",
    "ANTHROPIC_WORKSPACE_ID": "workspace",
    "ANTHROPIC_WEBHOOK_SIGNING_KEY": "key",
    "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content",
    "HTTPS_PROXY": "http://evil.example",
    "ALL_PROXY": "http://evil.example",
}


async def test_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the environment changes the address, a header or the body of a request."""
    plain, tempted = Provider(), Provider()
    await plain.model().complete(request())
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    await tempted.model().complete(request())

    assert "https://api.anthropic.com/v1/messages" == str(tempted.requests[0].url)
    assert f"Bearer {KEY}" == tempted.requests[0].headers["authorization"]
    assert plain.requests[0].headers == tempted.requests[0].headers
    assert plain.requests[0].content == tempted.requests[0].content


@pytest.mark.parametrize("status", [307, 308, 401, 408, 409, 429, 500, 503, 529])
async def test_one_call_is_one_request(status: int) -> None:
    """Nothing is sent twice, even if the provider asks for it."""
    headers = {"location": "https://api.anthropic.com/v1/messages", "x-should-retry": "true", "retry-after": "0"}
    provider = Provider({}, status=status, headers=headers)
    await failure(provider.model())

    assert 1 == len(provider.requests)


def test_any_loop() -> None:
    """One model serves one event loop after another."""
    model = Provider().model()

    assert ["hi", "hi"] == [asyncio.run(model.complete(request())).text for _ in range(2)]


# --- what comes back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("refusal", "refusal"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "length"),
        ("something_new", "length"),
        (None, "length"),
        ([], "length"),
    ],
)
async def test_finish(reason: Any, finish: str) -> None:
    """A reply has stopped only if it says so; one that ended in any other way is not whole, and is charged."""
    response = await Provider({**HONEST, "stop_reason": reason}).model().complete(request())

    assert Response(text="hi", usage=Usage(requests=1, input_tokens=5, output_tokens=2), finish=finish) == response  # type: ignore[arg-type]


async def test_only_text_is_read() -> None:
    """Thinking, and blocks that nobody asked for, are not part of the text."""
    content = [
        {"type": "thinking", "thinking": "hm", "text": "no"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": None},
        {"type": "text"},
        None,
        "no",
        {"type": "text", "text": "b\ud800"},
    ]
    response = await Provider({**HONEST, "content": content}).model().complete(request())

    assert "ab?" == response.text


COUNTS = st.none() | st.booleans() | st.integers(-2, 10**30) | st.floats() | st.text(max_size=3)
PARTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


@given(counts=st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, COUNTS)))
@example(counts={"input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 8})
@example(counts={"input_tokens": 1, "cache_creation_input_tokens": None, "output_tokens": 8})
@example(counts={"input_tokens": 1, "cache_creation_input_tokens": False, "output_tokens": 8})
@example(counts={"input_tokens": float("inf"), "output_tokens": float("nan")})
async def test_usage(counts: dict[str, Any]) -> None:
    """Usage is the sum of plain counts, where no cache is none used; one wrong count and nothing is believed."""
    response = await Provider({**HONEST, "usage": counts}).model().complete(request())
    parts = {part: counts.get(part) for part in PARTS}
    for part in PARTS[1:3]:
        parts[part] = 0 if parts[part] is None else parts[part]
    *read, written = parts.values()

    if all(type(count) is int and count >= 0 for count in parts.values()):
        assert Usage(requests=1, input_tokens=sum(read), output_tokens=written) == response.usage
    else:
        assert response.usage is None


@pytest.mark.parametrize("content", [{}, None, "hi", 3])
async def test_usage_without_content(content: Any) -> None:
    """What a reply cost is kept, though nothing else of it can be read."""
    response = await Provider({**HONEST, "content": content}).model().complete(request())

    assert Response(text="", usage=Usage(requests=1, input_tokens=5, output_tokens=2), finish="length") == response


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["type", "content", "text", "usage", "error", "message", "details", "error_code", *PARTS])
            | st.text(max_size=3),
            inner,
        )
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(),
    JSON,
    st.fixed_dictionaries({}, optional=dict.fromkeys(HONEST, JSON)),
    st.fixed_dictionaries({"error": JSON}),
    st.sampled_from([b"[" * 100_000, b"<html></html>", b"\xef\xbb\xbf{}", b"null", b"9" * 5_000, b'{"content":[']),
)


@given(
    body=BODIES,
    status=st.sampled_from([200, 200, 200, 201, 204, 302, 400, 404, 418, 429, 500, 529, 599]),
    kind=st.sampled_from(["application/json", "text/html", "application/json; charset=nonsense", "", "\x7f"]),
)
@example(body={"content": [], "x": float("inf")}, status=200, kind="application/json")
@example(body=float("nan"), status=400, kind="application/json")
async def test_anything_may_come_back(body: Any, status: int, kind: str) -> None:
    """Any bytes, of any kind and status, are a `Response` or a `CallFailed`, and only a 4xx cost nothing."""
    model = Provider(body, status=status, headers={"content-type": kind}).model()
    (came,) = await asyncio.gather(model.complete(request()), return_exceptions=True)

    if isinstance(came, CallFailed):
        assert (400 <= status < 500) is came.unsent
    else:
        assert isinstance(came, Response)
        assert 200 <= status < 300
        assert came.text == came.text.encode().decode()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_undecodable(encoding: str) -> None:
    """A body that is not encoded as it says is unreadable, and charged."""
    error = await failure(Provider(b"nonsense", headers={"content-encoding": encoding}).model())

    assert ("unreadable", False, False) == (error.reason, error.unsent, error.transient)


# --- what goes wrong ------------------------------------------------------------------------------------------


def refusal(kind: str, message: str = "No.", code: str | None = None) -> Any:
    """Write an error as the API does."""
    details = {} if code is None else {"details": {"error_code": code}}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("status", "body", "reason", "unsent", "transient"),
    [
        (400, refusal("invalid_request_error"), "bad_request", True, False),
        (
            400,
            refusal("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"),
            "context_overflow",
            True,
            False,
        ),
        (
            400,
            refusal("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 1 > 1"),
            "context_overflow",
            True,
            False,
        ),
        (
            400,
            refusal("invalid_request_error", "Your credit balance is too low to access the API."),
            "quota",
            True,
            False,
        ),
        (400, refusal("invalid_request_error", code="organization_on_hold"), "permission", True, False),
        (401, refusal("authentication_error"), "authentication", True, False),
        (402, refusal("billing_error"), "quota", True, False),
        (403, refusal("permission_error"), "permission", True, False),
        (404, refusal("not_found_error"), "not_found", True, False),
        (413, refusal("request_too_large"), "too_large", True, False),
        (413, refusal("invalid_request_error"), "too_large", True, False),
        (429, refusal("rate_limit_error"), "rate_limited", True, True),
        (429, refusal("rate_limit_error", code="ramp_limit_exceeded"), "rate_limited", True, True),
        (429, refusal("rate_limit_error", code="enforced_spend_limit_reached"), "quota", True, False),
        (429, refusal("billing_error"), "quota", True, False),
        (500, refusal("api_error"), "server_error", False, True),
        (503, refusal("api_error", code="authorization_check_unavailable"), "overloaded", False, True),
        (503, refusal("api_error", code="change_outcome_unknown"), "outcome_unknown", False, True),
        (409, refusal("conflict_error", code="change_outcome_unknown"), "outcome_unknown", False, True),
        (503, refusal("api_error", code="workspace_created_incomplete"), "incomplete", False, False),
        (504, refusal("timeout_error"), "timeout", False, True),
        (529, refusal("overloaded_error"), "overloaded", False, True),
        (500, refusal("invalid_request_error", "prompt is too long"), "context_overflow", False, False),
        (429, b"<html></html>", "rate_limited", True, True),
        (502, b"<html></html>", "server_error", False, True),
        (307, b"", "redirect", False, False),
        (200, refusal("overloaded_error"), "unreadable", False, False),
        (200, b"<html></html>", "unreadable", False, False),
    ],
)
async def test_refusals(status: int, body: Any, reason: str, unsent: bool, transient: bool) -> None:
    """A refusal says why by its words; that it cost nothing, or may pass, only both its words and its status say."""
    error = await failure(Provider(body, status=status).model())

    assert (reason, unsent, transient) == (error.reason, error.unsent, error.transient)


@pytest.mark.parametrize(
    ("raised", "reason", "unsent", "transient"),
    [
        (httpx2.ConnectError("x"), "connection", True, True),
        (httpx2.ConnectTimeout("x"), "connection", True, True),
        (httpx2.PoolTimeout("x"), "connection", True, True),
        (httpx2.ReadTimeout("x"), "timeout", False, True),
        (httpx2.WriteError("x"), "disconnected", False, True),
        (httpx2.ReadError("x"), "disconnected", False, True),
        (httpx2.RemoteProtocolError("x"), "disconnected", False, True),
        (OSError("x"), "disconnected", False, True),
    ],
)
async def test_lost_connections(raised: Exception, reason: str, unsent: bool, transient: bool) -> None:
    """What never left costs nothing; what may have arrived is charged."""
    error = await failure(Provider(raised).model())

    assert (reason, unsent, transient) == (error.reason, error.unsent, error.transient)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [({}, None), ({"retry-after": "7"}, 7.0), ({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "soon"}, None)],
)
async def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    """How long the provider asks to wait is passed on."""
    error = await failure(Provider(refusal("rate_limit_error"), status=429, headers=headers).model())

    assert wait_s == error.retry_after_s


class Silence:
    """A provider that never answers."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.is_closed = False

    async def handle(self, _request: Any) -> Any:
        self.is_asked.set()
        try:
            await asyncio.sleep(3_600)
        finally:
            self.is_closed = True


@pytest.mark.looptime
async def test_timeout() -> None:
    """A call takes no longer than its timeout, is charged, and leaves nothing behind."""
    silence = Silence()
    model = MessagesModel("claude-haiku-4-5", api_key=KEY, timeout_s=5, transport=httpx2.MockTransport(silence.handle))
    start = asyncio.get_running_loop().time()
    error = await failure(model)

    assert 5 == pytest.approx(asyncio.get_running_loop().time() - start)
    assert ("timeout", False, True, True) == (error.reason, error.unsent, error.transient, silence.is_closed)


@pytest.mark.looptime
async def test_cancellation() -> None:
    """A cancelled call ends at once, as cancelled."""
    silence = Silence()
    model = MessagesModel("claude-haiku-4-5", api_key=KEY, transport=httpx2.MockTransport(silence.handle))
    task = asyncio.create_task(model.complete(request()))
    await silence.is_asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert silence.is_closed


async def test_warning_as_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where warnings are errors, the SDK's word on a deprecated model is a failed call that says so."""
    with pinned("anthropic"):
        from anthropic.resources.messages.messages import DEPRECATED_MODELS

        monkeypatch.setitem(DEPRECATED_MODELS, "claude-old", "January 1st, 2027")  # real ones leave the list one day
        error = await failure(Provider().model("claude-old"))

        assert "sdk_error" == error.reason
        assert "'claude-old' is deprecated" in str(error)


async def test_secrets_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the key nor the prompt is in a failure, in what it comes from, in a log or in the model's own words."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "anthropic._base_client")  # whoever wants the SDK's details gets the prompt too
    prompt, quoted = "my secret illness", refusal(KEY, f"You sent {KEY} and my secret illness", KEY)
    headers = {"request-id": KEY}
    shown = [repr(Provider().model()), repr(vars(Provider().model()))]
    for provider in (
        *(Provider(quoted, status=status, headers=headers) for status in (200, 307, 400, 401, 429, 500, 529)),
        Provider(httpx2.ConnectError(f"{KEY} my secret illness")),
    ):
        error = await failure(provider.model(), request(said("user", prompt)))
        shown += [str(error), repr(error), repr(vars(error)), repr(error.__cause__), repr(error.__context__)]

    assert [] == [text for text in [*shown, caplog.text] if KEY in text or "illness" in text]


async def test_key_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The key is in no log, not even in the SDK's most talkative one."""
    caplog.set_level(logging.DEBUG)
    await Provider().model().complete(request())

    assert "/v1/messages" in caplog.text
    assert KEY not in caplog.text


async def test_codes_are_shown() -> None:
    """A failure names the codes and the id by which its provider knows it."""
    provider = Provider(
        refusal("rate_limit_error", code="ramp_limit_exceeded"), status=429, headers={"request-id": "req_011C"}
    )

    assert "rate_limited: HTTP 429 rate_limit_error ramp_limit_exceeded req_011C" == str(
        await failure(provider.model())
    )


@pytest.mark.parametrize("key", ["", "a b", "schlüssel", "\x00"])
def test_bad_key(key: str) -> None:
    """A key that no header can hold is refused before anything is sent, and not repeated."""
    with pytest.raises(ValueError, match="api_key must be") as caught:
        MessagesModel("claude-haiku-4-5", api_key=key)

    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("base_url", ["nonsense", "ftp://example.org", ""])
def test_bad_address(base_url: str) -> None:
    """An address that is none is refused before anything is sent."""
    with pytest.raises(ValueError, match="base_url must be"):
        MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=base_url)


# --- the SDK may grow -----------------------------------------------------------------------------------------


@pinned("anthropic")
def test_every_error_type_is_known() -> None:
    """Every error type of the SDK has a meaning, but for two that say no more than the status."""
    from anthropic.types.shared.error_type import ErrorType

    assert {"invalid_request_error", "api_error"} == set(get_args(ErrorType)) - MEANINGS.keys()


@pinned("anthropic")
def test_every_status_is_known() -> None:
    """The SDK has classes for these statuses, all of which `fsm_orch.models.http` was written for."""
    from anthropic._error_classes import ERROR_CLASSES

    known = {400, 401, 402, 403, 404, 408, 409, 412, 413, 422, 429, 431, 499, 501, 503, 504, 529}

    assert known == {status for status, code in ERROR_CLASSES if code is None}


@pinned("anthropic")
def test_every_error_code_is_known() -> None:
    """Every code that may decide whether to try again has a meaning."""
    from anthropic._error_classes import ERROR_CLASSES

    deciding = {code for status, code in ERROR_CLASSES if status in (402, 429) or status >= 500}

    assert set() == deciding - {None} - MEANINGS.keys()


@pinned("anthropic")
def test_every_exception_is_known() -> None:
    """Every exception of the SDK is a refusal with a status, a lost connection, or one that was thought of."""
    from anthropic import APIStatusError, _exceptions

    found = {
        name
        for name, value in inspect.getmembers(_exceptions, inspect.isclass)
        if issubclass(value, _exceptions.AnthropicError) and not issubclass(value, APIStatusError)
    }

    assert {
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APITimeoutError",
        "APIWebhookValidationError",
        "AnthropicError",
        "CredentialsError",
        "IdentityTokenFileError",
        "RetryableError",
    } == found


# --- what it takes and costs ----------------------------------------------------------------------------------


@given(text=st.text() | st.text(st.sampled_from('ﷺ①ﬁé\u0301a\n"')), schema=st.sampled_from([None, SCHEMA]))
async def test_bound(text: str, schema: Mapping[str, Any] | None) -> None:
    """The bound covers every byte, of the text and of its NFKC form, the schema twice, and asks nobody."""
    provider = Provider()
    bound = await provider.model().count(request(said("user", text), schema=schema))
    forms = [text, unicodedata.normalize("NFKC", text)] if text.strip() else [""]
    twice = 2 * len(json.dumps(schema)) if schema else 0

    assert max(len(form.encode()) for form in forms) + twice < bound
    assert [] == provider.requests


@given(counted=st.integers(0, 10_000))
async def test_exact_count(counted: int) -> None:
    """The counting endpoint is asked for the same request; a little is added, and bytes bound it still."""
    provider = Provider({"input_tokens": counted})
    asked = request(said("system", "a"), said("user", "b" * 2_000), schema=SCHEMA)
    bound = await provider.model(exact_count=True).count(asked)
    by_bytes = await provider.model().count(asked)
    answered = Provider()
    await answered.model().complete(asked)

    assert min(counted + counted // 32 + 32, by_bytes) == bound
    assert "/v1/messages/count_tokens" == provider.requests[0].url.path
    assert {key: value for key, value in answered.body.items() if key != "max_tokens"} == provider.body


@pytest.mark.parametrize(
    "provider",
    [
        Provider({"input_tokens": -1}),
        Provider({"input_tokens": True}),
        Provider([]),
        Provider(b"nonsense"),
        Provider(refusal("api_error"), status=500),
        Provider(httpx2.ReadError("x")),
    ],
)
async def test_failed_count(provider: Provider) -> None:
    """A count that failed cost nothing."""
    with pytest.raises(CallFailed) as caught:
        await provider.model(exact_count=True).count(request())

    assert caught.value.unsent


async def test_largest_input() -> None:
    """A request that may be larger than the largest input is refused, at no cost, and one that may not is not."""
    provider = Provider()
    bound = await provider.model().count(request())
    error = await failure(provider.model(max_input_tokens=bound - 1))
    with pytest.raises(CallFailed, match=f"context_overflow: its input may be {bound} tokens"):
        await provider.model(max_input_tokens=bound - 1).count(request())

    assert ("context_overflow", True, []) == (error.reason, error.unsent, provider.requests)
    assert "hi" == (await provider.model(max_input_tokens=bound).complete(request())).text


async def test_largest_input_by_exact_count() -> None:
    """With an exact count it is the count that decides."""
    model = Provider({"input_tokens": 100}).model(exact_count=True, max_input_tokens=200)
    long = Provider({"input_tokens": 200}).model(exact_count=True, max_input_tokens=200)
    asked = request(said("user", "a" * 300))

    assert 135 == await model.count(asked)
    with pytest.raises(CallFailed, match="context_overflow: its input may be 238 tokens"):
        await long.count(asked)


@pinned("genai-prices")
def test_price() -> None:
    """The price is that of plain input below the largest one, on Anthropic's own API alone, or what was given."""
    sonnet = Provider().model("claude-sonnet-4-5").price
    long = Provider().model("claude-sonnet-4-5", max_input_tokens=1_000_000).price

    assert Price(Fraction(3), Fraction(15)) == sonnet
    assert Price(Fraction(6), Fraction(45, 2)) == long
    assert sonnet == Provider().model("claude-sonnet-4-5", base_url="https://api.anthropic.com/").price
    assert Provider().model("claude-sonnet-4-5", base_url="https://proxy.example").price is None
    assert Provider().model("claude-nonsense").price is None
    assert FREE == Provider().model("claude-nonsense", price=FREE).price


# --- by name --------------------------------------------------------------------------------------------------


def test_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with this provider gives its model, with the key of the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    assert "anthropic:claude-haiku-4-5" == resolve("anthropic:claude-haiku-4-5").name


@pytest.mark.parametrize("key", [None, "", " "])
def test_missing_key(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Without a key it is said which variable to set."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)

    with pytest.raises(ModelUnavailable, match="set the environment variable ANTHROPIC_API_KEY"):
        resolve("anthropic:claude-haiku-4-5")


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK it is said what to install."""
    monkeypatch.delitem(sys.modules, "fsm_orch.models.anthropic")
    monkeypatch.setitem(sys.modules, "anthropic", None)

    with pytest.raises(ModelUnavailable, match=r"pip install 'fsm_orch\[anthropic\]'"):
        resolve("anthropic:claude-haiku-4-5")
