"""Server-sent events: what is sent can be read back, nothing breaks out of its line, and silence is beaten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from fsm_orch.service.events import BEAT, frame, with_beats
from fsm_orch.testing import virtual_time


@given(st.sampled_from(["result", "handed_off"]), st.text(), st.none() | st.integers(0, 10**9))
def test_whatever_is_sent_is_read_back(event: str, text: str, number: int | None) -> None:
    """No text makes a second event, or another field, by the line ends that are in it."""
    sent = frame(event, to_json({"text": text.encode("utf-8", "replace").decode()}), number)
    lines = sent.decode().split("\n")

    expected = [] if number is None else [f"id: {number}"]
    assert [*expected, f"event: {event}", "", ""] == [line for line in lines if not line.startswith("data: ")]
    (data,) = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert text.encode("utf-8", "replace").decode() == json.loads(data)["text"]
    assert BEAT.startswith(b":")


async def slowly(pauses: list[float]) -> AsyncIterator[int]:
    for number, pause in enumerate(pauses):
        await asyncio.sleep(pause)
        yield number


@given(st.lists(st.sampled_from([0.0, 0.4, 1.5, 3.5]), max_size=6))
def test_silence_is_beaten(pauses: list[float]) -> None:
    """One beat for each second in which nothing came, and what came is neither lost nor doubled."""

    async def told() -> list[int | None]:
        return [each async for each in with_beats(slowly(pauses), 1.0)]

    with virtual_time() as loop:
        came = loop.run(told())
    expected = list[int | None]()
    for number, pause in enumerate(pauses):
        expected += [None] * int(pause) + [number]
    assert expected == came


@pytest.mark.looptime
async def test_what_is_read_is_let_go_of() -> None:
    """Who stops in the middle leaves no task behind, and what was raised below is raised."""
    source = slowly([1.0, 100.0])
    beating = with_beats(source, 10.0)
    assert 0 == await anext(beating)
    assert await anext(beating) is None
    await beating.aclose()
    await source.aclose()  # type: ignore[attr-defined]
    assert {asyncio.current_task()} == asyncio.all_tasks()

    async def broken() -> AsyncIterator[int]:
        raise KeyError("x")
        yield 1

    with pytest.raises(KeyError):
        await anext(with_beats(broken(), 1.0))
