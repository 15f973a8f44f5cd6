"""The account of a thread: what its runs take when they begin, and leave when they end; their sum keeps its limit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import BILLING, Support, Ticket

from fsm_orch import (
    Final,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Reply,
    Response,
    Runner,
    ScriptedModel,
    State,
    Usage,
    Visit,
)
from fsm_orch.amounts import Amount, Price
from fsm_orch.define.states import Handoff
from fsm_orch.errors import StartError, StoreError, VisitClosed
from fsm_orch.kernel.inputs import Input, Started
from fsm_orch.testing import CrashingStore, TheoremChecker, virtual_time

RESOLVED = {"handoff": "resolved"}
GRANT = 700
"""What the first call of the desk reserves."""


def limited(tokens: int | None, **others: Any) -> Limits:
    """Return the limits of the desk, with those of a thread."""
    return Limits(hops=6, tokens=2_000, thread_tokens=tokens, **others)


def first_of(journal: Sequence[Input]) -> Started:
    first = journal[0]
    assert isinstance(first, Started)
    return first


async def test_a_run_takes_what_its_thread_has_left_and_gives_back_what_it_did_not_use() -> None:
    """Runs of a thread are moved their limit, or what is left if that is less; the sum of charges is what is taken."""
    store, charged = MemoryStore(), 0
    for _ in range(4):
        left = 2_500 - charged
        runner = Runner(Support, model=ScriptedModel([RESOLVED]), store=store, limits=limited(2_500))
        result = await runner.run(Ticket(query="x" * 200), thread_id="t")
        assert (left if left < 2_000 else None) == first_of(result.journal).tokens
        charged += result.charged_tokens
        TheoremChecker(runner.compiled).follow_all(result.journal)
        assert charged == (await store.taken("thread:t")).tokens
        assert 2_500 - charged == (await runner.thread_left("t")).tokens
    assert charged > 1_000


async def test_a_run_that_cannot_pay_its_first_call_is_landed() -> None:
    """A thread that is used up lands its next run as `budget`: nothing is sent, and nothing is charged."""
    store, model = MemoryStore(), ScriptedModel([])
    await store.charge("thread:t", Amount(1_000 - GRANT + 1))

    result = await Runner(Support, model=model, store=store, limits=limited(1_000)).run(
        Ticket(query="x"), thread_id="t"
    )

    assert result.landing is not None
    assert ("budget", "human", 0, []) == (
        *(result.landing.reason, result.state.name, result.charged_tokens),
        model.requests,
    )
    assert Amount(1_000 - GRANT + 1) == await store.taken("thread:t")


async def test_a_thread_beyond_its_limit_lands_its_next_run() -> None:
    """After an overrun nothing is left, which is no error: the next run is moved nothing."""
    store = MemoryStore()
    await store.charge("thread:t", Amount(5_000))

    runner = Runner(Support, model=ScriptedModel([]), store=store, limits=limited(1_000))
    result = await runner.run(Ticket(query="x"), thread_id="t")

    assert result.landing is not None
    assert "budget" == result.landing.reason
    assert (0, 0) == (first_of(result.journal).tokens, (await runner.thread_left("t")).tokens)


async def test_threads_are_apart() -> None:
    """What one thread took is not missing in another, nor for a run of no thread."""
    store = MemoryStore()
    runner = Runner(Support, model=ScriptedModel([RESOLVED] * 3), store=store, limits=limited(GRANT))
    results = [await runner.run(Ticket(query="x"), thread_id=thread) for thread in ("a", "b")]
    apart = await runner.run(Ticket(query="x"))

    assert [None] * 3 == [result.landing for result in (*results, apart)]
    assert None is first_of(apart.journal).tokens


async def test_money_is_kept_like_tokens() -> None:
    """Dollars of a thread are moved and given back; a run without a limit of its own takes all that are left."""
    store, price = MemoryStore(), Price(1, 1)
    runner = Runner(
        Support,
        model=ScriptedModel([RESOLVED] * 2, price=price),
        store=store,
        limits=limited(None, thread_cost_usd="0.001"),
    )
    first = await runner.run(Ticket(query="x" * 300), thread_id="t")
    second = await runner.run(Ticket(query="x"), thread_id="t")

    assert first.cost_usd == Decimal(first.charged_tokens) / 1_000_000
    assert second.landing is not None
    assert "budget" == second.landing.reason
    assert Decimal(1_000 - first.charged_tokens) / 1_000_000 == (await runner.thread_left("t")).cost_usd
    assert (1_000, 1_000 - first.charged_tokens) == (first_of(first.journal).cost, first_of(second.journal).cost)


def test_what_no_thread_can_pay_is_refused() -> None:
    """Without a store, with an unknown price, or with less than the first call, nothing starts."""
    with pytest.raises(StartError, match="kept by a store"):
        Runner(Support, model=ScriptedModel([]), limits=limited(1_000)).run_sync(Ticket(query="x"), thread_id="t")
    with pytest.raises(StartError, match="cost limit of \\$1 cannot be kept"):
        Runner(Support, model=ScriptedModel([], price=None), limits=limited(None, thread_cost_usd="1"))
    with pytest.raises(StartError, match=r"the first call of 'triage' may take 700 tokens.*; a thread has 699 tokens"):
        Runner(Support, model=ScriptedModel([]), limits=limited(GRANT - 1))


class Asked(Machine[Ticket]):
    """A human decides, and a model may."""

    ask = State(HumanAgent("What now?", reads=Ticket.query), initial=True)
    reply = State(LLMAgent("Reply.", writes=Ticket.answer, max_input_tokens=600, max_output_tokens=100))
    done, human = Final(), Final(fallback=True)
    on = ask.to(reply, "let it reply")
    no = ask.to(human, "decline")
    end = reply.to(done)
    limits = Limits(tokens=2_000, thread_tokens=3_000)


@pytest.mark.parametrize("answer", [Asked.no, Asked.on])
async def test_a_run_that_waits_keeps_its_money_until_it_ends(answer: Handoff) -> None:
    """What was moved to a waiting run is missing in its thread, and comes back with the answer that ends it."""
    store = MemoryStore()
    runner = Runner(Asked, model=ScriptedModel([{"answer": "yes"}]), store=store)
    waiting = await runner.run(Ticket(query="x"), thread_id="t")
    assert 1_000 == (await runner.thread_left("t")).tokens

    ended = await runner.resume(waiting.run_id, answer)

    assert "finished" == ended.status
    assert Amount(ended.charged_tokens) == await store.taken("thread:t")


async def test_a_run_that_crashed_gives_back_when_it_is_resumed() -> None:
    """Wherever its process ends, the money of a run is with the run until somebody lets it end."""
    for writes in range(9):
        store = MemoryStore()
        crashing = CrashingStore(store, writes=writes)
        script = [BILLING, {"handoff": "done", "invoice": "I7", "answer": "paid"}]
        try:
            await Runner(Support, model=ScriptedModel(script), store=crashing, limits=limited(5_000)).run(
                Ticket(query="x"), run_id="r", thread_id="t"
            )
        except Exception:
            if not await store.load("r"):
                assert Amount() == await store.taken("thread:t")
                continue
            if "finished" != (await _resumed(store, script)).status:
                raise
        result = await _resumed(store, script)
        assert Amount(result.charged_tokens) == await store.taken("thread:t")


async def _resumed(store: MemoryStore, script: Sequence[Any]) -> Any:
    return await Runner(Support, model=ScriptedModel(script), store=store, limits=limited(5_000)).resume("r")


class Late:
    """A model whose every bill comes a second late, and is larger than its bound."""

    name, price = "own:late", Price(0, 0)

    async def count(self, request: Any) -> int:
        return 100

    async def complete(self, request: Any) -> Response:
        await asyncio.sleep(1)
        return Response(text="{}", usage=Usage(requests=1, input_tokens=5_000))


@pytest.mark.looptime
async def test_a_bill_that_comes_after_the_end_is_charged_to_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is folded once a run has ended: what its call used beyond its charge is its thread's."""
    left: list[asyncio.Task[Any]] = []

    class Leaves:
        spec = Asked.reply.spec

        async def act(self, visit: Visit[Any, Any]) -> Reply:
            left.append(asyncio.create_task(visit.model.ask((Message(role="user", content="x"),))))
            await asyncio.sleep(0.1)
            return Reply(changes={Ticket.answer: "yes"})

    store = MemoryStore()
    runner = Runner(Asked, model=Late(), agents={Asked.reply: Leaves()}, store=store)
    waiting = await runner.run(Ticket(query="x"), thread_id="t")
    ended = await runner.resume(waiting.run_id, Asked.on)
    assert Amount(ended.charged_tokens) == await store.taken("thread:t")
    await asyncio.wait(left)
    await asyncio.sleep(0)

    assert isinstance(left[0].exception(), VisitClosed)
    assert ended.charged_tokens < 5_000
    assert Amount(5_000) == await store.taken("thread:t")
    assert "they are charged to thread:t" in caplog.text


class Watching(MemoryStore):
    """A store that takes its time, and looks at the sum of a thread after every write."""

    def __init__(self, seed: int, limit: int) -> None:
        super().__init__()
        self._chance, self._limit = random.Random(seed), limit
        self.most = 0

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(self._chance.choice([0, 0, 0.1, 1]))
        await super().append(run_id, start, inputs, **options)
        self.most = max(self.most, (await self.taken("thread:t")).tokens)
        await asyncio.sleep(self._chance.choice([0, 0, 0.1, 1]))


REPLIES = st.sampled_from(
    [RESOLVED, BILLING, {"handoff": "done", "invoice": "I7", "answer": "paid"}, "nonsense", 9_999]
)
RUNS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 1.5, 4.0]),  # begins
        st.none() | st.sampled_from([0.0, 0.05, 0.3, 1.2, 3.0]),  # is cancelled after
        st.lists(REPLIES, max_size=5),
    ),
    min_size=1,
    max_size=6,
)


@given(RUNS, st.integers(GRANT, 4_000), st.integers(0, 99))
def test_the_sum_of_a_thread_never_passes_its_limit(
    runs: list[tuple[float, float | None, list[Any]]], limit: int, seed: int
) -> None:
    """However runs overlap, land and are cancelled, a thread takes its limit at most, and at last what was charged."""
    store, overrun = Watching(seed, limit), 0

    def reply(line: Any) -> Any:
        return Response(text="{}", usage=Usage(requests=1, input_tokens=line)) if isinstance(line, int) else line

    async def one(number: int, begins: float, cancelled: float | None, script: list[Any]) -> None:
        await asyncio.sleep(begins)
        model = ScriptedModel(map(reply, script), delay_s=0.3)
        runner = Runner(Support, model=model, store=store, limits=limited(limit), retry=None)
        running = asyncio.ensure_future(runner.run(Ticket(query="x"), run_id=f"r{number}", thread_id="t"))
        if cancelled is not None:
            await asyncio.sleep(cancelled)
            running.cancel()
        await asyncio.wait({running})

    async def all_of_them() -> tuple[int, int]:
        await asyncio.gather(*(one(number, *run) for number, run in enumerate(runs)))
        runner = Runner(Support, model=ScriptedModel([]), limits=limited(limit))
        ended = [
            runner.replay(await store.load(f"r{number}"))
            for number in range(len(runs))
            if await store.load(f"r{number}")
        ]
        assert {"finished"} >= {result.status for result in ended}
        assert Amount(sum(result.charged_tokens for result in ended)) == await store.taken("thread:t")
        overrun = sum(getattr(record, "overrun", 0) for result in ended for record in result.records)
        return store.most, overrun

    with virtual_time() as loop:
        most, overrun = loop.run(all_of_them())
    assert most <= limit + overrun


@pytest.mark.looptime
async def test_a_run_that_is_cancelled_while_its_money_is_moved_gives_it_back() -> None:
    """The store is not cut off as it moves money: the run has begun then, lands at once, and its end is stored."""

    class Slow(MemoryStore):
        async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
            await super().append(run_id, start, inputs, **options)
            await asyncio.sleep(1)

    store, model = Slow(), ScriptedModel([RESOLVED])
    runner = Runner(Support, model=model, store=store, limits=limited(1_000))
    running = asyncio.ensure_future(runner.run(Ticket(query="x"), run_id="r", thread_id="t"))
    await asyncio.sleep(0.5)
    assert Amount(1_000) == await store.taken("thread:t")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert ("human", []) == (runner.replay(await store.load("r")).state.name, model.requests)
    assert Amount() == await store.taken("thread:t")


async def test_a_store_that_fails_as_money_is_moved_begins_nothing() -> None:
    """What the store raises is raised, nothing is sent, and the run id can be used again."""
    model = ScriptedModel([RESOLVED])
    runner = Runner(Support, model=model, store=CrashingStore(MemoryStore(), writes=0), limits=limited(1_000))
    with pytest.raises(StoreError, match="the store crashed"):
        await runner.run(Ticket(query="x"), run_id="r", thread_id="t")

    assert not model.requests
    assert "r" not in runner._driver.driven
