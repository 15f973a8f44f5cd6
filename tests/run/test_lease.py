"""Who drives a run: it is claimed before it goes on, let go where it stops, and fenced once another has claimed it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from support.asking import DONE, Claim, Refunds
from support.desk import BILLING, REFUND, Support, Ticket
from support.kept import keep

from fsm_orch import Context, Final, Machine, MemoryStore, Runner, ScriptedModel, State, guard
from fsm_orch.errors import Drifted, LeaseHeld, LeaseLost, StartError, StepError
from fsm_orch.kernel.inputs import Failed, Input, Started
from fsm_orch.store import Head, News
from fsm_orch.testing import virtual_time

YES = {"handoff": "yes", "note": "ok"}


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


async def test_a_run_that_waits_is_free() -> None:
    """Nobody drives it, so that another worker may go on with it; and then nobody again."""
    store = MemoryStore()
    await Runner(Refunds, store=store.beside(lease_s=60)).run(Claim(query="x"), run_id="r")
    (waiting,) = await store.list()
    result = await Runner(Refunds, store=store.beside(lease_s=60)).resume("r", YES)
    (ended,) = await store.list()

    assert (None, "waiting", "approve") == (waiting.owner, waiting.head.status, waiting.head.state)
    assert waiting.head.expires_at is not None
    assert Refunds.paid is result.state
    assert ("finished", "paid", result.charged_tokens) == (ended.head.status, ended.head.state, ended.head.tokens)


async def test_a_run_that_another_worker_drives_is_not_resumed() -> None:
    """As long as its owner beats, everybody else is told who drives it, and nothing changes."""
    store = MemoryStore()
    mine, other = store.beside(lease_s=60), store.beside(lease_s=60)
    await Runner(Refunds, store=mine).run(Claim(query="x"), run_id="r")
    await mine.beat()
    await mine.claim("r")
    before = await store.list()

    for going_on in (Runner(Refunds, store=other).resume("r"), Runner(Refunds, store=other).resume("r", YES)):
        with pytest.raises(LeaseHeld, match="run 'r' is driven by worker"):
            await going_on
    assert before == await store.list()
    assert [] == DONE


async def test_a_run_whose_lease_is_over_is_taken_and_its_owner_is_fenced() -> None:
    """A worker that was thought dead stores nothing of a run that another goes on with, and sends nothing for it."""
    now, begun, go = [0.0], asyncio.Event(), asyncio.Event()
    store = MemoryStore(wall_clock=lambda: now[0])
    model = ScriptedModel([BILLING, {"handoff": "done", "invoice": None, "answer": "a"}])

    class Stalls:
        spec = Support.billing.spec

        async def act(self, visit: Any) -> Any:
            begun.set()
            await go.wait()
            return await Support.billing.agent.act(visit)

    sent = ScriptedModel([BILLING])
    dead = Runner(Support, model=sent, store=store.beside(lease_s=60), agents={Support.billing: Stalls()})
    zombie = asyncio.create_task(dead.run(Ticket(query="x"), run_id="r"))
    await begun.wait()
    now[0] = 61.0
    result = await Runner(Support, model=model, store=store.beside(lease_s=60)).resume("r")
    journal = await store.load("r")
    go.set()

    with pytest.raises(LeaseLost, match="run 'r' was claimed since"):
        await zombie
    assert result.state is Support.answered
    assert journal == await store.load("r") == result.journal


async def test_who_stood_still_between_its_claim_and_its_look_has_lost_the_run() -> None:
    """Another has claimed it meanwhile, and gone on: that is no drift, and is told as what it is."""
    now, stopped, go = [0.0], asyncio.Event(), asyncio.Event()

    class Stops(MemoryStore):
        async def load(self, run_id: str) -> tuple[Input, ...]:
            if self.lease_s == 50:
                stopped.set()
                await go.wait()
            return await super().load(run_id)

    store = Stops(wall_clock=lambda: now[0])
    await Runner(Refunds, store=store.beside(lease_s=60)).enqueue(Claim(query="x"), run_id="r")
    zombie = asyncio.create_task(Runner(Refunds, store=store.beside(lease_s=50)).resume("r"))
    await stopped.wait()
    now[0] = 51.0
    result = await Runner(Refunds, store=store.beside(lease_s=60)).resume("r")
    go.set()

    with pytest.raises(LeaseLost, match=r"run 'r' was claimed since: it has \d inputs, and had 1 when it was claimed"):
        await zombie
    assert "waiting" == result.status
    assert result.journal == await store.load("r")


async def test_two_workers_that_start_one_run_id_do_not_share_it() -> None:
    """Even if both begin with the same words at the same instant, one of them drives it."""
    store = MemoryStore()
    runners = [
        Runner(Support, model=ScriptedModel([BILLING, REFUND]), store=store.beside(lease_s=60), clock=lambda: 0.0)
        for _ in range(2)
    ]
    came = await asyncio.gather(
        *(runner.run(Ticket(query="please"), run_id="r") for runner in runners), return_exceptions=True
    )

    assert ["RunResult", "RunTaken"] == sorted(type(one).__name__ for one in came)
    (won,) = (one for one in came if not isinstance(one, BaseException))
    assert won.journal == await store.load("r")


class Number(Context):
    """What a guard looks at."""

    n: int = 3


LEAST = [2]


@guard
def is_large(number: Number) -> bool:
    return number.n > LEAST[0]


def work(visit: Any) -> None:
    """Do nothing."""


class Sorts(Machine[Number]):
    """Where a run goes is a guard's to say."""

    first = State(work, initial=True, repeatable=True)
    second = State(work, repeatable=True)
    large, small = Final(), Final(fallback=True)
    to_second = first.to(second, guard=is_large)
    to_small = first.to(small)
    end = second.to(large)


async def test_a_guard_that_was_changed_is_found_before_anything_is_driven() -> None:
    """Its machine has the same digest, and the journal folds to another state: nothing is done, and the run is free."""
    store = MemoryStore()
    runner = Runner(Sorts, store=store.beside(lease_s=60))
    whole = await Runner(Sorts).run(Number(), run_id="r")
    await keep(runner, "r", whole.journal[:2])
    LEAST[0] = 5
    try:
        with pytest.raises(Drifted, match=r"stored at 'second', running, after 1 hop .* folds to 'small', finished"):
            await runner.resume("r")
    finally:
        LEAST[0] = 2

    assert whole.journal[:2] == await store.load("r")
    assert None is (await store.list())[0].owner
    assert Sorts.large is (await Runner(Sorts, store=store.beside(lease_s=60)).resume("r")).state


async def test_a_journal_that_does_not_fold_any_more_has_drifted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends earlier in what the guard says now; who resumes it is told that code has changed, and not of an input."""
    store = MemoryStore()
    runner = Runner(Sorts, store=store)
    whole = await Runner(Sorts).run(Number(), run_id="r")
    await keep(runner, "r", whole.journal[:2])
    later = [Failed(reason="raised", at=whole.journal[1].at), *whole.journal[1:2]]
    monkeypatch.setattr(store._kept["r"], "journal", [whole.journal[0], *later, *later])

    with pytest.raises(Drifted, match=r"run 'r' does not fold any more: .*\. A guard or other code has changed"):
        await runner.resume("r")
    assert None is (await store.list())[0].owner


async def test_a_run_of_another_kernel_is_said_to_be_one() -> None:
    """It has not drifted: nothing is wrong with its machine."""
    store = MemoryStore()
    runner = Runner(Sorts, store=store)
    whole = await Runner(Sorts).run(Number(), run_id="r")
    first = whole.journal[0]
    assert isinstance(first, Started)
    await store.append("r", 0, [replace(first, kernel=first.kernel - 1)], Head("first"), epoch=1)

    with pytest.raises(StepError, match=r"on kernel \d, and this is kernel \d, of another version of fsm_orch"):
        await runner.resume("r")


async def test_a_run_that_is_not_known_is_not_resumed() -> None:
    """Nobody has stored it, or it is forgotten."""
    with pytest.raises(StartError, match="this store knows of no run 'r'"):
        await Runner(Sorts, store=MemoryStore().beside(lease_s=60)).resume("r")


class Beaten(MemoryStore):
    """A store that counts how often it is beaten, and by which clock."""

    def __init__(self) -> None:
        super().__init__()
        self.beats: list[float] = []
        self.fails = False

    async def beat(self) -> tuple[News, ...]:
        self.beats.append(asyncio.get_running_loop().time())
        if self.fails and len(self.beats) > 2:
            raise OSError("gone")
        return await super().beat()


async def stays(visit: Any) -> None:
    """Stay for ten seconds."""
    await asyncio.sleep(9.9)


class Stays(Machine[Number]):
    """Takes ten seconds."""

    first = State(stays, initial=True, timeout_s=20)
    done, human = Final(), Final(fallback=True)
    end = first.to(done)


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_beats_while_it_drives(fails: bool) -> None:
    """Three times in the time of a lease, from before a run is stored until it ends, whatever the store says."""
    store = Beaten()
    store.fails = fails
    other = store.beside(lease_s=6)
    assert isinstance(other, Beaten)
    runner = Runner(Stays, store=other)

    async def both() -> None:
        await asyncio.gather(*(runner.run(Number()) for _ in range(2)))
        await asyncio.sleep(10)

    with virtual_time() as loop:
        loop.run(both())
    began = store.beats[0]
    assert [0, 0, 2, 4, 6, 8] == [round(at - began) for at in store.beats]


async def test_what_it_is_compared_with_is_the_head_of_its_fold() -> None:
    """A head that is another in anything stops a run: where it stands, its hops, its tokens, or when it expires."""
    for wrong in (
        Head("first", hops=1),
        Head("second", hops=2),
        Head("second", "waiting", 1),
        Head("second", tokens=1),
    ):
        store = MemoryStore()
        whole = await Runner(Sorts).run(Number(), run_id="r")
        await store.append("r", 0, whole.journal[:2], wrong, epoch=1)
        with pytest.raises(Drifted):
            await Runner(Sorts, store=store).resume("r")
