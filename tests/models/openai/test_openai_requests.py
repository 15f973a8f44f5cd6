"""What is sent to OpenAI's models and to compatible servers."""

from typing import Any

import pytest
from support.openai_wire import ELSEWHERE, SCHEMA, Kind, ask, each_kind, model, said
from support.wired import Wired

from fsm_orch.errors import CallFailed
from fsm_orch.messages import Message, ToolCall
from fsm_orch.models.base import Request
from fsm_orch.models.openai import COMPATIBLE, OLLAMA, OPENAI, Profile


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
