"""A reply that is streamed is the reply that comes in one piece, told as it comes; a stream that is cut is charged."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from conformance.models.adapters import STREAMING, TIMEOUT_S, Adapter
from conformance.models.drive import SCHEMA, request
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pieces import by_chance
from support.provider import Provider
from support.provider_faults import FAULTS, HONEST, saying
from support.provider_streams import STREAM_FAULTS

from fsm_orch.errors import CallFailed
from fsm_orch.models import events
from fsm_orch.models.base import Response, StreamingModel, streaming

streamed = pytest.mark.parametrize("adapter", STREAMING, ids=lambda adapter: adapter.name)


def made(adapter: Adapter, provider: Provider, **options: Any) -> StreamingModel:
    """Give a model in front of a provider; held by its test, since its connections end with it."""
    assert adapter.build is not None
    model = streaming(adapter.build(provider.url, **options))
    assert model is not None
    return model


async def hear(model: StreamingModel, schema: Any = None) -> tuple[Response | CallFailed, list[str]]:
    """Give the reply to a request, or how it failed, and what was told of it before."""
    told: list[str] = []
    try:
        return await model.complete(request(schema=schema, cap=1_000), told.append), told
    except CallFailed as error:
        return error, told


@streamed
@settings(max_examples=12, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), seed=st.integers(), part=st.integers(1, 40))
def test_the_pieces_are_the_text(adapter: Adapter, text: str, seed: int, part: int) -> None:
    """Whatever is said, however it is cut into events and bytes, the pieces are the text, as it came in one piece."""
    with Provider(saying(text), pieces=by_chance(seed, cuts=5), part=part) as provider:
        heard, told = asyncio.run(hear(made(adapter, provider)))
    with Provider(saying(text)) as provider:
        whole = asyncio.run(plain(made(adapter, provider)))

    assert isinstance(heard, Response)
    assert whole == heard
    assert heard.text == "".join(told)


async def plain(model: StreamingModel) -> Response:
    return await model.complete(request(schema=None, cap=1_000))


@streamed
async def test_a_stream_is_asked_for_only_if_somebody_listens(adapter: Adapter) -> None:
    """Without a listener the request is what it always was; with one it asks for a stream, and is accepted."""
    with Provider() as provider:
        model = made(adapter, provider)
        await plain(model)
        await hear(model)

    unheard, asked = [received.body for received in provider.completions]
    assert [None, None] == [received.rejection for received in provider.completions]
    assert {key: unheard.get(key) for key in asked if not key.startswith("stream")} == unheard
    assert "stream" not in unheard
    assert asked["stream"] is True


CUT = {
    "closed in the middle": ("disconnected", True),
    "reset in the middle": ("disconnected", True),
    "stalls": ("timeout", True),
    "garbage event": ("unreadable", False),
    "event that is no object": ("unreadable", False),
    "cut event": ("unreadable", False),
    "error event": ("overloaded", True),
}
"""What is wrong with a stream -> what its call fails with, and whether it is worth another try."""


@streamed
@pytest.mark.parametrize("name", CUT)
async def test_a_stream_that_is_cut_is_charged(adapter: Adapter, name: str) -> None:
    """A stream that breaks has told what came before; it may have been billed, and it is one request."""
    text = "a text that is cut into several pieces"
    fault = STREAM_FAULTS[name]
    with Provider(saying(text, fault=fault), part=16) as provider:
        model = made(adapter, provider, timeout_s=TIMEOUT_S if fault.wire == "stalls" else 5.0)
        failed, told = await hear(model)

    assert isinstance(failed, CallFailed)
    assert (*CUT[name], False) == (failed.reason, failed.transient, failed.unsent)
    assert text.startswith("".join(told))
    assert 0 < len("".join(told)) < len(text)
    assert (None, None) == (failed.__cause__, failed.__context__)
    assert 1 == len(provider.completions)


@streamed
@pytest.mark.parametrize("name", ["unknown events", "windows", "no last blank line", "never closes", "does not stream"])
async def test_what_is_right_in_a_stream(adapter: Adapter, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other line ends, comments, events of no known kind, and a body that does not end, lose nothing of a reply."""
    monkeypatch.setattr(events, "_END_S", 0.2)
    with Provider(saying("a text in pieces", fault=STREAM_FAULTS[name]), part=16) as provider:
        model = made(adapter, provider)
        heard, told = await hear(model)
        again, _ = await hear(model)

    assert isinstance(heard, Response)
    assert heard.usage is not None
    assert ("a text in pieces", "stop") == (heard.text, heard.finish)
    assert ("" if name == "does not stream" else heard.text) == "".join(told)
    assert heard == again


@streamed
@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("a call ")])
async def test_of_a_call_nothing_is_told(adapter: Adapter, name: str) -> None:
    """Of a reply that calls a tool by its API's own means, the text is told, and no argument of the call."""
    with Provider(FAULTS[name], part=16) as provider:
        heard, told = await hear(made(adapter, provider), SCHEMA)

    assert isinstance(heard, Response)
    assert ("other", heard.text) == (heard.finish, "".join(told))
    assert "4711" not in heard.text


@streamed
async def test_silence_in_a_text_is_a_timeout(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its text has begun, a reply may not be silent for long, however much time its call has."""
    monkeypatch.setattr(events, "SILENCE_S", 0.1)
    with Provider(saying("a text in pieces", fault=STREAM_FAULTS["stalls"]), part=16) as provider:
        model = made(adapter, provider, timeout_s=30.0)
        failed, told = await hear(model)
        has_hung_up = await asyncio.to_thread(provider.completions[0].hung_up.wait, 1)

    assert isinstance(failed, CallFailed)
    assert ("timeout", False, True) == (failed.reason, failed.unsent, bool(told))
    assert has_hung_up


@streamed
async def test_a_model_may_think_as_long_as_it_has_time(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its text begins, silence is bounded by the time of the call alone."""
    monkeypatch.setattr(events, "SILENCE_S", 0.0)
    with Provider(FAULTS["silence"]) as provider:
        model = made(adapter, provider, timeout_s=TIMEOUT_S)
        failed, told = await hear(model)

    assert isinstance(failed, CallFailed)
    assert ("timeout", f"timeout: no reply within {TIMEOUT_S} s", []) == (failed.reason, str(failed), told)


@streamed
async def test_a_stream_that_is_left_closes_its_connection(adapter: Adapter) -> None:
    """A call that is cancelled in the middle of its stream closes its connection, and tells no more."""
    with Provider(saying("a text in pieces", fault=STREAM_FAULTS["stalls"]), part=16) as provider:
        began, told, model = asyncio.Event(), list[str](), made(adapter, provider)
        call = asyncio.create_task(model.complete(request(schema=None), lambda text: (told.append(text), began.set())))
        await asyncio.wait_for(began.wait(), 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        so_far = list(told)
        has_hung_up = await asyncio.to_thread(provider.completions[0].hung_up.wait, 1)

    assert has_hung_up
    assert so_far == told


@streamed
async def test_streams_side_by_side(adapter: Adapter) -> None:
    """Streams at the same time do not mix: each listener is told its own reply."""
    with Provider(part=7) as provider:
        provider.plan(*(saying(f"the reply of number {number}") for number in range(12)))
        model = made(adapter, provider)
        heard = await asyncio.gather(*(hear(model) for _ in range(12)))

    assert all(isinstance(reply, Response) and reply.text == "".join(told) for reply, told in heard)
    assert 12 == len({"".join(told) for _, told in heard})


@streamed
async def test_a_decision_is_streamed(adapter: Adapter) -> None:
    """A reply to a schema comes in pieces too, with the usage that was reported."""
    schema = {
        "type": "object",
        "properties": {"note": {"type": "string"}},
        "required": ["note"],
        "additionalProperties": False,
    }
    with Provider(HONEST, part=16) as provider:
        model = made(adapter, provider)
        heard, told = await hear(model, schema)

    assert isinstance(heard, Response)
    assert heard.usage is not None
    assert {"note": "text"} == json.loads("".join(told))
    assert provider.completions[0].reported == heard.usage.total_tokens
