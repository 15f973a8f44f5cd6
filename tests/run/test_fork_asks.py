"""Forks of runs that ask humans, and use tools: what is asked again, and whose answer is kept."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import DONE, Both, Claim, Pair, Refunds
from support.forks import at_of, started
from support.shop import DONE as SOLVED
from support.shop import Ticket as Order
from support.shop import desk, order_status, use

from fsm_orch import (
    MemoryStore,
    Runner,
    ScriptedModel,
    Tool,
)
from fsm_orch.errors import ForkError, StoreError
from fsm_orch.kernel import inputs


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


YES, NO = {"handoff": "yes", "note": "ok"}, {"handoff": "no", "note": "no"}


async def test_a_question_is_asked_again_before_its_answer() -> None:
    """Under a key of the fork's, with all its time; the parent's question and answer are not touched."""
    now = 1_000.0
    store = MemoryStore()
    it: Any = Runner(Refunds, store=store, wall_clock=lambda: now)
    await it.run(Claim(query="x"), run_id="p")
    await it.resume("p", YES, id="a")
    whole = await store.load("p")
    now = 1e6
    for at in (await at_of(it, inputs.Started), await at_of(it, inputs.Asked)):
        fork = await it.fork("p", at=at)
        result = await it.resume(fork)
        (question,) = result.waiting
        assert (f"{fork}:0:1", 1e6 + 3_600) == (question.key, question.expires_at)
        answered = await it.resume(fork, NO, id="a")
        assert (Refunds.declined, "no") == (answered.state, answered.context.note)

    assert (whole, ["p:1"]) == (await store.load("p"), DONE)


async def test_the_same_fork_later_is_the_same_though_its_question_would_expire_later() -> None:
    """Whoever was cut off says it again; another fork under the id, or one that was resumed, is refused."""
    now = 1_000.0
    it, _ = await started(Refunds, Claim(query="x"), wall_clock=lambda: now)
    await it.fork("p", at=2, new_id="f")
    whole = await it.store.load("f")
    now = 2_000.0
    assert "f" == await it.fork("p", at=2, new_id="f")
    for other in ({"at": 1}, {"at": 2, "effects": True}):
        with pytest.raises(StoreError, match="run 'f' has 2 other inputs"):
            await it.fork("p", new_id="f", **other)
    assert whole == await it.store.load("f")
    await it.resume("f")
    with pytest.raises(StoreError, match="run 'f' has 2 other inputs"):
        await it.fork("p", at=2, new_id="f")


async def test_the_answer_of_a_human_is_not_set() -> None:
    """The error says to cut before it; a fork after it keeps it."""
    it, _ = await started(Refunds, Claim(query="x"))
    await it.resume("p", YES, who="ann")
    at = await at_of(it, inputs.Replied)
    with pytest.raises(ForkError, match=r"a human's answer at input 4, of 'approve'.*cut before the answer"):
        await it.fork("p", at=at, handoff=Refunds.no)
    result = await it.resume(await it.fork("p", at=at))

    assert (Refunds.paid, "ok") == (result.state, result.context.note)
    assert [False] * 4 == [cut.is_reply for cut in await it.cuts("p") if cut.at <= at]


async def test_a_run_that_waits_is_forked_and_both_are_answered() -> None:
    """Each by its own answer, in whatever order."""
    it, _ = await started(Refunds, Claim(query="x"))
    fork = await it.fork("p", at=2)
    mine, its = await it.resume(fork, NO), await it.resume("p", YES)

    assert (Refunds.declined, Refunds.paid) == (mine.state, its.state)


async def test_a_round_of_humans_of_whom_one_has_answered_is_forked() -> None:
    """What was answered stays, and what was not is asked again."""
    it, result = await started(Both, Pair(query="x"))
    await it.resume("p", {"one": "first"}, question=result.waiting[0])
    cut = (await it.cuts("p"))[-1]
    fork = await it.fork("p", at=cut.at)
    waits = await it.resume(fork)
    done = await it.resume(fork, {"two": "second"})

    assert (["What says the second?"], True) == ([each.text for each in waits.waiting], waits.waiting[0].key[:-4] != "")
    assert ("first", "second") == (done.context.one, done.context.two)
    assert "waiting" == it.replay(await it.store.load("p")).status


async def test_a_tool_that_was_approved_is_not_cut_before_it_has_answered() -> None:
    """The approval is asked again before it, and what the tool came to is kept after it."""
    machine: Any = desk(Tool(order_status, approval=True), asks=1, calls=3)
    it, _ = await started(machine, Order(query="x"), use("order_status", order=4711), SOLVED)
    await it.resume("p", True)
    whole = await it.store.load("p")
    asked, used = await at_of(it, inputs.Answered), await at_of(it, inputs.Answered, 2)
    with pytest.raises(ForkError, match=f"after input {asked}: request 1 of 'work' is open"):
        await it.fork("p", at=asked)
    again = await it.resume(await it.fork("p", at=asked - 1, new_id="again"))
    model = ScriptedModel([SOLVED["reply"]])
    other: Any = Runner(machine, model=model, store=it.store)
    result = await other.resume(await other.fork("p", at=used, new_id="f"))

    assert ["again:0:1"] == [question.key for question in again.waiting]
    assert (1, machine.done) == (len(model.requests), result.state)
    assert "shipped" in model.requests[0].messages[-1].content
    # the answer of a tool bears the key of its use, which names the run
    assert ["p:0:1", "f:0:1"] == [journal[used - 1].id for journal in (whole, result.journal)]
