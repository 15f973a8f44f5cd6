"""What comes for a run from outside while somebody drives it, or nobody does: answers of humans."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.asking import DONE, Both, Claim, Pair, Refunds
from support.beside import LEASE_S, WHEN, Beside, begun, now, worker
from support.patience import PATIENCE_S

from fsm_orch import Final, HumanAgent, Machine, MemoryStore, Parallel, Runner, RunResult, State, Visit
from fsm_orch.errors import AnswerError, LeaseHeld
from fsm_orch.kernel.inputs import Answered, Failed
from fsm_orch.store import News
from fsm_orch.store.sql import SqlStore

ONE = "r:0.1:0:1"
"""The key of the question that `Beside` asks."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()
    WHEN.clear()


def ids(result: RunResult[Any]) -> list[str]:
    """Return the ids of the answers in a journal."""
    return [event.id for event in result.journal if isinstance(event, Answered)]


@pytest.mark.looptime
async def test_an_answer_reaches_a_run_while_it_is_driven() -> None:
    """Its owner folds it at the next beat, and goes on with it beside what is at work."""
    store = MemoryStore()
    task = await begun(worker(store), 2.5)
    with pytest.raises(LeaseHeld, match=r"run 'r' is driven elsewhere .*by worker.* the answer is in its inbox"):
        await worker(store).resume("r", {"one": "yes"}, id="mail 7", who="ann")
    result = await task

    assert (Beside.done, "yes", "slowly") == (result.state, result.context.one, result.context.two)
    assert [4.0] == [at for _, at in WHEN]
    assert ["mail 7"] == ids(result)
    assert 9.0 == now()
    assert result.journal == await store.load("r")
    assert () == await store.beside(lease_s=1).beat()


@pytest.mark.looptime
async def test_of_two_answers_to_a_run_that_is_driven_the_first_counts() -> None:
    """The second is told so; the same one again is still in the inbox."""
    store = MemoryStore()
    task = await begun(worker(store), 2.5)
    for _ in range(2):
        with pytest.raises(LeaseHeld):
            await worker(store).resume("r", {"one": "1"}, id="a")
    with pytest.raises(AnswerError, match=r"another answer to .*, 'a', came first: it is in the inbox of run 'r'"):
        await worker(store).resume("r", {"one": "2"}, id="b")
    await asyncio.sleep(2)
    with pytest.raises(LeaseHeld, match="is driven by worker"):
        await worker(store).resume("r", {"one": "1"}, id="a")
    with pytest.raises(AnswerError):
        await worker(store).resume("r", {"one": "3"}, id="c")

    assert ("1", ["a"]) == ((result := await task).context.one, ids(result))


@pytest.mark.looptime
async def test_an_answer_that_does_not_fit_is_not_posted() -> None:
    """Whoever answers through a runner is told why, and nothing has changed."""
    store = MemoryStore()
    task = await begun(worker(store), 2.5)
    with pytest.raises(AnswerError, match="does not fit"):
        await worker(store).resume("r", {"one": 5})
    with pytest.raises(LeaseHeld):
        await worker(store).resume("r", {"one": "1"})

    assert "1" == (await task).context.one


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("question", "id", "answer"),
    [
        (None, "bad", {"one": "s3cret", "more": 1}),
        (None, "bad", ["s3cret"]),
        ("r:7:1", "bad", {"one": "s3cret"}),
        ("of nothing", "bad", None),
        (None, "", {"one": "s3cret"}),
        (None, ONE, {"one": "s3cret"}),
    ],
)
async def test_what_cannot_be_folded_poisons_nothing(
    question: str | None, id: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged without a word of it and taken out, so that another answer to the question is folded."""
    store = MemoryStore()
    task = await begun(worker(store), 2.5)
    await store.post("r", question or ONE, id, answer)
    await asyncio.sleep(2)
    assert "2" == await store.post("r", ONE, "2", {"one": "well"})
    result = await task

    assert ("well", ["2"]) == (result.context.one, ids(result))
    told = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR]
    assert 1 == len(told)
    assert f"the answer {id!r} to {question or ONE!r} was refused" in told[0]
    assert "s3cret" not in caplog.text


@pytest.mark.looptime
async def test_what_one_run_raises_at_a_beat_keeps_no_worker_from_beating(caplog: pytest.LogCaptureFixture) -> None:
    """Its runs would be taken for dead: here a clock of the user's fails once a question is open."""
    clock_calls = list[float]()

    def clock() -> float:
        clock_calls.append(now())
        if len(clock_calls) > 1:
            raise OSError
        return now()

    store = MemoryStore(wall_clock=now)
    runner = worker(store, wall_clock=clock)
    result = await begun(runner, 5)
    with pytest.raises(LeaseHeld):
        await worker(store).resume("r")
    await store.post("r", ONE, "a", {"one": "well"})
    assert Beside.done is (await result).state
    assert "a run could not be told what came for it: OSError was raised" in caplog.text


@pytest.mark.looptime
async def test_an_id_is_used_once_in_a_run() -> None:
    """An answer under the id of another question's is refused, and whoever answers through a runner is told."""
    store = MemoryStore()
    runner = Runner(Both, store=store.beside(lease_s=LEASE_S))
    one, two = (await runner.run(Pair(query="x"), run_id="r")).waiting
    await runner.resume("r", {"one": "1"}, question=one, id="a")
    await store.post("r", two.key, "a", {"two": "2"})
    first = await runner.resume("r")
    result = await runner.resume("r", {"two": "2"}, id="b")

    assert (1, Both.done, ["a", "b"]) == (len(first.waiting), result.state, ids(result))


@pytest.mark.looptime
@pytest.mark.parametrize("does", [lambda runner: runner.resume("r"), lambda runner: runner.expire("r")])
async def test_whoever_claims_a_run_folds_what_is_in_its_inbox(
    does: Callable[[Runner[Claim, None]], Awaitable[RunResult[Claim]]],
) -> None:
    """Nobody drives it: it goes on with the answer, even where its question would be late by now."""
    store, wall = MemoryStore(), [0.0]
    runner = Runner(Refunds, store=store.beside(lease_s=LEASE_S), wall_clock=lambda: wall[0])
    (question,) = (await runner.run(Claim(query="x"), run_id="r")).waiting
    await store.post("r", question.key, "a", {"handoff": "yes", "note": "ok"}, who="ann")
    wall[0] = 9_999.0
    result = await does(runner)

    assert (Refunds.paid, ["r:1"], ["a"]) == (result.state, DONE, ids(result))
    assert ["ann"] == [event.who for event in result.journal if isinstance(event, Answered)]
    assert not await store.beside(lease_s=1).beat()


@pytest.mark.looptime
async def test_an_answer_of_an_inbox_is_before_one_that_is_given() -> None:
    """Who answers next is told, nothing has changed, and whoever resumes goes on with the first."""
    store = MemoryStore()
    runner = Runner(Refunds, store=store.beside(lease_s=LEASE_S))
    (question,) = (await runner.run(Claim(query="x"), run_id="r")).waiting
    await store.post("r", question.key, "a", {"handoff": "no", "note": "ok"})
    before = await store.load("r")
    with pytest.raises(AnswerError, match="'a', came first"):
        await runner.resume("r", {"handoff": "yes", "note": "ok"}, id="b")

    assert before == await store.load("r")
    assert None is (await store.list())[0].owner
    assert Refunds.declined is (await runner.resume("r")).state


class JustBefore(MemoryStore):
    """A store in which something comes just before a run is let go of."""

    comes: Callable[[], Awaitable[object]] | None = None

    async def release(self, run_id: str, *, epoch: int, **options: Any) -> News | None:
        if JustBefore.comes is not None:
            comes, JustBefore.comes = JustBefore.comes, None
            await comes()
        return await super().release(run_id, epoch=epoch, **options)


@pytest.mark.looptime
@pytest.mark.parametrize("lease_s", [LEASE_S, None])
async def test_what_comes_as_a_run_is_let_go_is_folded(lease_s: float | None) -> None:
    """Between its last beat and its release: its poster was told that it is in the inbox, so somebody must look."""
    store = JustBefore()
    runner = Runner(Refunds, store=store if lease_s is None else store.beside(lease_s=lease_s))
    wrong = {"handoff": "yes"}

    async def comes() -> None:
        await store.post("r", "r:0:1", "a", wrong)
        JustBefore.comes = comes_again

    async def comes_again() -> None:
        await store.post("r", "r:0:1", "b", {"handoff": "yes", "note": "ok"})

    JustBefore.comes = comes
    result = await runner.run(Claim(query="x"), run_id="r")

    assert (Refunds.paid, ["b"], 0.0) == (result.state, ids(result), result.seconds)


@pytest.mark.looptime
@pytest.mark.parametrize("lease_s", [LEASE_S, None])
async def test_a_run_of_ones_own_is_reached_at_once(lease_s: float | None) -> None:
    """A runner that drives a run itself need not wait for a beat, and needs none."""
    for is_cancelled in (True, False):
        store = MemoryStore()
        runner = Runner(Beside, store=store if lease_s is None else store.beside(lease_s=lease_s))
        began = now()
        task = await begun(runner, 2.5)
        if is_cancelled:
            assert None is await runner.cancel("r")
        else:
            with pytest.raises(LeaseHeld, match="is driven by this runner"):
                await runner.resume("r", {"one": "1"})
        result = await task
        assert (Beside.human if is_cancelled else Beside.done) is result.state
        assert began + 2.5 == WHEN[-1][1]


@pytest.mark.looptime
async def test_an_owner_lets_its_own_questions_expire() -> None:
    """While something else is at work; the sweep takes only runs that nobody drives."""
    store, wall = MemoryStore(), [0.0]
    task = await begun(worker(store, wall_clock=lambda: wall[0]), 2.5)
    wall[0] = 101.0
    result = await task

    assert (Beside.human, 4.0) == (result.state, now())
    assert "timeout" in [event.reason for event in result.journal if isinstance(event, Failed)]


class Deaf(MemoryStore):
    """A store whose beats fail now and then."""

    async def beat(self) -> tuple[News, ...]:
        if 3 < now() < 7:
            raise OSError("away")
        return await super().beat()


@pytest.mark.looptime
async def test_a_beat_that_fails_loses_no_news() -> None:
    """What came meanwhile is told at the next one that does not."""
    store = Deaf()
    task = await begun(worker(store), 2.5)
    with pytest.raises(LeaseHeld):
        await worker(store).resume("r", {"one": "1"})
    result = await task

    assert ("1", 8.0) == (result.context.one, WHEN[0][1])


@pytest.mark.parametrize("lease_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_lease_lasts_for_some_time(lease_s: float) -> None:
    """One that is over at once would be renewed without end."""
    with pytest.raises(ValueError, match="a lease lasts for more than 0 seconds, and that of this store for"):
        Runner(Beside, store=MemoryStore().beside(lease_s=lease_s))


GO = list[asyncio.Event]()


async def waits(visit: Visit[Pair]) -> Any:
    """Wait until it is told to go."""
    await GO[-1].wait()
    return {Pair.two: "slowly"}


class Waits(Machine[Pair]):
    """A human is asked, while something else waits."""

    ask = State(
        Parallel(
            one=State(HumanAgent("What says the first?", reads=Pair.query, writes=Pair.one)),
            two=State(waits, writes=Pair.two),
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    on = ask.to(done)


@pytest.mark.slow
async def test_an_answer_reaches_a_run_through_a_database(tmp_path: Path) -> None:
    """Two workers on one file: what the one posts, the other folds while it drives."""
    one, two = (SqlStore(f"sqlite:///{tmp_path}/runs.db?sync=normal", lease_s=12) for _ in range(2))
    folded = asyncio.Event()
    GO.append(asyncio.Event())

    def observes(record: Any) -> None:
        if record.kind == "answered":
            folded.set()

    try:
        runner = Runner(Waits, store=one, observers=[observes])
        task = asyncio.ensure_future(runner.run(Pair(query="x"), run_id="r"))
        while not (await two.load("r"))[1:]:  # noqa: ASYNC110 - of another worker nothing tells when it has stored
            await asyncio.sleep(0.01)
        with pytest.raises(LeaseHeld, match="is in its inbox"):
            await Runner(Waits, store=two).resume("r", {"one": "1"}, id="a")
        async with asyncio.timeout(PATIENCE_S):
            await folded.wait()
        GO[-1].set()
        result = await task
    finally:
        one.close()
        two.close()

    assert (Waits.done, "1", ["a"]) == (result.state, result.context.one, ids(result))
