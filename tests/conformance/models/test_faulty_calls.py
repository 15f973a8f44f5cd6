"""One call of an adapter is one request, and its failure says what happened, whether it cost, and whether to wait."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import nullcontext
from typing import Any

import pytest
from conformance.models.adapters import OVER_HTTP, QUERY, TIMEOUT_S, Adapter
from conformance.models.drive import HANGING, SCHEMA, request, told_of
from support.provider import CAPS, KEY, Provider, by_bytes
from support.provider_faults import FAULTS, saying

from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.messages import Message
from fsm_orch.models import probe
from fsm_orch.models.base import Model, Request, Response

HANG_S = 25
"""Seconds after which a call counts as hanging, fewer than a slow answer takes; none but those that are cut off at
`TIMEOUT_S` takes one."""

ROWS = [
    pytest.param(adapter, name, id=f"{adapter.name}: {name}", marks=adapter.marks_for(name))
    for adapter in OVER_HTTP
    for name in adapter.expected
]
over_http = pytest.mark.parametrize(
    "adapter", [pytest.param(adapter, id=adapter.name, marks=adapter.marks_for(None)) for adapter in OVER_HTTP]
)


async def ask(model: Model, asked: Request | None = None) -> Response | CallFailed:
    """Give the reply, or how it failed, within seconds."""
    try:
        async with asyncio.timeout(HANG_S):
            return await model.complete(asked or request())
    except CallFailed as error:
        return error


def connect(adapter: Adapter, provider: Provider, **options: Any) -> Model:
    assert adapter.build is not None
    return adapter.build(provider.url, **options)


@pytest.mark.parametrize(("adapter", "name"), ROWS)
async def test_one_request(adapter: Adapter, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever comes back, exactly one request went out, it ended in time, and its failure is of the table."""
    caplog.set_level(logging.DEBUG)
    fault, expected = FAULTS[name], adapter.expected[name]
    with adapter.stage(fault, TIMEOUT_S if fault.wire in HANGING else None) as stage:
        reply = await ask(stage.model)
        assert (0 if fault.wire == "closed" else 1) == stage.requests()

    assert isinstance(reply, CallFailed) or not expected.reasons or expected.may_reply
    if isinstance(reply, CallFailed):
        assert reply.reason in expected.reasons, reply
        assert expected.unsent == reply.unsent
        assert expected.transient in (None, reply.transient)
        assert pytest.approx(expected.retry_after_s, abs=1.2 if fault.retry_after == "date:7" else 1e-6) == (
            reply.retry_after_s
        )
        assert KEY not in told_of(reply) + caplog.text
        assert QUERY not in told_of(reply)
    else:
        assert ("usage" in expected.charge) >= (reply.usage is not None)


@over_http
async def test_request_is_accepted(adapter: Adapter) -> None:
    """A strict provider finds nothing wrong with a request, whatever is said and asked."""
    odd = ["", " ", "\0", "\n", "ﷺ", "👩‍👩‍👧‍👦", "<|endoftext|>", "{{ 1 }}", "a" * 900]
    with Provider() as provider:
        model = connect(adapter, provider)
        for schema in (SCHEMA, None):
            for text in odd:
                reply = await ask(model, request(text, schema=schema))
                assert isinstance(reply, Response) or reply.reason == "bad_input", (text, reply)

    assert [] == [(received.rejection, received.body) for received in provider.requests if received.rejection]


@over_http
async def test_conversations_are_accepted(adapter: Adapter) -> None:
    """Any order of roles is put into a form that the provider takes."""
    roles: list[list[Any]] = [
        ["user"],
        ["assistant"],
        ["system", "assistant", "user"],
        ["system", "user", "assistant"],
        ["user", "user", "assistant", "assistant", "user"],
        ["system", "system", "user"],
        ["user", "system", "user"],
    ]
    with Provider() as provider:
        model = connect(adapter, provider)
        for order in roles:
            said = tuple(Message(role=role, content=f"I am {role}.") for role in order)
            reply = await ask(model, Request(messages=said, schema=SCHEMA, max_output_tokens=100))
            assert isinstance(reply, Response) or reply.reason == "bad_input", (order, reply)
            if isinstance(reply, Response):
                sent = json.dumps(provider.completions[-1].body)
                assert all(f"I am {role}." in sent for role in order)

    assert [] == [(received.rejection, received.body) for received in provider.requests if received.rejection]


@over_http
async def test_reply_is_read(adapter: Adapter) -> None:
    """What the model said comes back as it was, with the usage that was reported."""
    with Provider(saying('{"handoff": "decline", "note": "ünï"}')) as provider:
        reply = await ask(connect(adapter, provider))

    assert isinstance(reply, Response), reply
    assert reply.usage is not None
    assert ('{"handoff": "decline", "note": "ünï"}', "stop") == (reply.text, reply.finish)
    assert provider.completions[0].reported == reply.usage.total_tokens
    assert 1 == reply.usage.requests


@over_http
async def test_cap_is_on_the_wire(adapter: Adapter) -> None:
    """The cap reaches the provider, which cuts the reply at it."""
    with Provider(tokens=by_bytes) as provider:
        reply = await ask(connect(adapter, provider), request(cap=20))

    assert isinstance(reply, Response), reply
    assert reply.usage is not None
    assert ("length", 20) == (reply.finish, reply.usage.output_tokens)


@over_http
@pytest.mark.parametrize("text", ["Hello", "x" * 500, "ü" * 300, "👩‍👩‍👧‍👦" * 20, "\n" * 200, "ﷺ", "<|im_end|>" * 9])
@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["schema", "free"])
async def test_count_is_a_bound(adapter: Adapter, text: str, schema: Any) -> None:
    """What is counted in advance is never less than what an honest provider reports."""
    asked = request(text, schema=schema)
    with Provider(tokens=by_bytes) as provider:
        model = connect(adapter, provider)
        bound = await model.count(asked)
        reply = await ask(model, asked)

    assert isinstance(reply, Response), reply
    assert reply.usage is not None
    assert bound >= reply.usage.input_tokens


@over_http
async def test_lone_surrogates(adapter: Adapter) -> None:
    """What is not Unicode text fails as a call, at no cost, and is not sent; a message cannot hold it, a schema can."""
    asked = request(schema={**SCHEMA, "description": "\ud800"})
    with Provider() as provider:
        model = connect(adapter, provider)
        for question in (model.count, model.complete):
            with pytest.raises(CallFailed) as caught:
                await question(asked)
            assert ("bad_input", True, False) == (caught.value.reason, caught.value.unsent, caught.value.transient)

    assert [] == provider.requests


@over_http
@pytest.mark.parametrize("name", ["silence", "slow bytes", "endless body"])
async def test_cancellation(adapter: Adapter, name: str) -> None:
    """A call that is cancelled in flight closes its connection at once."""
    with Provider(FAULTS[name]) as provider:
        call = asyncio.create_task(connect(adapter, provider).complete(request()))
        assert await asyncio.to_thread(provider.arrived.wait, 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        has_hung_up = await asyncio.to_thread(provider.completions[0].hung_up.wait, 1)

    assert has_hung_up
    assert 1 == len(provider.completions)


@over_http
def test_loops_one_after_another(adapter: Adapter) -> None:
    """One model serves two event loops of a process, and leaves nothing open behind either."""
    with Provider() as provider:
        model = connect(adapter, provider)
        replies = [asyncio.run(ask(model)) for _ in range(2)]

    assert [Response, Response] == [type(reply) for reply in replies], replies


@over_http
async def test_connection_is_kept(adapter: Adapter) -> None:
    """A lost connection does not spoil the model: the next call opens a new one."""
    with Provider() as provider:
        model = connect(adapter, provider)
        provider.plan(FAULTS["cut within"])
        replies = [await ask(model) for _ in range(3)]

    assert [CallFailed, Response, Response] == [type(reply) for reply in replies], replies


@over_http
async def test_side_by_side(adapter: Adapter) -> None:
    """Calls at the same time do not mix: each gets its own reply, and each is one request."""
    with Provider() as provider:
        model = connect(adapter, provider)
        provider.plan(*(saying(str(number)) for number in range(20)))
        replies = await asyncio.gather(*(ask(model, request(schema=None)) for _ in range(20)))

    assert {str(number) for number in range(20)} == {reply.text for reply in replies if isinstance(reply, Response)}
    assert 20 == len(provider.completions)


ADDRESSES = (
    *("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"),
)
SMUGGLED = (
    *("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR"),
    *("ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID"),
    *("ANTHROPIC_WORKSPACE_ID", "ANTHROPIC_WEBHOOK_SIGNING_KEY", "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE"),
)
CUSTOM_HEADERS = "X-Smuggled: 1\nAuthorization: Bearer other\nanthropic-version: 2000-01-01"


@over_http
async def test_environment_is_not_read(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment variable changes where a request goes, whose key it bears, or what it says."""
    with socket.socket() as trap, Provider() as provider:
        plain = connect(adapter, provider)
        await ask(plain)
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0)
        for name in ADDRESSES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.getsockname()[1]}")
        for name in SMUGGLED:
            monkeypatch.setenv(name, "from-environment")
        for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
            monkeypatch.setenv(name, CUSTOM_HEADERS)
        for name in ("NO_PROXY", "no_proxy"):  # or a proxy would not be asked for this machine anyway
            monkeypatch.delenv(name, raising=False)
        hostile = connect(adapter, provider)
        await hostile.count(request())
        reply = await ask(hostile)
        with pytest.raises(BlockingIOError):
            trap.accept()

    assert isinstance(reply, Response), reply
    one, other = provider.completions
    assert (one.headers, one.body) == (other.headers, other.body)
    assert KEY in str(other.headers)


@over_http
def test_key_is_not_shown(adapter: Adapter) -> None:
    """A model shows its name, and never its key."""
    with Provider() as provider:
        model = connect(adapter, provider)

    assert KEY not in repr(model) + str(model) + repr(vars(model)) + model.name


@over_http
@pytest.mark.parametrize("is_ignored", [True, False])
async def test_probe(adapter: Adapter, is_ignored: bool) -> None:
    """A start-up probe tells a server that keeps to the cap from one that does not, through any adapter."""
    told = pytest.raises(ModelUnavailable, match=r"it wrote \d+") if is_ignored else nullcontext()
    with Provider(saying("one two three " * 50), honours=() if is_ignored else CAPS) as provider, told:
        await probe(connect(adapter, provider))
