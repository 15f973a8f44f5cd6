"""The provider itself: it is as strict as the real ones, so that a mistake of an adapter shows."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from support.fleet import wait_until
from support.provider import KEY, Provider
from support.provider_faults import FAULTS

SCHEMA = {
    "type": "object",
    "properties": {"handoff": {"type": "string", "enum": ["a", "b"]}},
    "required": ["handoff"],
    "additionalProperties": False,
}
LAX = {key: value for key, value in SCHEMA.items() if key != "additionalProperties"}
DEFAULTED = {**SCHEMA, "properties": {"handoff": {"type": "string", "default": "a"}}}

RESPONSES = {
    "model": "gpt-5-mini",
    "input": [{"role": "user", "content": "Hello"}],
    "max_output_tokens": 20,
    "text": {"format": {"type": "json_schema", "name": "decision", "strict": True, "schema": SCHEMA}},
}
CHAT = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_completion_tokens": 20,
    "response_format": {"type": "json_schema", "json_schema": {"name": "d", "strict": True, "schema": SCHEMA}},
}
MESSAGES = {
    "model": "claude-haiku-4-5",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 20,
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
}
COUNT = {key: value for key, value in MESSAGES.items() if key != "max_tokens"}
GOOD = {
    "/v1/responses": RESPONSES,
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": COUNT,
}


def holding(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put a part into a schema."""
    return {**SCHEMA, "properties": {"handoff": part}}


def chat_format(**changes: Any) -> Mapping[str, Any]:
    """Change the structured output of Chat Completions."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "d", "strict": True, **changes}}}


def post(provider: Provider, path: str, body: object, key: str = KEY, timeout: Any = 60.0) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    return httpx2.post(provider.url + path, json=body, headers=headers, trust_env=False, timeout=timeout)


@pytest.mark.parametrize("path", GOOD)
def test_good_request(path: str) -> None:
    """What is right is answered, with a decision of the schema and honest usage."""
    with Provider() as provider:
        reply = post(provider, path, GOOD[path])

    assert 200 == reply.status_code, reply.text
    assert path == "/v1/messages/count_tokens" or '{\\"handoff\\": \\"a\\"}' in reply.text
    assert provider.requests[0].reported


@pytest.mark.parametrize("path", GOOD)
def test_wrong_key(path: str) -> None:
    """Without its key nobody is served."""
    with Provider() as provider:
        assert 401 == post(provider, path, GOOD[path], key="sk-other").status_code


WRONG: list[tuple[str, Mapping[str, Any], str]] = [
    *((path, {"model": None}, "model") for path in GOOD),
    *((path, {"surprise": 1}, "surprise") for path in GOOD),
    *((path, {"stream": "yes"}, "stream") for path in GOOD),
    ("/v1/messages/count_tokens", {"stream": True}, "stream"),
    *((path, {"messages": []}, "messages") for path in GOOD if path != "/v1/responses"),
    ("/v1/responses", {"input": []}, "input"),
    ("/v1/responses", {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}, "blocks"),
    ("/v1/responses", {"max_output_tokens": 15}, "max_output_tokens"),
    ("/v1/responses", {"temperature": 0}, "temperature"),
    ("/v1/responses", {"max_tokens": 20}, "max_tokens"),
    ("/v1/responses", {"text": {"format": {"type": "json_schema", "strict": True, "schema": SCHEMA}}}, "name"),
    ("/v1/chat/completions", {"n": 2}, "choice"),
    ("/v1/chat/completions", {"max_tokens": 20}, "max_tokens"),
    ("/v1/chat/completions", chat_format(schema=LAX), "additionalProperties"),
    ("/v1/chat/completions", chat_format(schema=DEFAULTED), "default"),
    ("/v1/chat/completions", chat_format(schema={**SCHEMA, "required": []}), "required"),
    ("/v1/chat/completions", chat_format(schema={"type": "string"}), "root"),
    ("/v1/chat/completions", chat_format(schema=holding({"$ref": "#/$defs/A", "description": "d"})), "stands alone"),
    ("/v1/chat/completions", chat_format(schema=holding({})), "needs a type"),
    ("/v1/chat/completions", chat_format(schema=holding({"type": "array"})), "needs items"),
    ("/v1/chat/completions", chat_format(schema=SCHEMA, strict=False), "strict"),
    ("/v1/chat/completions", chat_format(schema=SCHEMA, name="a b"), "name"),
    ("/v1/messages", {"max_tokens": 0}, "max_tokens"),
    ("/v1/messages", {"temperature": 0}, "temperature"),
    ("/v1/messages", {"messages": [{"role": "system", "content": "x"}]}, "roles"),
    ("/v1/messages", {"messages": [{"role": "user", "content": " "}]}, "non-empty"),
    ("/v1/messages", {"messages": [{"role": "assistant", "content": "x"}]}, "first"),
    ("/v1/messages", {"messages": [*MESSAGES["messages"], {"role": "assistant", "content": "x"}]}, "end with"),
    ("/v1/messages", {"output_config": {"format": {"type": "json_schema", "schema": LAX}}}, "additionalProperties"),
    ("/v1/messages/count_tokens", {"max_tokens": 20}, "max_tokens"),
]


@pytest.mark.parametrize(("path", "changes", "word"), WRONG)
def test_wrong_request(path: str, changes: Mapping[str, Any], word: str) -> None:
    """What a real provider would refuse is refused with a 400 that names it."""
    with Provider() as provider:
        reply = post(provider, path, {**GOOD[path], **changes})

    assert 400 == reply.status_code
    assert word in reply.json()["error"]["message"]


def test_cap_is_kept_or_ignored() -> None:
    """A reply ends at a cap whose name the provider knows, and at no other."""
    body = {**CHAT, "max_completion_tokens": 2}
    with Provider() as strict, Provider(honours=("max_tokens",)) as deaf:
        kept, ignored = (post(provider, "/v1/chat/completions", body).json() for provider in (strict, deaf))

    assert ("length", 2) == (kept["choices"][0]["finish_reason"], kept["usage"]["completion_tokens"])
    assert "stop" == ignored["choices"][0]["finish_reason"]


def test_plan() -> None:
    """Faults can be given one a request; after them all is well."""
    with Provider() as provider:
        provider.plan(FAULTS["500"], FAULTS["429 after seconds"])
        replies = [post(provider, "/v1/responses", RESPONSES) for _ in range(3)]

    assert [500, 429, 200] == [reply.status_code for reply in replies]
    assert "7" == replies[1].headers["retry-after"]


def test_what_is_held_is_open_until_it_is_answered() -> None:
    """Who asks meanwhile waits, and what is under way is known; one that leaves before is not under way any more."""
    with Provider() as provider, ThreadPoolExecutor() as asking:
        with provider.holding():
            waits = asking.submit(post, provider, "/v1/responses", RESPONSES)
            wait_until(lambda: provider.open)
            with pytest.raises(httpx2.ReadTimeout):
                post(provider, "/v1/chat/completions", CHAT, timeout=httpx2.Timeout(60.0, read=0.1))
            wait_until(lambda: len(provider.requests) == 2 and provider.requests[1].hung_up.is_set())
            (held,) = provider.open
            assert not waits.done()
        assert 200 == waits.result().status_code
        wait_until(lambda: held.answered.is_set())

        assert [] == provider.open
        assert (False, False) == (held.hung_up.is_set(), provider.requests[1].answered.is_set())
