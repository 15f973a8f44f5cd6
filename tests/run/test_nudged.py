"""Nudges: who follows a run that is driven elsewhere is told when it goes on, and misses nothing if it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.working import Job, runner

from fsm_orch import MemoryStore
from fsm_orch.errors import StoreError
from fsm_orch.kernel.inputs import Input
from fsm_orch.run.ears import Ear, Ears
from fsm_orch.run.following import NUDGED_POLL_S, Numbered
from fsm_orch.run.nudged import AGAIN_S, Listening
from fsm_orch.store.nudges import Nudges

pytestmark = pytest.mark.looptime


class Telling:
    """What tells of a store: it can be cut off, be silent, and says how it was used."""

    def __init__(self) -> None:
        self.heard = list[asyncio.Queue[str | None]]()
        self.opened, self.looks, self.is_away, self.is_silent, self.is_stuck = 0, 0, False, False, False

    def tell(self, word: str | None) -> None:
        for each in self.heard:
            each.put_nowait(word)

    def cut(self) -> None:
        for each in self.heard:
            each.put_nowait("cut")

    async def words(self) -> Nudges:
        self.opened += 1
        if self.is_away:
            raise StoreError("away")
        if self.is_stuck:
            await asyncio.sleep(3_600)
        words = asyncio.Queue[str | None]()
        words.put_nowait(None)
        self.heard.append(words)
        try:
            while (word := await words.get()) != "cut":
                yield word
            raise StoreError("cut")
        finally:
            self.heard.remove(words)


class Told(MemoryStore):
    """A store that tells what is stored, to those beside it too."""

    telling: Telling

    def nudges(self) -> Nudges:
        return self.telling.words()

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], *rest: Any, **options: Any) -> None:
        await super().append(run_id, start, inputs, *rest, **options)
        if not self.telling.is_silent:
            self.telling.tell(run_id)

    async def list(self, **wanted: Any) -> Any:
        self.telling.looks += 1
        return await super().list(**wanted)


def told() -> Told:
    store = Told(wall_clock=asyncio.get_running_loop().time)
    store.telling = Telling()
    return store


async def followed(follower: Any, numbers: list[tuple[int, float]], run_id: str = "r") -> None:
    """Note each record, and when it came."""
    async with follower.follow(run_id, is_awaited=True) as events:
        async for event in events:
            if isinstance(event, Numbered):
                numbers.append((event.number, asyncio.get_running_loop().time()))  # noqa: PERF401 - others look at it


async def test_who_is_nudged_looks_at_once() -> None:
    """However long nothing has happened, what follows comes when it is stored; and it hardly looks meanwhile."""
    store = told()
    here, there = runner(store), runner(store)
    numbers = list[tuple[int, float]]()
    following = asyncio.ensure_future(followed(there, numbers))
    await asyncio.sleep(600)
    looks = store.telling.looks
    assert looks < 600 / NUDGED_POLL_S + 10
    began = asyncio.get_running_loop().time()
    result = await here.run(Job(), run_id="r", deps="")
    await following

    assert list(range(1, len(result.records) + 1)) == [number for number, _ in numbers]
    assert [began, began + 1, began + 2] == pytest.approx(sorted({at for _, at in numbers}), abs=0.001)


async def test_many_followers_listen_once_and_the_last_one_ends_it() -> None:
    """One connection serves all; nothing listens when they have left, and it is opened again for who comes then."""
    store = told()
    there = runner(store)
    for _ in range(2):
        following = [asyncio.ensure_future(followed(there, [], f"r{each}")) for each in range(20)]
        await asyncio.sleep(10)
        assert 1 == len(store.telling.heard)
        for each in following:
            each.cancel()
        await asyncio.wait(following)
        await asyncio.sleep(0.1)
        assert [] == store.telling.heard

    assert 2 == store.telling.opened


async def test_who_follows_where_a_run_is_driven_needs_no_nudges() -> None:
    """Nothing is opened for it."""
    store = told()
    here = runner(store)
    following = asyncio.ensure_future(followed(here, []))
    await here.run(Job(), run_id="r", deps="")
    await following

    assert 0 == store.telling.opened


@pytest.mark.parametrize("how", ["cut", "away", "silent"])
async def test_without_nudges_it_looks_as_often_as_ever(how: str) -> None:
    """A connection that is lost, cannot be opened, or hears nothing, as behind a pooler: nothing is missed."""
    store = told()
    here, there = runner(store), runner(store)
    numbers = list[tuple[int, float]]()
    store.telling.is_silent, store.telling.is_away = how == "silent", how == "away"
    following = asyncio.ensure_future(followed(there, numbers))
    await asyncio.sleep(100)
    if how == "cut":
        store.telling.is_away = True
        store.telling.cut()
        await asyncio.sleep(1)
    running = asyncio.ensure_future(here.run(Job(), run_id="r", deps=""))
    began = asyncio.get_running_loop().time()
    await running
    await following

    assert list(range(1, len(running.result().records) + 1)) == [number for number, _ in numbers]
    assert numbers[-1][1] - began <= 2 + (NUDGED_POLL_S if how == "silent" else 2)


async def test_what_says_nothing_is_not_relied_on_again() -> None:
    """Once a look has found what was not told, the next news come within the pause that it has without nudges."""
    store = told()
    store.telling.is_silent = True
    here, there = runner(store, Refunds), runner(store, Refunds)
    numbers = list[tuple[int, float]]()
    following = asyncio.ensure_future(followed(there, numbers))
    await asyncio.sleep(100)
    await here.run(Claim(query="x"), run_id="r")
    await asyncio.sleep(NUDGED_POLL_S + 30)
    waiting = len(numbers)
    await here.resume("r", {"handoff": "yes", "note": "ok"})
    ended = asyncio.get_running_loop().time()
    await following

    assert 0 < waiting < len(numbers)
    assert numbers[-1][1] - ended <= 2


async def test_a_lost_connection_is_opened_again() -> None:
    """And what is told from then on is relied on."""
    store = told()
    here, there = runner(store), runner(store)
    numbers = list[tuple[int, float]]()
    following = asyncio.ensure_future(followed(there, numbers))
    await asyncio.sleep(10)
    for _ in range(3):
        store.telling.cut()
        await asyncio.sleep(AGAIN_S + 10)
        assert 1 == len(store.telling.heard)
    await asyncio.sleep(200)
    began = asyncio.get_running_loop().time()
    await here.run(Job(), run_id="r", deps="")
    await following

    assert 4 == store.telling.opened
    assert began + 2 == pytest.approx(numbers[-1][1], abs=0.001)


async def test_who_comes_later_relies_on_nothing_that_was_before() -> None:
    """The last one has left, and a connection now takes for ever: who comes then looks as often as ever."""
    store = told()
    here, there = runner(store), runner(store)
    first = asyncio.ensure_future(followed(there, [], "other"))
    await asyncio.sleep(10)
    first.cancel()
    await asyncio.wait({first})
    store.telling.is_stuck = True
    numbers = list[tuple[int, float]]()
    following = asyncio.ensure_future(followed(there, numbers))
    await asyncio.sleep(10)
    began = asyncio.get_running_loop().time()
    await here.run(Job(), run_id="r", deps="")
    await following

    assert numbers[-1][1] - began <= 2 + 2


async def test_a_connection_that_is_lost_tells_nothing() -> None:
    """Who trusts it is woken and looks more often, until it is there again."""
    store, ears, listening, ear = Told(), Ears(), Listening(), Ear(text=False)
    store.telling = telling = Telling()
    with listening.held(store, ears), ears.listening("r1", ear):
        await ear.wait(1)
        ear.rest()
        was_on, telling.is_away = listening.is_on, True
        telling.cut()
        is_woken = await ear.wait(AGAIN_S / 2)
        is_on, telling.is_away = listening.is_on, False
        await asyncio.sleep(2 * AGAIN_S)
        is_on_again = listening.is_on

    assert (True, True, False, True) == (was_on, is_woken, is_on, is_on_again)
