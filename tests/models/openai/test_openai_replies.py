"""What comes back from OpenAI's models: a reply, or a failed call, whatever it is."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.openai_wire import (
    KEY,
    KINDS,
    USED,
    Kind,
    ask,
    each_kind,
    fail,
    heard,
    model,
    refused,
    said,
)
from support.wired import Wired, httpx2

from fsm_orch.amounts import Usage
from fsm_orch.errors import CallFailed
from fsm_orch.models.base import Response
from fsm_orch.models.openai import Profile


@each_kind
async def test_reply(kind: Kind) -> None:
    """A good reply is its text, its usage and its end."""
    assert Response(text='{"handoff": "a"}', usage=USED) == await ask(kind, Wired(said(kind)))


def ended(kind: Kind, word: Any, text: Any = '{"handoff": "a"}') -> dict[str, Any]:
    """Write a reply that ends with a word."""
    if kind == "responses":
        reason = {"status": "incomplete", "incomplete_details": {"reason": word}}
        return said(kind, text, **({"status": word} if word in ("completed", "queued", None, "") else reason))
    return said(kind, choices=[{"finish_reason": word, "message": {"content": text}}])


@pytest.mark.parametrize(
    ("word", "finish", "shown"),
    [
        ("stop", "stop", ""),
        ("STOP", "stop", ""),
        ("eos", "stop", ""),
        ("end_turn", "stop", ""),
        ("COMPLETE", "stop", ""),
        ("length", "length", ""),
        ("max_tokens", "length", ""),
        ("MAX_TOKENS", "length", ""),
        ("max_output_tokens", "length", ""),
        ("content_filter", "refusal", ""),
        ("tool_calls", "other", "tool_calls"),
        ("function_call", "other", "function_call"),
        ("error", "other", "error"),
        ("You said: my secret", "other", ""),
        ("x" * 65, "other", ""),
        (None, "other", ""),
        ("", "other", ""),
        ([], "other", ""),
        (7, "other", ""),
    ],
)
@each_kind
async def test_finish(kind: Kind, word: Any, finish: str, shown: str) -> None:
    """How a reply ended is known by its provider's word; one that is not known is passed on, if it may be shown."""
    response = await ask(kind, Wired(ended(kind, word)))

    assert (finish, shown, USED) == (response.finish, response.ended, response.usage)
    assert '{"handoff": "a"}' == response.text


@each_kind
async def test_refusal(kind: Kind) -> None:
    """A refusal is one, with its text."""
    parts = [{"type": "text", "text": 7}, {"type": "refusal", "refusal": "No."}]
    in_parts = said("chat", choices=[{"finish_reason": "stop", "message": {"content": parts}}])

    assert Response(text="No.", usage=USED, finish="refusal") == await ask(kind, Wired(refused(kind, "No.")))
    assert Response(text="No.", usage=USED, finish="refusal") == await ask("chat", Wired(in_parts))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "text", "text": None}, None, 7, {"type": "thinking", "text": "no"}], ""),
        ([], ""),
        (None, ""),
        ({"type": "text", "text": "a"}, ""),
    ],
)
async def test_content_in_parts(content: Any, text: str) -> None:
    """Of content in parts the texts are what was said; where there is none, nothing was."""
    response = await ask("chat", Wired(said("chat", content)))

    assert Response(text=text, usage=USED, finish="stop" if text else "other") == response


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, "", " "])
async def test_json_in_the_reasoning(key: str, content: Any) -> None:
    """JSON that a server put into the reasoning is the answer where it gives no other, and prose never is."""

    def reasoned(text: Any) -> Wired:
        return Wired(said("chat", choices=[{"finish_reason": "stop", "message": {"content": content, key: text}}]))

    asked = model("chat", reasoned('{"handoff": "a"}'))

    assert '{"handoff": "a"}' == (await ask("chat", reasoned('{"handoff": "a"}'))).text
    assert "" == (await ask("chat", reasoned("I think so."))).text.strip()
    assert "" == (await ask("chat", reasoned(["a"]))).text.strip()
    assert "" == (await asked.complete(heard("free text"))).text.strip()


FENCED = Profile(name="x", cap="max_tokens", output="none", has_fences=True)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('\n```\n{"a": 1}\n```\n', '{"a": 1}'),
        ('```{"a": 1}```', '{"a": 1}'),
        ('{"a": 1}', '{"a": 1}'),
        ('Here: ```json\n{"a": 1}\n```', 'Here: ```json\n{"a": 1}\n```'),
        ("```json\n{}\n```\n```json\n{}\n```", "```json\n{}\n```\n```json\n{}\n```"),
        ("```", "```"),
        ("`````", "`````"),
        ("```json", "```json"),
    ],
)
async def test_a_fence_is_taken_off(written: str, text: str) -> None:
    """JSON in one markdown fence is read where a profile says that a server writes so, and where it does not is not."""
    plain = await ask("chat", Wired(said("chat", written)))
    unfenced = await ask("chat", Wired(said("chat", written)), profile=FENCED)
    prose = await model("chat", Wired(said("chat", written)), profile=FENCED).complete(heard("free text"))

    assert (written, text, written) == (plain.text, unfenced.text.strip(), prose.text)


@pytest.mark.parametrize(
    ("kind", "reply", "finish", "word"),
    [
        ("responses", said("responses", output=None), "other", ""),
        ("responses", said("responses", output=[]), "other", ""),
        ("responses", said("responses", output=[{"type": "message", "content": "text"}]), "other", ""),
        ("responses", said("responses", text=17), "other", ""),
        ("chat", said("chat", choices=[]), "other", ""),
        ("chat", said("chat", choices={"0": 1}), "other", ""),
        ("chat", said("chat", choices=2 * said("chat")["choices"]), "other", ""),
        (
            "chat",
            said("chat", choices=[{"finish_reason": "tool_calls", "message": {"content": None}}]),
            "other",
            "tool_calls",
        ),
        ("chat", said("chat", choices=[{"finish_reason": "length", "message": {"content": None}}]), "length", ""),
        ("chat", said("chat", text=[7]), "other", ""),
    ],
)
async def test_usage_survives(kind: Kind, reply: Any, finish: Any, word: str) -> None:
    """A billed reply that cannot be read is charged what it used, and is nobody's answer."""

    assert Response(text="", usage=USED, finish=finish, ended=word) == await ask(kind, Wired(reply))


ERRORS: list[tuple[Any, str, bool]] = [
    ({"code": 429, "message": "slow down"}, "rate_limited", True),
    ({"code": "429"}, "rate_limited", True),
    ({"status": 429}, "rate_limited", True),
    ({"code": "rate_limit_exceeded"}, "rate_limited", True),
    ({"type": "rate_limit_error"}, "rate_limited", True),
    ({"code": None, "type": "insufficient_quota"}, "quota", False),
    ({"code": "context_length_exceeded"}, "context_overflow", False),
    ({"code": 400, "type": "BadRequestError"}, "bad_request", False),
    ({"code": 402}, "quota", False),
    ({"code": 503}, "overloaded", True),
    ({"code": 502, "message": KEY}, "server_error", True),
    ({"code": 200}, "server_error", True),
    ({"code": True}, "server_error", True),
    ({"code": [429], "type": {}}, "server_error", True),
    ("model is loading", "server_error", True),
]


@pytest.mark.parametrize(("error", "reason", "is_transient"), ERRORS)
@each_kind
async def test_an_error_in_a_200(kind: Kind, error: Any, reason: str, is_transient: bool) -> None:
    """An error that the body of a 200 tells is an error of its code; it is charged, for the request was taken."""
    for reply in ({"error": error}, said(kind, output=[], choices=[], error=error)):
        failed = await fail(kind, Wired(reply))

        assert (reason, False, is_transient) == (failed.reason, failed.unsent, failed.transient)
        assert KEY not in str(failed)


async def test_an_error_anywhere_in_a_200() -> None:
    """An error may stand where the reply should be, or inside the choice; a whole text beside it is still a text."""
    in_choice = {"finish_reason": "error", "error": {"code": 429}, "message": {"content": ""}}
    beside = {"finish_reason": "error", "error": {"code": 429}, "message": {"content": "{}"}}

    assert "bad_request" == (await fail("chat", Wired({"object": "error", "code": 400, "message": "no"}))).reason
    assert "rate_limited" == (await fail("chat", Wired(said("chat", choices=[in_choice])))).reason
    assert Response(text="{}", usage=USED, finish="other", ended="error") == await ask(
        "chat", Wired(said("chat", choices=[beside]))
    )


ELSEWHERE_TOLD: list[Any] = [
    [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}],
    {"code": 429, "message": "slow down"},
    {"status": 429, "title": "Too Many Requests"},
    {"error": 429},
    {"error": True, "code": 429},
    {"error": {"error": {"code": "429"}}},
    {"success": False, "errors": [{"code": 429}]},
    b'data: {"error": {"code": 429}}\n\n',
    b': waiting\n\nevent: error\ndata: {"type": "error", "error": {"type": "rate_limit_error"}}\n\ndata: [DONE]\n\n',
]


@pytest.mark.parametrize("body", ELSEWHERE_TOLD)
@each_kind
async def test_an_error_in_the_shapes_of_gateways(kind: Kind, body: Any) -> None:
    """An error of a 200 is one of its code in whatever shape it comes: a list, bare, a flag, inside out, a stream."""
    error = await fail(kind, Wired(body))

    assert ("rate_limited", False, True) == (error.reason, error.unsent, error.transient)


@each_kind
async def test_words_of_a_refusal_in_a_list(kind: Kind) -> None:
    """A refusal that is put into a list is read as one that is not."""
    body = [{"error": {"code": "insufficient_quota", "message": KEY}}]
    error = await fail(kind, Wired(body, status=429))

    assert ("quota", "quota: HTTP 429, code insufficient_quota") == (error.reason, str(error))


@each_kind
async def test_a_stream_nobody_asked_for(kind: Kind) -> None:
    """A stream of events is no reply, and is said to be one."""
    error = await fail(kind, Wired(b'data: {"choices": [{"delta": {"content": "{}"}}]}\n\ndata: [DONE]\n\n'))

    assert ("unreadable", "unreadable: the reply is a stream of events") == (error.reason, str(error))


@each_kind
async def test_an_error_after_half_a_text(kind: Kind) -> None:
    """A text that an error cut short is no text: the call failed as the error says."""
    error = await fail(kind, Wired(said(kind, '{"handoff": "a', error={"code": 502})))

    assert ("server_error", True) == (error.reason, error.transient)


@each_kind
async def test_a_key_is_no_word(kind: Kind) -> None:
    """A server that ends a reply with the key it was sent does not put it into a log or a landing."""
    assert "" == (await ask(kind, Wired(ended(kind, KEY)))).ended


PARTS: list[Any] = [
    ['{"handoff"', ': "a"}'],
    [{"text": '{"handoff": "a"}'}],
    [{"type": "output_text", "text": '{"handoff"'}, {"type": "text", "text": ': "a"}'}],
    [{"type": "thinking", "thinking": [{"type": "text", "text": "{"}]}, {"type": "text", "text": '{"handoff": "a"}'}],
]


@pytest.mark.parametrize("parts", PARTS)
async def test_parts_as_servers_write_them(parts: list[Any]) -> None:
    """Content in parts is a text, whether they are texts or objects, named or not; thoughts are left out."""
    reply = said("chat", choices=[{"finish_reason": "stop", "message": {"content": parts}}])

    assert Response(text='{"handoff": "a"}', usage=USED) == await ask("chat", Wired(reply))


@pytest.mark.parametrize("error", [None, {}, "", [], 0, False])
@each_kind
async def test_no_error(kind: Kind, error: Any) -> None:
    """A member for errors that holds none says nothing."""

    assert Response(text='{"handoff": "a"}', usage=USED) == await ask(kind, Wired(said(kind, error=error)))


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


@pytest.mark.parametrize(
    ("details", "cached"),
    [({"cached_tokens": 12}, 12), ({"cached_tokens": 20}, 20), ({}, 0), (None, 0), ([], 0)]
    + [({"cached_tokens": count}, 0) for count in (21, -1, True, 1.0, "3", None, float("inf"))],
)
@each_kind
async def test_input_from_a_cache(kind: Kind, details: Any, cached: int) -> None:
    """What was read from a cache is told apart; a count that cannot be right counts as none, at the full price."""
    name = "input_tokens_details" if kind == "responses" else "prompt_tokens_details"
    usage = {**said(kind)["usage"], name: details}
    used = Usage(requests=1, input_tokens=20, output_tokens=7, cached_input_tokens=cached)

    assert used == (await ask(kind, Wired(said(kind, usage=usage)))).usage


@each_kind
async def test_numbers_beyond_json(kind: Kind) -> None:
    """`Infinity`, which is not JSON but is sent, takes neither the text nor the usage of a billed reply away."""
    assert Response(text='{"handoff": "a"}', usage=USED) == await ask(kind, Wired(said(kind, logprob=float("-inf"))))


@each_kind
async def test_lone_surrogates_are_replaced(kind: Kind) -> None:
    """A text that no journal could store is mended."""
    content = json.dumps(said(kind, "a\ud800é")).encode()

    assert "a?é" == (await ask(kind, Wired(content))).text


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
    outcome = settled(kind, Wired(reply, status=status))

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
