"""Ids of answers: the same id again is the same answer, which counts once."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import DONE, Both, Claim, Pair, Refunds, clerk
from support.kept import keep

from fsm_orch import MemoryStore, Runner, RunResult
from fsm_orch.errors import AnswerError
from fsm_orch.kernel.inputs import Answered

YES, NO = {"handoff": "yes", "note": "ok"}, {"handoff": "no", "note": "ok"}


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


async def waiting(store: MemoryStore) -> RunResult[Claim]:
    """Run until a human is waited for."""
    return await Runner(Refunds, store=store).run(Claim(query="x"), run_id="r")


def given(result: RunResult[Any]) -> list[tuple[str, str | None]]:
    """Return the ids of the answers in a journal, and who gave them."""
    return [(event.id, event.who) for event in result.journal if isinstance(event, Answered)]


async def test_the_same_id_again_is_the_same_answer() -> None:
    """It is kept in the journal, and given again it moves nothing: money goes back once, and the result is the same."""
    store = MemoryStore()
    (question,) = (await waiting(store)).waiting
    first = await Runner(Refunds, store=store).resume("r", YES, id="mail 7", who="ann")
    again = [
        await Runner(Refunds, store=store).resume("r", YES, id="mail 7", **options)
        for options in ({}, {"question": question}, {"question": question.key, "who": "bob"})
    ]

    assert [("mail 7", "ann")] == given(first)
    assert [(first.journal, first.records, first.state)] * 3 == [(one.journal, one.records, one.state) for one in again]
    assert ["r:1"] == DONE


@pytest.mark.parametrize(
    ("answer", "options", "why"),
    [
        (NO, {}, "id 'mail 7' is of another answer to 'r:0:1', which was first"),
        (YES, {"question": "r:5:1"}, "id 'mail 7' is of another answer in this run"),
        (YES, {"id": "mail 8"}, "no question is named: run 'r' waits for no answer"),
    ],
)
async def test_another_answer_is_told_so(answer: Any, options: dict[str, Any], why: str) -> None:
    """Another answer under the same id, the same to another question, or another id: the first stored has won."""
    store = MemoryStore()
    await waiting(store)
    await Runner(Refunds, store=store).resume("r", YES, id="mail 7")
    before = await store.load("r")

    with pytest.raises(AnswerError, match=why):
        await Runner(Refunds, store=store).resume("r", answer, **({"id": "mail 7"} | options))
    assert before == await store.load("r")


async def test_an_answer_that_was_stored_before_a_crash_goes_on_when_it_comes_again() -> None:
    """Its caller was never told that it was kept: it says the same again, and the run goes on."""
    store, cut = MemoryStore(), MemoryStore()
    await waiting(store)
    whole = (await Runner(Refunds, store=store).resume("r", YES, id="mail 7")).journal
    place = next(n for n, event in enumerate(whole, 1) if isinstance(event, Answered))
    runner = Runner(Refunds, store=cut)
    await keep(runner, "r", whole[:place])
    DONE.clear()
    result = await runner.resume("r", YES, id="mail 7")

    assert (Refunds.paid, [("mail 7", None)]) == (result.state, given(result))
    assert ["r:1"] == DONE


async def test_each_branch_has_an_answer_of_its_own() -> None:
    """An id that has answered one branch does not answer the next, whether or not a question is named."""
    store = MemoryStore()
    runner = Runner(Both, store=store)
    one, two = (await runner.run(Pair(query="x"), run_id="r")).waiting
    await runner.resume("r", {"one": "1"}, question=one, id="a")
    again = await runner.resume("r", {"one": "1"}, id="a")
    with pytest.raises(AnswerError, match="'a' is of another answer in this run: give each answer an id of its own"):
        await runner.resume("r", {"two": "2"}, question=two, id="a")
    result = await runner.resume("r", {"two": "2"}, id="b")

    assert ([two], "waiting") == (list(again.waiting), again.status)
    assert (Both.done, ["a", "b"]) == (result.state, [id for id, _ in given(result)])


async def test_the_key_of_a_question_names_no_answer() -> None:
    """An answer under the key of its question would be taken for what a tool came to, so it is refused in words."""
    store = MemoryStore()
    machine = clerk("works", approval=True)
    runner = Runner(machine, store=store)
    (question,) = (await runner.run(Claim(query="x"), run_id="r")).waiting

    with pytest.raises(AnswerError, match="'r:0:1' is the key of its question: give the answer an id of its own"):
        await runner.resume("r", True, id=question.key)
    result = await runner.resume("r", True, id="a")
    with pytest.raises(AnswerError, match="'r:0:1' is of another answer in this run"):
        await runner.resume("r", True, id=question.key)
    assert machine.done is result.state


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"id": ""}, "id= names an answer, and '' names none: leave it out for a random one"),
        ({"id": 5}, "id= takes text that UTF-8 can encode, and this int is none"),
        ({"id": "\ud800"}, "id= takes text that UTF-8 can encode, and this str is none"),
        ({"id": ["a"]}, "id= takes text that UTF-8 can encode, and this list is none"),
    ],
)
async def test_an_id_is_a_text(options: dict[str, Any], why: str) -> None:
    """An id that names nothing, or is no text, is refused, and nothing has changed."""
    store = MemoryStore()
    before = (await waiting(store)).journal

    with pytest.raises(AnswerError, match=f"^{why}$"):
        await Runner(Refunds, store=store).resume("r", YES, **options)
    assert before == await store.load("r")


@pytest.mark.parametrize("said", [{"id": "a"}, {"who": "ann"}, {"question": "r:0:1", "id": "a"}])
async def test_what_is_said_of_an_answer_takes_one(said: dict[str, Any]) -> None:
    """To say whose answer it is, or to what, and to give none, is a slip that is told."""
    with pytest.raises(AnswerError, match=f"^{'=, '.join(said)}= says something of an answer, and none is given"):
        await Runner(Refunds, store=MemoryStore()).resume("r", **said)
