"""Codecs: what may hold somebody's words is kept as the codec made it, bound to its place, and nothing is lost."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.codecs import Sealed
from support.databases import KINDS, bytes_in, change, connected, rows_of, url_of
from support.desk import Ticket

from fsm_orch import Final, HumanAgent, Machine, Runner, State
from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Head, News, PaidResponse, Place, Post
from fsm_orch.store.sql import SqlStore

KEY, OLD, OTHER = (bytes([n]) * 32 for n in range(3))
SECRET = "mildred-was-here"
HEAD = Head("a")


def said(*words: str) -> list[Input]:
    """Return inputs that hold words."""
    return [inputs.Answered(ask=1, id=str(n), value=word, who=word, at=0.0) for n, word in enumerate(words)]


async def filled(url: str, *keys: bytes) -> SqlStore:
    """Return a store in which one run has an input, a response and an answer of each kind, all with the secret."""
    store = SqlStore(url, codec=Sealed(*keys))
    responses = [PaidResponse(key, SECRET, f"{SECRET} {key}") for key in ("k", "l")]
    await store.append("r", 0, said(SECRET, "b", "c"), HEAD, epoch=1, responses=responses)
    await store.post("r", "q", "7", {"said": SECRET}, who=SECRET)
    await store.post("r", "p", "8", "no", who=SECRET)
    return store


@KINDS
async def test_what_is_stored_holds_no_word(kind: str, tmp_path: Path) -> None:
    """Inputs, responses with their requests, answers, who gave them and who cancelled are read by the key alone."""
    url = url_of(kind, tmp_path, "coded")
    store = await filled(url, KEY)
    await store.ask_cancel("r", who=SECRET)
    claim = await store.claim("r")
    assert claim is not None

    assert SECRET not in repr(rows_of(url))
    assert tuple(said(SECRET, "b", "c")) == await store.load("r")
    assert tuple(PaidResponse(key, SECRET, f"{SECRET} {key}") for key in ("k", "l")) == claim.responses
    posts = (Post("q", "7", {"said": SECRET}, SECRET), Post("p", "8", "no", SECRET))
    assert News("r", posts, is_cancel_asked=True, cancelled_by=SECRET) == claim.news
    assert (claim.news,) == await store.beat()
    store.close()
    if kind == "sqlite":
        assert SECRET.encode() not in bytes_in(tmp_path)


@KINDS
async def test_what_is_stored_already_is_known_again(kind: str, tmp_path: Path) -> None:
    """Appends and answers that are said again are skipped although no two writes of them are alike; others refused."""
    store = await filled(url_of(kind, tmp_path, "coded"), KEY)
    await store.append("r", 1, said(SECRET, "b", "c", "d")[1:], HEAD, epoch=1)
    assert "7" == await store.post("r", "q", "7", {"said": SECRET}, who=SECRET)
    with pytest.raises(StoreError, match="run 'r' has 4 other inputs"):
        await store.append("r", 1, said("a", "x"), HEAD, epoch=1)

    assert tuple(said(SECRET, "b", "c", "d")) == await store.load("r")
    store.close()


async def test_old_keys_still_read(tmp_path: Path) -> None:
    """Once a key is turned, what the one before has written is read, and what is new is read by the new one alone."""
    url = url_of("sqlite", tmp_path, "coded")
    (await filled(url, OLD)).close()
    turned = SqlStore(url, codec=Sealed(KEY, OLD))
    claim = await turned.claim("r")
    assert claim is not None
    await turned.append("r", 3, said("a", "b", "c", "d")[3:], HEAD, epoch=claim.epoch)
    assert tuple(said(SECRET, "b", "c", "d")) == await turned.load("r")
    turned.close()

    late = SqlStore(url, codec=Sealed(OLD))
    with pytest.raises(StoreError, match="input 3 of run 'r'"):
        await late.load("r")
    late.close()


SWAP = "UPDATE fsm_{table} SET {column} = (SELECT {column} FROM fsm_{table} WHERE {other}) WHERE {one}"
WRONGS = {
    "input moved": (SWAP.format(table="inputs", column="body", one="position=1", other="position=2"), "input 1"),
    "input of another run": (
        SWAP.format(table="inputs", column="body", one="run_id='r' AND position=0", other="run_id='s' AND position=0"),
        "input 0",
    ),
    "input changed": ("UPDATE fsm_inputs SET body = 'A' || substr(body, 2) WHERE position=1", "input 1"),
    "input in clear": ('UPDATE fsm_inputs SET body = \'{"kind":"cancelled","at":0.0}\' WHERE position=1', "input 1"),
    "response moved": (SWAP.format(table="responses", column="body", one="key='k'", other="key='l'"), "response 'k'"),
    "request moved": (SWAP.format(table="responses", column="request", one="key='k'", other="key='l'"), "request 'k'"),
    "request as response": ("UPDATE fsm_responses SET body = request WHERE key='l'", "response 'l'"),
    "answer moved": (SWAP.format(table="posts", column="body", one="question='q'", other="question='p'"), "answer 'q'"),
    "human moved": (SWAP.format(table="posts", column="who", one="question='q'", other="question='p'"), "who 'q'"),
}


@KINDS
@pytest.mark.parametrize(("statement", "place"), WRONGS.values(), ids=WRONGS)
async def test_what_was_moved_or_changed_is_told_by_its_place(
    kind: str, statement: str, place: str, tmp_path: Path
) -> None:
    """The error names run and place, and no value; nothing changes, and once it is mended the run goes on."""
    url = url_of(kind, tmp_path, "coded")
    store = await filled(url, KEY)
    await store.append("s", 0, said(SECRET), HEAD, epoch=1)
    before = rows_of(url)
    change(url, statement)
    with pytest.raises(StoreError, match=rf"^{place} of run 'r' cannot be read \(\w+\)") as caught:
        await (store.load("r") if "input" in place else store.claim("r"))
    assert SECRET not in "".join(traceback.format_exception(caught.value))

    for table in ("fsm_inputs", "fsm_responses", "fsm_posts"):
        with connected(url) as connection:
            connection.execute(f"DELETE FROM {table}")
            signs = ", ".join(["?" if kind == "sqlite" else "%s"] * len(before[table][0]))
            for row in before[table]:
                connection.execute(f"INSERT INTO {table} VALUES ({signs})", row)
            connection.commit()
    assert before == rows_of(url)
    claim = await store.claim("r")
    assert claim is not None
    assert 2 == claim.epoch  # the claim that failed claimed nothing
    store.close()


@KINDS
async def test_a_name_that_was_moved_is_nobodys(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run is landed all the same if who cancelled it cannot be read, as of another run: that is logged, no name."""
    url = url_of(kind, tmp_path, "coded")
    store = await filled(url, KEY)
    await store.append("s", 0, said(SECRET), HEAD, epoch=1)
    for run_id in "rs":
        await store.ask_cancel(run_id, who=SECRET)
    change(url, SWAP.format(table="runs", column="cancelled_by", one="id='r'", other="id='s'"))

    claim = await store.claim("r")
    assert claim is not None
    assert (True, None) == (claim.news.is_cancel_asked, claim.news.cancelled_by)
    assert "canceller '' of run 'r' cannot be read (InvalidTag)" in caplog.text
    assert SECRET not in caplog.text
    store.close()


async def test_a_wrong_key_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """Nothing is read, claimed or appended with it; with the right one all goes on."""
    url = url_of("sqlite", tmp_path, "coded")
    (await filled(url, KEY)).close()
    stranger = SqlStore(url, codec=Sealed(OTHER))
    for refused in (stranger.load("r"), stranger.claim("r"), stranger.append("r", 0, said("a"), HEAD, epoch=1)):
        with pytest.raises(StoreError, match="run 'r'"):
            await refused
    stranger.close()

    store = SqlStore(url, codec=Sealed(KEY))
    claim = await store.claim("r")
    assert claim is not None
    assert 2 == claim.epoch
    assert tuple(said(SECRET, "b", "c")) == await store.load("r")
    store.close()


async def test_what_a_codec_wrote_is_not_read_without_it(tmp_path: Path) -> None:
    """A store without a codec says which input it cannot read, and asks whether there was one."""
    url = url_of("sqlite", tmp_path, "coded")
    (await filled(url, KEY)).close()
    store = SqlStore(url)
    with pytest.raises(StoreError, match=r"^input 0 of run 'r' cannot be read.*codec"):
        await store.load("r")
    with pytest.raises(StoreError, match=r"^answer 'q' of run 'r' cannot be read.*codec"):
        await store.claim("r")
    assert ["r"] == [row.run_id for row in await store.list()]
    store.close()


async def test_an_answer_that_cannot_be_read_keeps_no_other_run_from_its_news(tmp_path: Path) -> None:
    """A beat keeps the worker alive and tells the rest; whoever claims the run is told what is wrong."""
    url = url_of("sqlite", tmp_path, "coded")
    store = await filled(url, KEY)
    await store.append("s", 0, said(SECRET), HEAD, epoch=1)
    await store.post("s", "q", "9", True)
    change(url, "UPDATE fsm_posts SET body = 'x' WHERE run_id = 'r' AND question = 'q'")

    assert (News("r", (Post("p", "8", "no", SECRET),)), News("s", (Post("q", "9", True),))) == tuple(
        sorted(await store.beat(), key=lambda news: news.run_id)
    )
    with pytest.raises(StoreError, match="answer 'q' of run 'r'"):
        await store.claim("r")
    store.close()


class Failing:
    """A codec whose key store is away for one run, which says so with a word that nobody may hear."""

    def __init__(self, gives: Callable[[], Any]) -> None:
        self._gives = gives

    def encode(self, place: Place, text: str) -> str:
        return text if place.run_id != "bad" else self._gives()

    def decode(self, place: Place, stored: str) -> str:
        return stored if place.run_id != "worse" else self._gives()


def _raises() -> Any:
    raise ValueError(SECRET)


@KINDS
@pytest.mark.parametrize(
    "gives", [_raises, lambda: SECRET.encode(), lambda: f"\x00{SECRET}"], ids=["raises", "bytes", "0"]
)
async def test_a_codec_that_fails_stores_nothing_and_harms_no_other_run(
    kind: str, gives: Callable[[], Any], tmp_path: Path
) -> None:
    """Of many appends at once, the one that cannot be written is refused by its place, and moves no account."""
    url = url_of(kind, tmp_path, "coded")
    store = SqlStore(url, codec=Failing(gives))
    names = ["a", "bad", "b", "worse", "c"]
    done = await asyncio.gather(
        *(store.append(name, 0, said("x"), HEAD, epoch=1) for name in names), return_exceptions=True
    )
    (error,) = [one for one in done if one is not None]
    assert isinstance(error, StoreError)
    assert "input 0 of run 'bad' cannot be written" in str(error)
    assert SECRET not in "".join(traceback.format_exception(error))
    for name in ("a", "b", "c"):
        assert tuple(said("x")) == await store.load(name)
    assert () == await store.load("bad")
    with pytest.raises(StoreError, match="input 0 of run 'worse' cannot be read") as caught:
        await store.load("worse")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    store.close()


TEXT = st.text(max_size=3)
PLACES = st.builds(Place, TEXT, st.sampled_from(["input", "request", "response", "answer", "who"]), TEXT)


@given(PLACES, PLACES)
def test_two_places_are_bound_to_two_texts(one: Place, other: Place) -> None:
    """Whatever runs, requests and questions are called, no place can be taken for another."""
    assert (one == other) == (one.bound == other.bound)


class Refund(Machine[Ticket]):
    """Ask a human."""

    asking = State(HumanAgent("Pay it back?", reads=Ticket.query), initial=True)
    paid = Final()
    human = Final(fallback=True)
    yes = asking.to(paid, "pay")
    no = asking.to(human, "decline")


async def test_a_run_goes_on_under_a_codec(tmp_path: Path) -> None:
    """A run that waits is stored sealed, is answered from another store, and ends; its query is nowhere in the file."""
    url = url_of("sqlite", tmp_path, "coded")
    first, second = (SqlStore(url, codec=Sealed(KEY), lease_s=600) for _ in range(2))
    asked: Any = Runner(Refund, store=first)
    waits = await asked.run(Ticket(query=SECRET), run_id="r")
    answered: Any = Runner(Refund, store=second)
    result = await answered.resume("r", Refund.yes, who=SECRET)

    assert ("waiting", Refund.paid) == (waits.status, result.state)
    assert SECRET == result.context.query
    assert result.journal == await second.load("r")
    first.close()
    second.close()
    assert SECRET.encode() not in bytes_in(tmp_path)
