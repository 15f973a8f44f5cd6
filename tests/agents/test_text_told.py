"""A decision while it is written: its text is told as it grows, where all that stands before it is sure to be taken."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from fsm_orch import CallFailed, Context, Reply
from fsm_orch.agents.decision import Form, form
from fsm_orch.agents.written import Written


class Ticket(Context):
    """What is asked and answered."""

    note: str = ""
    answer: str = ""


class Listening:
    """A listener that keeps what it is told, and what it is asked."""

    def __init__(self, *, stands: bool = True) -> None:
        self.stands = stands
        self.asked: list[Reply] = []
        self.told: list[str] = []

    def will_stand(self, decision: Reply, field: str) -> bool:
        self.asked.append(decision)
        return self.stands

    def hear(self, field: str, text: str) -> None:
        assert field == "answer"
        self.told.append(text)


def asked() -> Form:
    return form(Ticket, ("note", "answer"), ("done", "other"), ("done", "other"))


def written(*pieces: str, stands: bool = True) -> Listening:
    listening = Listening(stands=stands)
    hear = Written("answer", listening, asked).begin()
    for piece in pieces:
        hear(piece)
    return listening


def cut(raw: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(place % (len(raw) + 1) for place in cuts), len(raw)]
    return [raw[start:end] for start, end in pairwise(places)]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(note=TEXTS, answer=TEXTS, cuts=st.lists(st.integers(0, 1_000), max_size=25), ascii_only=st.booleans())
def test_any_text_in_any_pieces(note: str, answer: str, cuts: list[int], ascii_only: bool) -> None:
    """Whatever stands in the fields, the pieces told are the last field's text, and it is asked about once, before."""
    raw = json.dumps({"handoff": "done", "note": note, "answer": answer}, ensure_ascii=ascii_only)
    listening = written(*cut(raw, cuts))

    assert answer == "".join(listening.told)
    assert [Reply(handoff="done", changes={"note": note, "answer": ""})] == listening.asked
    assert all(listening.told)


@given(st.text(max_size=60), st.lists(st.integers(0, 1_000), max_size=9))
def test_no_text_breaks_it(raw: str, cuts: list[int]) -> None:
    """Whatever a model writes, half of a surrogate pair too, it is read without an error, and nothing of it is told."""
    assert [] == written(*cut(raw, cuts)).told


HEAD = '{"handoff": "done", "note": "n", "answer": "'


@pytest.mark.parametrize("pieces", [("a\ud800b", "c"), ("a", "\udc00bc"), ("a\udbffbc",)])
def test_half_of_a_pair_is_told_as_it_is_kept(pieces: tuple[str, ...]) -> None:
    """A server may cut a character in two; it is told by the same sign as in the reply that came whole."""
    assert "".join(written(HEAD, *pieces).told) == "a?bc"


@pytest.mark.parametrize(
    "raw",
    [
        '{"handoff": "done", "answer": "x", "note": "n"}',
        '{"note": "n", "answer": "x", "handoff": "done"}',
        '{"handoff": "gone", "note": "n", "answer": "x"}',
        '{"handoff": "done", "handoff": "other", "note": "n", "answer": "x"}',
        '{"handoff": "done", "note": 7, "answer": "x"}',
        '{"handoff": "done", "more": 7, "note": "n", "answer": "x"}',
        '{"handoff": "done", "note": "n", "answer": 7}',
        '```json\n{"handoff": "done", "note": "n", "answer": "x"}\n```',
        '[{"handoff": "done", "note": "n", "answer": "x"}]',
        '{"reply": {"handoff": "done", "note": "n", "answer": "x"}}',
    ],
)
def test_what_the_form_refuses(raw: str) -> None:
    """What the form would refuse for what stands before the text is asked of nobody, and not told."""
    listening = written(*raw)

    assert ([], []) == (listening.told, listening.asked)


def test_what_the_listener_refuses() -> None:
    """What will not stand is asked once, and nothing of it is told."""
    listening = written(*HEAD, "a", "b", stands=False)

    assert ([], 1) == (listening.told, len(listening.asked))


def test_a_text_that_is_taken_back_by_its_own_reply() -> None:
    """A second text under the same key is not told: the reply will be refused."""
    assert ["x"] == written(HEAD + 'x"', ', "answer": "yz"}').told


def test_a_request_that_is_sent_again_begins_anew() -> None:
    """What was told of a reply that was lost does not count for the next one."""
    listening = Listening()
    reader = Written("answer", listening, asked)
    for said in ("one", "two"):
        reader.begin()(f"{HEAD}{said}")

    assert ["one", "two"] == listening.told


def test_the_end_of_a_reply() -> None:
    """What is left at its end is told then; a reply that is another one than was streamed is none."""
    listening = Listening()
    reader = Written("answer", listening, asked)
    reader.begin()(f'{HEAD}one"}}')
    reader.end(f'{HEAD}one"}}', Reply(changes={"answer": "one and more"}))
    with pytest.raises(CallFailed, match="unreadable"):
        reader.end(f'{HEAD}two"}}', Reply(changes={"answer": "two"}))

    assert ["one", " and more"] == listening.told


@given(answer=TEXTS, cuts=st.lists(st.integers(0, 1_000), max_size=25))
def test_a_decision_inside_a_form(answer: str, cuts: list[int]) -> None:
    """A form may hold its decision deeper: its place is all that is to be known for it."""

    class Placed(Struct):
        """A form that asks for `{"reply": decision}`."""

        inner: Form
        place: tuple[str, ...] = ("reply",)

        def read(self, text: str, *, is_truncated: bool) -> Any:
            return self.inner.read(json.dumps(json.loads(text)["reply"]), is_truncated=is_truncated)

    listening = Listening()
    placed: Any = Placed(asked())
    hear = Written("answer", listening, lambda: placed).begin()
    for piece in cut(json.dumps({"reply": {"handoff": "done", "note": "n", "answer": answer}}), cuts):
        hear(piece)

    assert answer == "".join(listening.told)
