"""Following a run, whoever drives it: its records by their numbers, each once it is stored, none missing or twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asking import Claim, Refunds
from support.desk import BILLING, REFUND, Ticket
from support.desk import runner as support
from support.essays import Essay, Writing
from support.speaking import Speaking
from support.working import Job, kept, runner, working

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, MemoryStore, Runner, StartError, State, TextDelta, Visit
from fsm_orch.errors import Drained, StoreError
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.records import Landed, Record, RunFinished
from fsm_orch.run.following import Followed, Numbered, Waits
from fsm_orch.testing import virtual_time

pytestmark = pytest.mark.looptime


async def followed(runner: Any, run_id: str = "r", *, until: int | None = None, **options: Any) -> list[Followed]:
    """Return what a follower is given, until it has got a number of records, or else to the end."""
    told = list[Followed]()
    async with runner.follow(run_id, **options) as events:
        async for event in events:
            told.append(event)
            if until is not None and sum(isinstance(each, Numbered) for each in told) == until:
                break
    return told


def numbers(told: Sequence[Followed]) -> list[int]:
    """Return the numbers of records, in the order in which they came."""
    return [event.number for event in told if isinstance(event, Numbered)]


def records(told: Sequence[Followed]) -> tuple[Record, ...]:
    """Return the records that came."""
    return tuple(event.record for event in told if isinstance(event, Numbered))


async def test_a_run_is_followed_to_its_end() -> None:
    """Where it is driven and elsewhere, while it goes on and afterwards, all its records come in their order."""
    store = kept()
    driver, elsewhere = runner(store), runner(store)
    here = asyncio.ensure_future(followed(driver, is_awaited=True, after=0))
    there = asyncio.ensure_future(followed(elsewhere, is_awaited=True))
    result = await driver.run(Job(), run_id="r", deps="")
    later = await followed(elsewhere)

    expected = list(range(1, len(result.records) + 1))
    assert [expected] * 3 == [numbers(await here), numbers(await there), numbers(later)]
    assert [result.records] * 3 == [records(await here), records(await there), records(later)]


@given(left_at=st.integers(1, 12), is_here=st.booleans(), comes_here=st.booleans(), away_s=st.integers(0, 3))
def test_who_comes_back_misses_nothing(left_at: int, is_here: bool, comes_here: bool, away_s: int) -> None:
    """Left after any record, and followed on from its number, here or elsewhere, now or later: no gap, none twice."""

    async def both() -> tuple[int, list[int], list[int]]:
        store = kept()
        here, there = runner(store), runner(store)
        run = asyncio.ensure_future(here.run(Job(), run_id="r", deps=""))
        first = numbers(await followed(here if is_here else there, until=left_at, is_awaited=True))
        await asyncio.sleep(away_s)
        rest = numbers(await followed(here if comes_here else there, after=first[-1]))
        return len((await run).records), first, rest

    with virtual_time() as loop:
        count, first, rest = loop.run(both())
    assert list(range(1, count + 1)) == first + rest


class Slow(MemoryStore):
    """A store that takes a second for each append, and says how many inputs it has."""

    inputs = 0

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], *rest: Any, **options: Any) -> None:
        await asyncio.sleep(1)
        await super().append(run_id, start, inputs, *rest, **options)
        self.inputs = start + len(inputs)


async def test_nothing_is_told_before_it_is_stored() -> None:
    """Each record that comes is one that the store's own inputs fold to at that moment."""
    store = Slow()
    driver = support(BILLING, REFUND, store=store)
    run = asyncio.ensure_future(driver.run(Ticket(query="please"), run_id="r"))
    told = list[tuple[int, int]]()
    async with driver.follow("r", is_awaited=True) as events:
        async for event in events:
            assert isinstance(event, Numbered)
            stored = driver.replay((await store.load("r"))[: store.inputs]).records
            assert event.record == stored[event.number - 1]
            told.append((event.number, len(stored)))

    assert len((await run).records) == len(told)
    assert any(number < stored for number, stored in told)
    assert len({stored for _, stored in told}) > 2  # they did not all come at the end


async def test_a_run_that_waits_is_followed_on() -> None:
    """It is said once that it waits; what follows on the answer, given elsewhere, comes when that is stored."""
    store = kept()
    driver, elsewhere = runner(store, Refunds), runner(store, Refunds)
    run = asyncio.ensure_future(driver.run(Claim(query="x"), run_id="r"))
    told = asyncio.ensure_future(followed(driver, is_awaited=True))
    waiting = await run
    await asyncio.sleep(600)
    result = await elsewhere.resume("r", {"handoff": "yes", "note": "ok"})

    assert [len(waiting.records)] == [event.number for event in await told if isinstance(event, Waits)]
    assert result.records == records(await told)
    assert list(range(1, len(result.records) + 1)) == numbers(await told)


class Asked(Context):
    """A question."""

    query: str
    answer: str | None = None


class Replies(Machine[Asked]):
    """One agent answers."""

    reply = State(LLMAgent("Answer.", reads=Asked.query, writes=Asked.answer, calls=3), initial=True)
    done, human = Final(), Final(fallback=True)
    finish = reply.to(done, "it is answered")


async def test_text_is_told_where_the_run_is_driven() -> None:
    """It comes between the records where they were made, to who asks for it; elsewhere there is none."""
    store = kept()
    model = Speaking([{"answer": "abc"}], on_piece=lambda: None)
    driver = Runner(Replies, model=model, store=store.beside(lease_s=15))
    elsewhere = Runner(Replies, model=Speaking([]), store=store.beside(lease_s=15))
    hears, reads, there = (
        asyncio.ensure_future(followed(runner, is_awaited=True, text=text))
        for runner, text in ((driver, True), (driver, False), (elsewhere, True))
    )
    await asyncio.sleep(0)
    result = await driver.run(Asked(query="?"), run_id="r")

    told = await hears
    assert "abc" == "".join(event.text for event in told if isinstance(event, TextDelta)) == result.context.answer
    kinds = [event.record.kind if isinstance(event, Numbered) else "text" for event in told]
    assert ["call_reserved", "text"] == kinds[kinds.index("text") - 1 : kinds.index("text") + 1]
    assert kinds.index("text") < kinds.index("call_settled")
    assert [result.records] * 3 == [records(told), records(await reads), records(await there)]
    assert not any(isinstance(event, TextDelta) for event in [*await reads, *await there])


async def test_text_keeps_its_place_for_a_slow_reader() -> None:
    """Who takes half a second for the first record gets the text after the call that it came from."""
    driver = Runner(Replies, model=Speaking([{"answer": "abc"}]), store=Slow())
    run = asyncio.ensure_future(driver.run(Asked(query="?"), run_id="r"))
    kinds = list[str]()
    async with driver.follow("r", is_awaited=True, text=True) as events:
        async for event in events:
            kinds.append(event.record.kind if isinstance(event, Numbered) else "text")
            await asyncio.sleep(0.5 if len(kinds) == 1 else 0)
    await run

    assert ["run_started", "visit_started", "call_reserved", "text"] == kinds[:4]


class Delayed(MemoryStore):
    """A store in which a run goes on just before its journal is loaded."""

    goes_on: Callable[[], Awaitable[Any]] | None = None

    async def load(self, run_id: str) -> tuple[Input, ...]:
        goes_on, self.goes_on = self.goes_on, None
        if goes_on is not None:
            await goes_on()
        return await super().load(run_id)


async def test_a_run_that_went_on_meanwhile_does_not_wait() -> None:
    """Of what the store shows first and gives a moment later, only what it showed counts."""
    store = Delayed()
    result = await Runner(Refunds, store=store).run(Claim(query="x"), run_id="r")
    store.goes_on = lambda: Runner(Refunds, store=store).resume("r", {"handoff": "yes", "note": "ok"})
    told = await followed(Runner(Refunds, store=store))

    assert [len(result.records)] == [event.number for event in told if isinstance(event, Waits)]
    assert isinstance(records(told)[-1], RunFinished)


async def test_nobody_streams_for_who_does_not_listen() -> None:
    """A model is asked for text as it is written only if somebody follows the run who wants it."""
    model = Speaking([{"answer": "abc"}] * 2)
    driver = Runner(Replies, model=model, store=MemoryStore())
    for name, text in (("a", False), ("b", True)):
        told = asyncio.ensure_future(followed(driver, name, is_awaited=True, text=text))
        await asyncio.sleep(0)
        await driver.run(Asked(query="?"), run_id=name)
        await told

    assert [False, True] == model.heard


async def test_a_run_that_another_worker_takes_over_is_followed_there() -> None:
    """A worker died in the middle: who follows elsewhere gets the rest, and who followed the dead one comes back."""
    store = kept()
    dead, alive = runner(store), runner(store)
    run = asyncio.ensure_future(dead.run(Job(), run_id="r", deps=""))
    there = asyncio.ensure_future(followed(alive, is_awaited=True))
    here = numbers(await followed(dead, until=2, is_awaited=True))
    await dead.drain(grace_s=0)
    with pytest.raises(Drained):
        await run
    async with working(alive):
        rest = await followed(alive, after=here[-1])

    result = await alive.result("r")
    assert list(range(1, len(result.records) + 1)) == here + numbers(rest) == numbers(await there)
    assert isinstance(records(rest)[-1], RunFinished)


async def test_followers_end_when_the_runner_is_drained() -> None:
    """Nobody keeps a process from ending: of a run that waits, or is driven elsewhere, or has been driven here."""
    store = kept()
    here, there = runner(store), runner(store)
    waits = Runner(Refunds, store=store)
    await waits.run(Claim(query="x"), run_id="w")
    run = asyncio.ensure_future(here.run(Job(), run_id="r", deps=""))
    tasks = [asyncio.ensure_future(followed(each, is_awaited=True)) for each in (here, there)]
    tasks.append(asyncio.ensure_future(followed(waits, "w")))
    await asyncio.sleep(0.5)
    for each in (here, there, waits):
        await each.drain(grace_s=0)
    async with asyncio.timeout(0.5):
        ended = await asyncio.gather(*tasks)

    with suppress(Drained):
        await run
    assert not any(isinstance(event, Numbered) and isinstance(event.record, RunFinished) for e in ended for event in e)
    assert here.is_draining


async def test_a_run_that_nobody_knows_is_no_run() -> None:
    """It is refused where it is read, or waited for if that is said; one that is forgotten has ended."""
    store = MemoryStore(runs=1)
    driver = Runner(Writing, store=store)
    with pytest.raises(StartError, match="knows of no run 'r'"):
        await followed(driver)
    waits = Runner(Refunds, store=store)
    await waits.run(Claim(query="x"), run_id="w")
    told = asyncio.ensure_future(followed(waits, "w"))
    await asyncio.sleep(10)
    await waits.cancel("w")
    await driver.run(Essay(topic="x"), run_id="other")  # for which it is forgotten

    async with asyncio.timeout(60):
        assert any(isinstance(event, Waits) for event in await told)


async def test_a_store_that_fails_is_told() -> None:
    """What it raises is raised where the records are read."""

    class Fails(MemoryStore):
        async def load(self, run_id: str) -> tuple[Input, ...]:
            raise StoreError("it is away")

    store = Fails()
    await Runner(Writing, store=store).run(Essay(topic="x"), run_id="r")
    with pytest.raises(StoreError, match="it is away"):
        await followed(Runner(Writing, store=store))


async def test_what_makes_no_sense_is_refused_at_once() -> None:
    """A number below 0, a pause that is none, or a runner without a store."""
    driver = Runner(Writing, store=MemoryStore())
    for wrong in ({"after": -1}, {"poll_s": 0.0}):
        with pytest.raises(ValueError, match="is followed after a record from 0"):
            driver.follow("r", **wrong)  # type: ignore[arg-type]
    with pytest.raises(StartError, match="this runner has none"):
        Runner(Writing).follow("r")


async def test_nothing_comes_after_the_last_record() -> None:
    """A number that the run never had, or its last one, gives nothing of a run that has ended."""
    driver = Runner(Writing, store=MemoryStore())
    result = await driver.run(Essay(topic="x"), run_id="r")

    assert [[], []] == [await followed(driver, after=n) for n in (len(result.records), 10_000)]


async def test_a_result_is_had_without_driving() -> None:
    """Of a run that has ended, waits, or is driven elsewhere, as it stands; what was said before it is there too."""
    store = kept()
    here, there = runner(store), runner(store)
    run = asyncio.ensure_future(here.run(Job(), run_id="r", deps=""))
    await asyncio.sleep(1.5)
    under_way = await there.result("r")
    result = await run
    again = await there.result("r")

    assert ("running", "second") == (under_way.status, under_way.state.name)
    assert (result.records, result.status, result.messages) == (again.records, again.status, again.messages)
    with pytest.raises(StartError, match="knows of no run 'x'"):
        await there.result("x")


async def stays(visit: Visit[Job]) -> Any:
    """Take a minute."""
    await asyncio.sleep(60)
    return {Job.by: "x"}


class Stays(Machine[Job]):
    """One long piece of work."""

    only = State(stays, writes=Job.by, initial=True, repeatable=True, timeout_s=90)
    end, fallback = Final(), Final(fallback=True)
    done = only.to(end)
    limits = Limits(deadline_s=100)


async def test_a_run_that_is_landed_elsewhere_is_told_so() -> None:
    """Who follows it where it is driven hears of it at the next beat there, and who follows elsewhere too."""
    store = kept()
    here, there = runner(store, Stays), runner(store, Stays)
    run = asyncio.ensure_future(here.run(Job(), run_id="r"))
    told = [asyncio.ensure_future(followed(each, is_awaited=True)) for each in (here, there)]
    await asyncio.sleep(0.5)
    assert await there.cancel("r") is None
    await run

    assert asyncio.get_running_loop().time() < 10
    assert [1, 1] == [sum(isinstance(each, Landed) for each in records(await one)) for one in told]
