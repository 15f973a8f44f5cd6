"""Anthropic's Messages API: what is sent, and what comes back."""

import asyncio
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.anthropic_wire import HONEST, SCHEMA, Provider, failure, request, said

from fsm_orch.amounts import Usage, is_count
from fsm_orch.errors import CallFailed
from fsm_orch.messages import Message, Role, ToolCall
from fsm_orch.models.base import Request, Response


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


@pytest.mark.parametrize("status", [307, 308, 401, 408, 409, 429, 500, 503, 529])
async def test_one_call_is_one_request(status: int) -> None:
    """Nothing is sent twice, even if the provider asks for it."""
    headers = {"location": "https://api.anthropic.com/v1/messages", "x-should-retry": "true", "retry-after": "0"}
    provider = Provider({}, status=status, headers=headers)
    await failure(provider.model())

    assert 1 == len(provider.requests)


@pytest.mark.parametrize(
    ("reason", "finish", "ended"),
    [
        ("end_turn", "stop", ""),
        ("stop_sequence", "stop", ""),
        ("eos", "stop", ""),
        ("refusal", "refusal", ""),
        ("content_filter", "refusal", ""),
        ("max_tokens", "length", ""),
        ("model_context_window_exceeded", "length", ""),
        ("pause_turn", "other", "pause_turn"),
        ("tool_use", "other", "tool_use"),
        ("something_new", "other", "something_new"),
        ("a secret illness", "other", ""),
        ("", "other", ""),
        (None, "other", ""),
        ([], "other", ""),
    ],
)
async def test_finish(reason: Any, finish: Any, ended: str) -> None:
    """How a reply ended is what it says; a word that nobody here knows is passed on, and the reply is charged."""
    response = await Provider({**HONEST, "stop_reason": reason}).model().complete(request())
    usage = Usage(requests=1, input_tokens=5, output_tokens=2)

    assert Response(text="hi", usage=usage, finish=finish, ended=ended) == response


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

    if all(map(is_count, parts.values())):
        cached = parts["cache_read_input_tokens"]
        used = Usage(requests=1, input_tokens=sum(read), output_tokens=written, cached_input_tokens=cached)
        assert used == response.usage
    else:
        assert response.usage is None


@pytest.mark.parametrize("content", [{}, None, "hi", 3])
async def test_usage_without_content(content: Any) -> None:
    """What a reply cost is kept, though nothing else of it can be read."""
    response = await Provider({**HONEST, "content": content}).model().complete(request())

    assert Response(text="", usage=Usage(requests=1, input_tokens=5, output_tokens=2), finish="other") == response


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
