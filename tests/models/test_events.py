"""Events of a stream: bytes in any parts are the same events, and what they lack decides what the reply is."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("httpx2", reason="providers over HTTP need an extra")

from fsm_orch.errors import CallFailed
from fsm_orch.models.events import SILENCE_S, Events


class Kept:
    """An assembly that keeps what it takes, each a text, and ends by an event that says so."""

    def __init__(self) -> None:
        self.is_whole = False
        self.taken: list[dict[str, Any]] = []

    def take(self, event: dict[str, Any]) -> str:
        self.taken.append(event)
        self.is_whole = self.is_whole or "end" in event
        return str(event.get("text", ""))

    def reply(self) -> Any:
        return self.taken


def heard(*parts: bytes) -> tuple[Events, list[str]]:
    told: list[str] = []
    events = Events(Kept(), told.append)
    for part in parts:
        events.hear(part)
    return events, told


BODY = (
    ': hi\r\n\r\nevent: x\r\ndata: {"text": "ün"}\r\n\r\ndata:{"text":\ndata: "ï👩"}\n\nid: 7\n\ndata: {"end": 1}\n\n'
).encode()


@given(st.lists(st.integers(0, len(BODY)), max_size=30))
def test_parts_do_not_matter(cuts: list[int]) -> None:
    """However the bytes of a stream come, in the middle of a character or of a line end, the events are the same."""
    places = [0, *sorted(cuts), len(BODY)]
    events, told = heard(*(BODY[start:end] for start, end in pairwise(places)))

    assert ["ün", "ï👩"] == told
    assert [{"text": "ün"}, {"text": "ï👩"}, {"end": 1}] == events.reply(BODY)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    """Whatever comes, it is a reply or a failure that is charged."""
    failed = None
    try:
        heard(body)[0].reply(body)
    except CallFailed as error:
        failed = error

    assert failed is None or not failed.unsent


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'data: {"text": "a"}\n\n', "disconnected"),
        (b'data: {"text": "a"}\n\ndata: {"tex', "disconnected"),
        (b'data: {"tex', "disconnected"),
        (b'data: nonsense\n\ndata: {"end": 1}\n\n', "unreadable"),
        (b'data: [1]\n\ndata: {"end": 1}\n\n', "unreadable"),
    ],
)
def test_what_is_no_reply(body: bytes, reason: str) -> None:
    """A stream without its end was cut off, and may be tried again; one with a spoilt event in it may not."""
    events, _ = heard(body)
    with pytest.raises(CallFailed) as caught:
        events.reply(body)

    assert (reason, False) == (caught.value.reason, caught.value.unsent)
    assert (reason == "disconnected") is caught.value.transient


def test_nothing_is_told_after_a_loss() -> None:
    """What follows a spoilt event is not told: a listener would take it for the next piece."""
    _, told = heard(b'data: {"text": "a"}\n\ndata: {"tex\n\ndata: {"text": "b"}\n\n')

    assert ["a"] == told


def test_a_reply_in_one_piece() -> None:
    """A body without events is read as it is; one that is neither is nothing."""
    assert {"a": 1} == heard()[0].reply(b'{"a": 1}')
    assert heard(b": ping\n\n")[0].reply(b": ping\n\n") is None


def test_patience() -> None:
    """A model may think for as long as its call has; a text that has begun goes on, and what has ended ends soon."""
    assert heard(b'data: {"text": ""}\n\n')[0].patience_s is None
    assert SILENCE_S == heard(b'data: {"text": "a"}\n\n')[0].patience_s
    assert SILENCE_S > (heard(b"data: [DONE]\n\n")[0].patience_s or 0) > 0


def test_halves_of_a_character() -> None:
    """A character that is cut between two events is told whole; a half whose other never comes is not told."""
    parts = [b'data: {"text": "a\\ud83d"}\n\n', b'data: {"text": "\\ude00b"}\n\n', b'data: {"text": "c\\ud83d"}\n\n']

    assert ["a", "😀b", "c"] == heard(*parts)[1]
