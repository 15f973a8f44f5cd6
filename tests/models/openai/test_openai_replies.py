"""What comes back from OpenAI's models: a reply, or a failed call, whatever it is."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.openai_wire import (
    KINDS,
    USED,
    Kind,
    ask,
    each_kind,
    fail,
    refused,
    said,
)
from support.wired import Wired, httpx2

from fsm_orch.errors import CallFailed
from fsm_orch.models.base import Response


@each_kind
async def test_reply(kind: Kind) -> None:
    """A good reply is its text, its usage and its end."""
    assert Response(text='{"handoff": "a"}', usage=USED) == await ask(kind, Wired(said(kind)))


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
