"""Runs under admission and quotas: who is refused has begun nothing, an answer is kept, and all is given back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from support.asking import DONE, Claim, Refunds

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Price,
    Runner,
    ScriptedModel,
    State,
    Visit,
)
from fsm_orch.amounts import Amount
from fsm_orch.durable.base import Runners
from fsm_orch.errors import AnswerError, Drained, Overloaded, StartError, StoreError, Withheld
from fsm_orch.resilience import Account, Admission, Applicant, MemoryHoldings, Quota

pytestmark = pytest.mark.looptime

MOST = 2_304
"""What one call of the clerk may cost."""


class Query(Context):
    """What is asked."""

    text: Given[str] = ""
    answer: str | None = None


class Desk(Machine[Query]):
    """A clerk drafts, a human approves, and a clerk sends."""

    draft = State(LLMAgent("Draft.", reads=Query.text, calls=1), initial=True)
    approve = State(HumanAgent("Send it?", reads=Query.text), expires_s=600)
    send = State(LLMAgent("Send.", reads=Query.text, writes=Query.answer, calls=1))
    sent, kept = Final(), Final(fallback=True)
    drafted = draft.to(approve)
    yes, no = approve.to(send, "yes"), approve.to(kept, "no")
    late = approve.on_timeout(kept)
    done = send.to(sent)
    limits = Limits(tokens=2 * MOST, cost_usd="1")


def replying(request: Any) -> Any:
    """Return what the clerk says."""
    sends = any("Send." in message.content for message in request.messages)
    return {"answer": "sent"} if sends else {}


def clerk(delay_s: float = 0.0) -> ScriptedModel:
    """Return a model of the clerk."""
    return ScriptedModel([replying] * 1000, delay_s=delay_s)


class Asks(Machine[Query]):
    """One call of a model."""

    draft = State(LLMAgent("Draft.", reads=Query.text, calls=1), initial=True)
    sent, kept = Final(), Final(fallback=True)
    drafted = draft.to(sent)
    limits = Limits(tokens=MOST)


class Drafts(Machine[Query]):
    """Two calls of a model."""

    draft = State(LLMAgent("Draft.", reads=Query.text, calls=1), initial=True)
    send = State(LLMAgent("Send.", reads=Query.text, writes=Query.answer, calls=1))
    sent, kept = Final(), Final(fallback=True)
    drafted, done = draft.to(send), send.to(sent)
    limits = Limits(tokens=2 * MOST)


HOUR = Account("quota", "acme", 3600.0, most_tokens=10_000)


def quota(tokens: int = 10_000, **options: Any) -> Quota:
    return Quota(tokens=tokens, **options)


async def test_who_is_refused_has_begun_nothing() -> None:
    """With one place and no line the second run is refused at once, and the store has never heard of it."""
    store = MemoryStore()
    runner = Runner(Asks, model=clerk(5), store=store, admission=Admission(1, queue=0))
    first = asyncio.ensure_future(runner.run(Query(), run_id="first"))
    await asyncio.sleep(1)
    with pytest.raises(Overloaded) as refused:
        await runner.run(Query(), run_id="second")
    await first

    assert ("queue_full", None) == (refused.value.reason, refused.value.run_id)
    assert ["first"] == [row.run_id for row in await store.list()]


async def test_one_admission_stands_before_several_runners_and_all_ways_to_run() -> None:
    """Streams, runs and resumes wait in one line, each in its turn."""
    admission, store, loop = Admission(1, wait_s=100), MemoryStore(), asyncio.get_running_loop()
    one, two = (Runner(Asks, model=clerk(5), admission=admission, store=kept) for kept in (None, store))
    queued = await two.enqueue(Query())

    async def streamed() -> None:
        async with one.stream(Query()) as events:
            await events.result()

    ended = list[float]()
    for doing in (one.run(Query()), two.run(Query()), streamed(), two.resume(queued)):
        asyncio.ensure_future(doing).add_done_callback(lambda _: ended.append(loop.time()))
    await asyncio.sleep(30)

    assert [5, 10, 15, 20] == [round(each) for each in ended]
    assert 0 == admission.running


async def test_an_answer_is_kept_though_its_run_is_not_admitted() -> None:
    """It is in the journal, the caller is told how to go on, and the run goes on with it once there is a place."""
    store, admission = MemoryStore(), Admission(1, queue=0)
    runner = Runner(Desk, model=clerk(5), store=store, admission=admission, quotas=quota())
    waits = await runner.run(Query(), run_id="waits", tenant="acme")
    other = asyncio.ensure_future(runner.run(Query(), run_id="other"))
    await asyncio.sleep(1)
    with pytest.raises(Overloaded, match=r"kept as it stands: await runner.resume\('waits'\)") as refused:
        await runner.resume("waits", Desk.yes, id="mail-1")
    kept = await store.load("waits")
    held = store.holdings.taken(HOUR).tokens
    await other
    again = await runner.resume("waits", Desk.yes, id="mail-1")

    assert "waiting" == waits.status
    assert ("queue_full", "waits") == (refused.value.reason, refused.value.run_id)
    assert ["mail-1"] == [event.id for event in kept if event.kind == "answered"]  # type: ignore[attr-defined]
    assert waits.charged_tokens == held
    assert again.state is Desk.sent
    assert (0, again.charged_tokens) == (admission.running, store.holdings.taken(HOUR).tokens)


async def test_a_wrong_answer_is_told_before_admission_is_asked() -> None:
    """It is no matter of room."""
    admission = Admission(1, queue=0)
    runner = Runner(Desk, model=clerk(), store=MemoryStore(), admission=admission)
    await runner.run(Query(), run_id="waits")
    async with admission.place():
        with pytest.raises(AnswerError):
            await runner.resume("waits", "perhaps")


async def test_to_land_takes_no_place() -> None:
    """A run that waits is cancelled though nobody is admitted; one that waits or has ended is given as it stands."""
    admission = Admission(1, queue=0)
    runner = Runner(Desk, model=clerk(), store=MemoryStore(), admission=admission)
    for name in ("one", "two"):
        await runner.run(Query(), run_id=name)
    async with admission.place():
        landed, stands = await runner.cancel("one"), await runner.resume("two")
        again, late = await runner.resume("one"), await runner.expire("two")

    assert landed is not None
    assert [Desk.kept, Desk.approve, Desk.kept, Desk.approve] == [each.state for each in (landed, stands, again, late)]


async def test_a_run_is_landed_while_it_waits_for_a_place() -> None:
    """It had been answered; its cancellation comes while it stands in the line, and needs no place."""
    store, admission = MemoryStore(), Admission(1, wait_s=60)
    runner = Runner(Desk, model=clerk(), store=store, admission=admission, quotas=quota())
    await runner.run(Query(), run_id="waits", tenant="acme")
    charged = store.holdings.taken(HOUR)
    async with admission.place():
        answered = asyncio.ensure_future(runner.resume("waits", Desk.yes))
        await asyncio.sleep(1)
        assert await runner.cancel("waits") is None
        landed = await answered
        assert 1 == asyncio.get_running_loop().time()

    assert (Desk.kept, "cancelled") == (landed.state, landed.landing.reason if landed.landing else None)
    assert charged == store.holdings.taken(HOUR)


async def test_who_finds_the_line_full_asks_nothing_of_quotas() -> None:
    """Under load most are refused, which must cost no transaction."""
    asked = list[str]()

    class Counted(MemoryHoldings):
        async def hold(self, run_id: str, *args: Any, **options: Any) -> None:
            asked.append(run_id)
            await super().hold(run_id, *args, **options)

    admission = Admission(1, queue=0)
    runner = Runner(Asks, model=clerk(), admission=admission, quotas=quota(), holdings=Counted())
    async with admission.place():
        with pytest.raises(Overloaded, match="queue_full"):
            await runner.run(Query(), tenant="acme")

    assert [] == asked


async def test_a_caller_that_cancels_while_its_run_is_settled_leaves_nothing_held() -> None:
    """However long the holdings take; the cancellation is raised then."""

    class Slow(MemoryHoldings):
        async def settle(self, *args: Any, **options: Any) -> None:
            await asyncio.sleep(2)
            await super().settle(*args, **options)

    runner = Runner(Asks, model=clerk(5), quotas=quota(), holdings=(holdings := Slow()))
    running = asyncio.ensure_future(runner.run(Query(), tenant="acme"))
    await asyncio.sleep(6)
    held = holdings.taken(HOUR).tokens
    running.cancel()
    await asyncio.wait([running])

    assert (MOST, True) == (held, running.cancelled())
    assert 0 < holdings.taken(HOUR).tokens < MOST


async def test_no_more_is_held_than_a_thread_may_cost() -> None:
    """A run of one may cost as much as that, and one without a thread as much as its limit."""

    class Talks(Machine[Query]):
        """Two calls of a model."""

        draft = State(LLMAgent("Draft.", reads=Query.text, calls=2), initial=True)
        sent, kept = Final(), Final(fallback=True)
        drafted = draft.to(sent)
        limits = Limits(tokens=2 * MOST, thread_tokens=MOST + 1)

    store, held = MemoryStore(), list[int]()
    runner = Runner(Talks, model=clerk(5), store=store, quotas=quota())
    for options in ({"thread_id": "t"}, {}):
        running = asyncio.ensure_future(runner.run(Query(), tenant="acme", **options))
        before = store.holdings.taken(HOUR).tokens
        await asyncio.sleep(1)
        held.append(store.holdings.taken(HOUR).tokens - before)
        await running

    assert [MOST + 1, 2 * MOST] == held


async def test_a_caller_that_leaves_the_line_has_begun_nothing() -> None:
    """Its place in the line and what was held for it are free; a stored run stands as it stood."""
    store, admission = MemoryStore(), Admission(1, wait_s=60)
    runner = Runner(Asks, model=clerk(), store=store, admission=admission, quotas=quota())
    await runner.enqueue(Query(), run_id="queued", tenant="acme")
    async with admission.place():
        waiting = [
            asyncio.ensure_future(each) for each in (runner.run(Query(), tenant="acme"), runner.resume("queued"))
        ]
        await asyncio.sleep(1)
        held = store.holdings.taken(HOUR).tokens
        for each in waiting:
            each.cancel()
        came = await asyncio.gather(*waiting, return_exceptions=True)
    (row,) = await store.list()

    assert [asyncio.CancelledError] * 2 == [type(each) for each in came]
    assert (2 * MOST, Amount(), 0, 0) == (held, store.holdings.taken(HOUR), admission.running, admission.waiting)
    assert ("queued", None, 1) == (row.run_id, row.owner, row.inputs)
    assert (await runner.resume("queued")).state is Asks.sent


async def test_a_caller_that_cancels_in_any_moment_leaves_nothing_held() -> None:
    """Be it in the very moment in which its run was let in: the place and what was held are free."""
    for steps in range(30):
        store, admission = MemoryStore(), Admission(1)
        runner = Runner(Desk, model=clerk(), store=store, admission=admission, quotas=quota())
        waits = await runner.run(Query(), run_id="waits", tenant="acme")
        resuming = asyncio.ensure_future(runner.resume("waits", Desk.yes))
        for _ in range(steps):
            await asyncio.sleep(0)
        resuming.cancel()
        await asyncio.wait([resuming])
        charged = runner.replay(await store.load("waits")).charged_tokens

        assert (0, 0) == (admission.running, admission.waiting)
        assert waits.charged_tokens <= charged == store.holdings.taken(HOUR).tokens


async def test_a_coroutine_that_is_closed_leaves_the_line() -> None:
    """Nobody drives its run any more, and the place that it waited for goes to the next."""
    admission = Admission(1, wait_s=60)
    runner = Runner(Desk, model=clerk(), store=MemoryStore(), admission=admission)
    await runner.run(Query(), run_id="waits")
    async with admission.place():
        await _killed(runner.resume("waits", Desk.yes), after_s=1)
        await asyncio.sleep(1)
        left = admission.waiting
    await asyncio.sleep(1)

    assert (0, 0) == (left, admission.running)


async def test_the_time_in_the_line_is_none_of_the_runs() -> None:
    """Of a run that goes on, which waits 50 s for a place, and has a deadline of 60 s and 20 s of work."""
    admission = Admission(1, wait_s=100)
    runner = Runner(Desk, model=clerk(9), store=MemoryStore(), admission=admission)
    await runner.run(Query(), run_id="waits")

    async def busy() -> None:
        async with admission.place():
            await asyncio.sleep(58)

    other = asyncio.ensure_future(busy())
    await asyncio.sleep(0)
    ended = await runner.resume("waits", Desk.yes)
    await other

    assert (Desk.sent, 18) == (ended.state, round(ended.seconds))


async def test_a_worker_leaves_what_is_not_admitted_in_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    """Ten runs go through one place, each is left for as long as it is told, and nothing is an error."""
    store, admission = MemoryStore(wall_clock=asyncio.get_running_loop().time), Admission(1, queue=0)
    runner = Runner(Asks, model=clerk(2), store=store, admission=admission)
    for _ in range(10):
        await runner.enqueue(Query())
    working = asyncio.ensure_future(runner.work(concurrency=5))
    await asyncio.sleep(200)
    rows = await store.list()
    working.cancel()
    await asyncio.wait([working])

    assert ["finished"] * 10 == [row.head.status for row in rows]
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_is_queued_keeps_nobody_out_who_asks_now() -> None:
    """A worker fills no line before an admission: of a long queue no more runs than there are places ask for one."""
    store, admission = MemoryStore(wall_clock=asyncio.get_running_loop().time), Admission(2, expected_s=4)
    runner = Runner(Asks, model=clerk(4), store=store, admission=admission)
    for _ in range(100):
        await runner.enqueue(Query())
    working = asyncio.ensure_future(runner.work(concurrency=50))
    ended = list[Any]()
    for _ in range(20):
        await asyncio.sleep(3.3)
        ended.append((await runner.run(Query())).state)
    done = await store.list(status="finished")
    working.cancel()
    await asyncio.wait([working])

    assert [Asks.sent] * 20 == ended
    assert len(done) > 40


async def test_what_a_run_may_cost_is_held_while_it_is_driven() -> None:
    """Its limit at first; what it was charged once it waits; what is left of its limit when it goes on."""
    store = MemoryStore()
    runner = Runner(Desk, model=clerk(5), store=store, quotas=quota())
    account, seen = HOUR, list[int]()

    async def look() -> None:
        await asyncio.sleep(1)
        seen.append(store.holdings.taken(account).tokens)

    waits, _ = await asyncio.gather(runner.run(Query(), run_id="one", tenant="acme"), look())
    seen.append(store.holdings.taken(account).tokens)
    ended, _ = await asyncio.gather(runner.resume("one", Desk.yes), look())
    seen.append(store.holdings.taken(account).tokens)

    assert [2 * MOST, waits.charged_tokens, MOST + waits.charged_tokens, ended.charged_tokens] == seen


async def test_no_more_is_held_than_a_run_may_cost_by_its_bounds() -> None:
    """Its limit is ten thousand, and its bounds prove one call."""

    class Once(Machine[Query]):
        """One call of a model."""

        draft = State(LLMAgent("Draft.", reads=Query.text, calls=1), initial=True)
        sent, kept = Final(), Final(fallback=True)
        drafted = draft.to(sent)

    store = MemoryStore()
    runner = Runner(Once, model=clerk(5), store=store, quotas=quota())
    running = asyncio.ensure_future(runner.run(Query(), tenant="acme"))
    await asyncio.sleep(1)
    held = store.holdings.taken(HOUR).tokens
    await running

    assert MOST == held


async def test_a_quota_refuses_one_tenant_and_no_other() -> None:
    """Four runs may cost what it has; the fifth is told when the hour is over; others have their own."""
    now_s = 7_200.0 + 2_400
    runner = Runner(Asks, model=clerk(5), quotas=quota(4 * MOST, name="hourly"), wall_clock=lambda: now_s)
    running = [asyncio.ensure_future(runner.run(Query(), tenant="acme")) for _ in range(4)]
    await asyncio.sleep(1)
    with pytest.raises(Overloaded, match="quota 'hourly' of 'acme' has 0 of 9,216 tokens left") as refused:
        await runner.run(Query(), tenant="acme")
    running += [asyncio.ensure_future(runner.run(Query(), tenant=tenant)) for tenant in ("other", None, None)]
    ended = await asyncio.gather(*running)
    late = await runner.run(Query(), tenant="acme")

    assert ("quota", 1200) == (refused.value.reason, refused.value.retry_after_s)
    assert {"sent"} == {each.state.name for each in (*ended, late)}


class Entered(Machine[Query]):
    """One call of a model, or three for who enters elsewhere."""

    draft = State(LLMAgent("Draft.", reads=Query.text, calls=1), initial=True)
    study = State(LLMAgent("Study.", reads=Query.text, calls=3), entry=True)
    sent, kept = Final(), Final(fallback=True)
    drafted, studied = draft.to(sent), study.to(sent)


async def test_a_run_that_no_window_has_room_for_is_not_told_to_come_back() -> None:
    """It would come in vain, so what to do is said instead; others of its machine are admitted."""
    admission = Admission(1)
    runner = Runner(Entered, model=clerk(), admission=admission, quotas=quota(2 * MOST))
    with pytest.raises(StartError, match="has 4,608 tokens in all, and run 'one' may cost 6,912, so it would never"):
        await runner.run(Query(), run_id="one", tenant="acme", start=Entered.study)

    assert (Entered.sent, 0) == ((await runner.run(Query(), tenant="acme")).state, admission.running)


async def test_runs_that_are_cut_short_do_not_make_others_seem_short() -> None:
    """Thirty callers cancel at once, and thirty runs cannot be stored: a run still takes a second."""

    class Down(MemoryStore):
        async def append(self, *args: Any, **options: Any) -> Any:
            raise StoreError("down")

    for store, after_s in ((MemoryStore(), 0.01), (Down(), 1)):
        admission = Admission(1, wait_s=0.5)
        runner = Runner(Asks, model=clerk(5), store=store, admission=admission)
        for _ in range(30):
            with pytest.raises((TimeoutError, StoreError)):
                await asyncio.wait_for(runner.run(Query()), after_s)
        async with admission.place():
            assert (refused := admission.refusal()) is not None
            assert "too_long" == refused.reason


async def test_runs_without_a_tenant_take_from_one_quota() -> None:
    """Who says no tenant has no way around the quota, unless its key says so."""
    runner = Runner(Asks, model=clerk(5), quotas=quota(2 * MOST))
    running = [asyncio.ensure_future(runner.run(Query())) for _ in range(2)]
    await asyncio.sleep(1)
    with pytest.raises(Overloaded, match="has 0 of 4,608 tokens left"):
        await runner.run(Query())
    await asyncio.gather(*running, runner.run(Query(), tenant="acme"))

    free = Runner(Asks, model=clerk(5), quotas=quota(2 * MOST, key=lambda run: run.tenant))
    ended = await asyncio.gather(*[free.run(Query()) for _ in range(3)])
    assert {"sent"} == {each.state.name for each in ended}


async def test_money_is_held_too() -> None:
    """A run may cost a dollar; of a quota of two and a half there are two at once."""
    model = ScriptedModel([replying] * 9, price=Price("1", "1"), delay_s=5)
    runner = Runner(Desk, model=model, quotas=Quota(cost_usd="2.50"))
    running = [asyncio.ensure_future(runner.run(Query(), tenant="acme")) for _ in range(2)]
    await asyncio.sleep(1)
    with pytest.raises(Overloaded, match=r"500,000 of 2,500,000 micro-dollars left in this window.*cost 1,000,000"):
        await runner.run(Query(), tenant="acme")
    await asyncio.gather(*running)
    assert "waiting" == (await runner.run(Query(), tenant="acme")).status


async def test_the_key_sees_the_run_and_nothing_of_what_it_says() -> None:
    """Its id, tenant and thread, its machine, and the models that it may call; None is not counted."""
    seen = list[Applicant]()
    runner = Runner(Desk, model=clerk(), quotas=quota(key=lambda run: seen.append(run)))
    await runner.run(Query(text="secret"), run_id="one", tenant="acme", thread_id="t")

    assert Applicant(run_id="one", tenant="acme", thread_id="t", machine="Desk", models=("scripted:script",)) == seen[0]


@pytest.mark.parametrize("key", [lambda run: 1 / 0, lambda run: 7, lambda run: "\ud800", lambda run: "k" * 501])
async def test_a_key_that_cannot_be_told_is_an_error_before_anything_is_stored(key: Any) -> None:
    """A new run has not begun, and one that is stored stands as it stood, and can be landed."""
    store = MemoryStore()
    runner = Runner(Asks, model=clerk(), store=store, quotas=quota(key=key))
    await runner.enqueue(Query(), run_id="queued")
    for doing in (runner.run(Query()), runner.resume("queued")):
        with pytest.raises(StartError, match="the key of the quota 'quota'"):
            await doing
    (row,) = await store.list()
    landed = await runner.cancel("queued")

    assert ("queued", None, 1) == (row.run_id, row.owner, row.inputs)
    assert landed is not None
    assert landed.state is Asks.kept


async def test_retries_under_one_id_weigh_once() -> None:
    """The second is refused by the store; what the first holds stays held until it ends."""
    store = MemoryStore()
    runner = Runner(Asks, model=clerk(5), store=store, quotas=quota())
    running = asyncio.ensure_future(runner.run(Query(), run_id="one", tenant="acme"))
    await asyncio.sleep(1)
    with pytest.raises(StoreError):
        await Runner(Asks, model=clerk(), store=store, quotas=quota()).run(Query(), run_id="one", tenant="acme")
    held = store.holdings.taken(HOUR).tokens
    ended = await running
    with pytest.raises(StoreError):
        await runner.run(Query(), run_id="one", tenant="acme")

    assert (MOST, ended.charged_tokens) == (held, store.holdings.taken(HOUR).tokens)


async def test_a_retry_that_is_refused_takes_nothing_from_the_run_of_its_id() -> None:
    """It leaves the line while the first is driven, or waits for a human."""
    store, admission = MemoryStore(), Admission(2, wait_s=2)
    runner = Runner(Desk, model=clerk(9), store=store, admission=admission, quotas=quota())
    running, seen = asyncio.ensure_future(runner.run(Query(), run_id="one", tenant="acme")), list[int]()
    async with admission.place():
        for _ in range(2):
            await asyncio.sleep(1)
            with pytest.raises((Overloaded, StoreError)):
                await runner.run(Query(), run_id="one", tenant="acme")
            seen.append(store.holdings.taken(HOUR).tokens)
            waits = await running

    assert [2 * MOST, waits.charged_tokens] == seen


@pytest.mark.parametrize("ends", ["cancel", "expire", "yes"])
async def test_a_retry_that_the_store_refuses_charges_nothing_twice(ends: str) -> None:
    """Its run waits for a human meanwhile, and ends in any way."""
    store, loop = MemoryStore(), asyncio.get_running_loop()
    options: dict[str, Any] = {"quotas": quota(), "wall_clock": loop.time}
    runner = Runner(Desk, model=clerk(), store=store, holdings=(holdings := MemoryHoldings(loop.time)), **options)
    await runner.run(Query(), run_id="one", tenant="acme")
    with pytest.raises(StoreError):
        await runner.run(Query(), run_id="one", tenant="acme")
    waits = holdings.taken(HOUR).tokens
    await asyncio.sleep(1 if ends == "yes" else 601)
    if ends == "yes":
        await runner.resume("one", Desk.yes)
    else:
        await (runner.cancel("one") if ends == "cancel" else runner.expire("one"))
    charged = runner.replay(await store.load("one")).charged_tokens

    assert 0 < waits <= charged == holdings.taken(HOUR).tokens


async def test_a_retry_leaves_what_the_dead_have_held() -> None:
    """The worker of its run died in the second call: what the first was charged is counted once another goes on."""
    store, loop = MemoryStore(wall_clock=asyncio.get_running_loop().time), asyncio.get_running_loop()
    options: dict[str, Any] = {"quotas": quota(), "wall_clock": loop.time}
    dead = Runner(Drafts, model=clerk(3), store=store.beside(lease_s=15), **options)
    dying = dead._driver.run(dead._first(Query(), {"run_id": "one", "tenant": "acme"}), None)
    await asyncio.ensure_future(_killed(dying, after_s=5))
    await asyncio.sleep(30)
    runner = Runner(Drafts, model=clerk(), store=store.beside(lease_s=15), **options)
    with pytest.raises(StoreError):
        await runner.run(Query(), run_id="one", tenant="acme")
    held = store.holdings.taken(HOUR).tokens
    ended = await runner.resume("one")

    assert (2 * MOST, ended.charged_tokens) == (held, store.holdings.taken(HOUR).tokens)


async def test_a_retry_holds_what_the_first_gave_back_when_it_left_the_line() -> None:
    """Both waited under one id, and had held it once; nobody else is admitted while the retry is driven."""
    store, admission = MemoryStore(), Admission(2, wait_s=60)
    runner = Runner(Asks, model=clerk(5), store=store, admission=admission, quotas=quota(MOST))
    async with admission.place(2):
        first, retry = (asyncio.ensure_future(runner.run(Query(), run_id="one", tenant="acme")) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait([first])
    await asyncio.sleep(1)
    held = store.holdings.taken(HOUR).tokens
    with pytest.raises(Overloaded, match="quota"):
        await runner.run(Query(), tenant="acme")
    ended = await retry

    assert (MOST, ended.charged_tokens) == (held, store.holdings.taken(HOUR).tokens)


async def test_a_retry_that_finds_no_room_after_its_wait_leaves_its_place() -> None:
    """What the first gave back when it left the line is another run's by then."""
    store, admission = MemoryStore(), Admission(1, wait_s=60)
    runner = Runner(Asks, model=clerk(5), store=store, admission=admission, quotas=quota(MOST))
    async with admission.place():
        first, retry = (asyncio.ensure_future(runner.run(Query(), run_id="one", tenant="acme")) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait([first])
        await store.holdings.hold("other", [HOUR], settled=Amount(), may_cost=Amount(10_000))
    with pytest.raises(Overloaded, match="quota"):
        await retry

    assert (0, 10_000) == (admission.running, store.holdings.taken(HOUR).tokens)


async def test_without_a_store_runs_of_one_id_are_several() -> None:
    """Each is counted."""
    holdings = MemoryHoldings()
    runner = Runner(Asks, model=clerk(), quotas=quota(), holdings=holdings)
    ended = await asyncio.gather(*(runner.run(Query(), run_id="one", tenant="acme") for _ in range(3)))

    assert sum(each.charged_tokens for each in ended) == holdings.taken(HOUR).tokens


async def test_who_takes_a_run_over_goes_on_with_what_the_dead_have_held() -> None:
    """A worker died in the middle: what it held stays, is not held twice, and is settled once by who ends the run."""
    store, loop = MemoryStore(wall_clock=asyncio.get_running_loop().time), asyncio.get_running_loop()
    options: dict[str, Any] = {"quotas": quota(2 * MOST), "wall_clock": loop.time}
    dead = Runner(Asks, model=clerk(3), store=store.beside(lease_s=15), **options)
    dying = dead._driver.run(dead._first(Query(), {"run_id": "one", "tenant": "acme"}), None)
    task = asyncio.ensure_future(_killed(dying, after_s=1))
    await task
    held = store.holdings.taken(HOUR).tokens
    await asyncio.sleep(30)
    ended = await Runner(Asks, model=clerk(), store=store.beside(lease_s=15), **options).resume("one")

    assert MOST == held
    assert ended.charged_tokens == store.holdings.taken(HOUR).tokens


async def _killed(running: Any, *, after_s: float) -> None:
    """Drive a run for a while, and then no more, as if its process had died."""
    loop, until = asyncio.get_running_loop(), asyncio.get_running_loop().time() + after_s
    waits: Any = None
    while loop.time() < until:
        waits = running.send(None)
        waits._asyncio_future_blocking = False
        await asyncio.wait([waits], timeout=until - loop.time())
    running.close()


async def test_a_drained_run_keeps_what_it_holds() -> None:
    """It goes on elsewhere, with that; its place here is free."""
    store, admission = MemoryStore(wall_clock=asyncio.get_running_loop().time), Admission(1)
    options: dict[str, Any] = {"quotas": quota(), "wall_clock": asyncio.get_running_loop().time}
    runner = Runner(Desk, model=clerk(5), store=store.beside(lease_s=15), admission=admission, **options)
    running = asyncio.ensure_future(runner.run(Query(), run_id="one", tenant="acme"))
    await asyncio.sleep(1)
    await runner.drain(grace_s=0)
    with pytest.raises(Drained):
        await running
    held = store.holdings.taken(HOUR).tokens
    ended = await Runner(Desk, model=clerk(), store=store.beside(lease_s=15), **options).resume("one")

    assert (2 * MOST, 0) == (held, admission.running)
    assert 0 < ended.charged_tokens == store.holdings.taken(HOUR).tokens


async def test_a_runner_is_drained_of_what_waits_in_the_line() -> None:
    """A run that goes on there is left as it stands when the grace is over, and one that begins has not begun."""
    store, admission = MemoryStore(wall_clock=asyncio.get_running_loop().time), Admission(1, wait_s=600)
    runner = Runner(Asks, model=clerk(), store=store.beside(lease_s=15), admission=admission, quotas=quota())
    await runner.enqueue(Query(), run_id="queued", tenant="acme")
    async with admission.place():
        waiting = [asyncio.ensure_future(each) for each in (runner.resume("queued"), runner.run(Query()))]
        await asyncio.sleep(1)
        await runner.drain(grace_s=2)
        drained_at = asyncio.get_running_loop().time()
    came = await asyncio.gather(*waiting, return_exceptions=True)
    (row,) = await store.list()

    assert [Drained, StartError] == [type(each) for each in came]
    assert (3, "queued", False, 1) == (round(drained_at), row.run_id, row.is_driven, row.inputs)
    assert (0, 0, Amount()) == (admission.running, admission.waiting, store.holdings.taken(HOUR))


async def test_holdings_that_cannot_settle_fail_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and what is held goes with its window; where they cannot hold, nothing begins."""

    class Broken(MemoryHoldings):
        async def settle(self, *args: Any, **options: Any) -> None:
            raise OSError("secret")

    class Closed(MemoryHoldings):
        async def hold(self, *args: Any, **options: Any) -> None:
            raise StoreError("away")

    store = MemoryStore()
    ended = await Runner(Asks, model=clerk(), quotas=quota(), holdings=Broken()).run(Query(), tenant="acme")
    with pytest.raises(StoreError, match="away"):
        await Runner(Asks, model=clerk(), quotas=quota(), holdings=Closed(), store=store).run(Query(), tenant="acme")

    assert ended.state is Asks.sent
    assert "could not be settled, and stays until their windows end: OSError" in caplog.text
    assert "secret" not in caplog.text
    assert [] == await store.list()


async def test_an_admission_by_tokens_has_those_of_one_run_at_least() -> None:
    """Eight tokens are likely meant to be eight runs, and one at a time would be admitted."""
    too_few = "has 8 tokens for all runs together, and any run of Asks may cost 2,304, .* as in Admission.8."
    with pytest.raises(StartError, match=too_few):
        Runner(Asks, model=clerk(), admission=Admission(8, by="tokens"))
    Runner(Asks, model=clerk(), admission=Admission(MOST, by="tokens"))


async def test_weights_are_tokens_where_admission_counts_them() -> None:
    """Of 5,000 tokens two runs may cost 2,304 each, and a third waits."""
    admission, loop = Admission(5_000, by="tokens", wait_s=60), asyncio.get_running_loop()
    runner = Runner(Asks, model=clerk(5), admission=admission)
    ended = list[float]()
    for _ in range(3):
        asyncio.ensure_future(runner.run(Query())).add_done_callback(lambda _: ended.append(loop.time()))
    await asyncio.sleep(1)
    weighs = admission.running
    await asyncio.sleep(20)

    assert (2 * MOST, [5, 5, 10]) == (weighs, [round(each) for each in ended])


async def test_an_agent_that_ends_the_program_gives_its_place_back() -> None:
    """What it raises is raised, and its run has landed."""

    def interrupts(visit: Visit[Query]) -> None:
        raise KeyboardInterrupt

    admission, holdings = Admission(1), MemoryHoldings()
    runner = Runner(
        Desk, agents={Desk.draft: interrupts}, model=clerk(), admission=admission, quotas=quota(), holdings=holdings
    )
    with pytest.raises(KeyboardInterrupt):
        await runner.run(Query(), tenant="acme")

    assert (0, Amount()) == (admission.running, holdings.taken(HOUR))


@pytest.mark.parametrize(
    ("machine", "options", "error", "said"),
    [
        (Asks, {"quotas": Quota(tokens=100)}, StartError, "any run of Asks may cost 2,304, so none would be admitted"),
        (Asks, {"quotas": Quota(cost_usd="1")}, StartError, "runs of Asks have no limit of them: declare"),
        (Desk, {"quotas": Quota(cost_usd="0.5")}, StartError, r"has \$0.5, and any run of Desk may cost \$1"),
        (Asks, {"quotas": (Quota(tokens=9_000),) * 2}, StartError, "several quotas are called 'quota'"),
        (Asks, {"quotas": 9_000}, TypeError, "quotas= takes a Quota"),
        (Asks, {"admission": 64}, TypeError, "admission= takes an Admission"),
        (Asks, {"holdings": MemoryHoldings}, TypeError, "holdings= takes"),
        (Asks, {"holdings": MemoryHoldings()}, StartError, "none are given"),
    ],
)
def test_what_admits_nobody_is_refused_where_it_is_given(machine: Any, options: Any, error: Any, said: str) -> None:
    """The error says what to do."""
    with pytest.raises(error, match=said):
        Runner(machine, model=clerk(), **options)


async def test_what_came_for_a_run_is_stored_before_it_is_refused() -> None:
    """An answer was in its inbox; code that has not begun is not taken for begun by whoever goes on."""
    DONE.clear()
    store, admission = MemoryStore(), Admission(1, queue=0)
    runner = Runner(Refunds, store=store, admission=admission)
    waits = await runner.run(Claim(query="x"), run_id="one")
    await store.post("one", waits.waiting[0].key, "mail-1", {"handoff": "yes", "note": "n"})
    async with admission.place():
        with pytest.raises(Overloaded) as refused:
            await runner.resume("one")
    (row,), kept = await store.list(), await store.load("one")
    ended = await runner.resume("one")

    assert ("one", None, False) == (refused.value.run_id, row.owner, row.is_driven)
    assert "answered" == kept[-1].kind
    assert (Refunds.paid, 1) == (ended.state, len(DONE))


async def test_who_leaves_the_line_leaves_what_came_stored_too() -> None:
    """Its caller cancels: whoever goes on takes nothing for begun."""
    DONE.clear()
    admission = Admission(1, wait_s=60)
    runner = Runner(Refunds, store=(store := MemoryStore()), admission=admission)
    waits = await runner.run(Claim(query="x"), run_id="one")
    await store.post("one", waits.waiting[0].key, "mail-1", {"handoff": "yes", "note": "n"})
    async with admission.place():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(runner.resume("one"), 5)

    assert ["answered"] == [event.kind for event in (await store.load("one"))[-1:]]
    assert (await runner.resume("one")).state is Refunds.paid


def pays(visit: Visit[Query]) -> None:
    """Pay."""


class Pays(Machine[Query]):
    """Once a human has said so it is paid, and a clerk writes."""

    approve = State(HumanAgent("Pay?", reads=Query.text), initial=True)
    pay = State(pays)
    write = State(LLMAgent("Send.", reads=Query.text, writes=Query.answer, calls=1))
    paid, human = Final(), Final(fallback=True)
    yes, no = approve.to(pay, "pay"), approve.to(human, "decline")
    on, done = pay.to(write), write.to(paid)


async def test_a_fork_that_comes_to_an_effect_holds_nothing() -> None:
    """It waits for whoever says that it may begin, and holds what it may still cost once somebody has."""
    store = MemoryStore()
    runner = Runner(Pays, model=clerk(), store=store, quotas=quota())
    await runner.run(Query(), run_id="one", tenant="acme")
    await runner.resume("one", Pays.no)
    await runner.fork("one", at=2, new_id="fork")
    with pytest.raises(Withheld):
        await runner.resume("fork", Pays.yes)
    withheld = store.holdings.taken(HOUR)
    ended = await runner.resume("fork", effects=True)

    assert (Amount(), Pays.paid) == (withheld, ended.state)
    assert 0 < ended.charged_tokens == store.holdings.taken(HOUR).tokens


async def begins(visit: Visit[Query, Runner[Query, None]]) -> None:
    """Begin a run of another machine."""
    await visit.deps.run(Query(), tenant="acme")


class Outer(Machine[Query, Runner[Query, None]]):
    """Its one agent runs another machine."""

    begin = State(begins, initial=True)
    ended, refused = Final(), Final(fallback=True)
    on, down = begin.to(ended), begin.on_failure(refused)
    limits = Limits(tokens=MOST)


async def test_a_run_inside_a_run_takes_a_place_and_holds_of_its_own() -> None:
    """With one place it waits in vain for as long as it may, and with two both hold what they may cost."""
    loop, seen = asyncio.get_running_loop(), list[Any]()
    for places in (1, 2):
        admission, holdings = Admission(places, wait_s=2), MemoryHoldings()
        options: dict[str, Any] = {"admission": admission, "quotas": quota(), "holdings": holdings}
        outer, inner, began = Runner(Outer, **options), Runner(Asks, model=clerk(5), **options), loop.time()
        running = asyncio.ensure_future(outer.run(Query(), tenant="acme", deps=inner))
        await asyncio.sleep(1)
        seen.append((admission.running, admission.waiting, holdings.taken(HOUR).tokens))
        ended = await running
        seen.append((ended.state, round(loop.time() - began)))

    assert [(1, 1, MOST), (Outer.refused, 2), (2, 0, MOST), (Outer.ended, 5)] == seen


async def test_an_engine_leaves_what_is_not_admitted_in_its_queue() -> None:
    """A delivery comes to nothing, and a later one drives the run."""
    store, admission = MemoryStore(wall_clock=asyncio.get_running_loop().time), Admission(1, queue=0)
    runner = Runner(Asks, model=clerk(), store=store, admission=admission)
    await runner.enqueue(Query(), run_id="one")
    engine = Runners(runner)
    async with admission.place():
        refused, owed = await engine.deliver("one"), await engine.owed(9)

    assert ("not admitted", ["one"]) == (refused, [row.run_id for row in owed])
    assert "finished" == await engine.deliver("one")
