"""Ears of followers: they are woken from any event loop and any thread, and forgotten when nobody listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from support.essays import Essay

from fsm_orch import Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.run.ears import Ear, Ears
from fsm_orch.run.following import Numbered

GOES_ON = threading.Event()


def write(visit: Visit[Essay]) -> Any:
    assert GOES_ON.wait(30)
    return {Essay.text: "written"}


class Threaded(Machine[Essay]):
    """Write an essay, in a thread."""

    drafting = State(write, reads=Essay.topic, writes=Essay.text, initial=True, thread=True)
    done, human = Final(), Final(fallback=True)
    end = drafting.to(done)


async def test_a_run_on_another_event_loop_is_followed() -> None:
    """Of a run that a thread drives on a loop of its own each record comes, while it goes on."""
    runner = Runner(Threaded, store=MemoryStore())
    running = asyncio.ensure_future(asyncio.to_thread(runner.run_sync, Essay(topic="x"), run_id="r"))
    told = list[Any]()
    async with runner.follow("r", is_awaited=True, poll_s=0.05) as events:
        async for event in events:
            assert isinstance(event, Numbered)
            told.append(event.record)
            GOES_ON.set()

    assert list((await running).records) == told


async def test_ears_are_forgotten() -> None:
    """What nobody listens to any more takes no room, and two who listen to one run are two."""
    ears, one, other = Ears(), Ear(text=False), Ear(text=True)
    with ears.listening("r", one):
        with ears.listening("r", other):
            assert {one, other} == set(ears.of("r"))
        ears.wake_all()
        assert await one.wait(0)
        assert not await other.wait(0)

    assert () == ears.of("r")
    assert {} == vars(ears)["_ears"]


class Seen:
    """A lock that notes when a thread comes to it."""

    def __init__(self, came: threading.Event) -> None:
        self._lock, self._came = threading.Lock(), came

    def __enter__(self) -> None:
        self._came.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Interrupted(dict[str, set[Ear]]):
    """Ears: when one follower has been given those of a run, another stops listening, or comes as far as the lock."""

    def __init__(self, leave: Callable[[], None], came: threading.Event) -> None:
        super().__init__()
        self._leave, self._came = leave, came
        self.threads = list[threading.Thread]()

    def setdefault(self, run_id: str, ears: Any = None, /) -> Any:
        given = super().setdefault(run_id, ears)
        if given:  # somebody else listens
            self._came.clear()
            self.threads.append(threading.Thread(target=self._goes))
            self.threads[0].start()
            assert self._came.wait(30)
        return given

    def _goes(self) -> None:
        self._leave()
        self._came.set()


async def test_who_comes_while_the_last_one_goes_is_woken() -> None:
    """A follower that begins to listen to a run at the moment at which the only other one stops is woken."""
    ears, last, came = Ears(), ExitStack(), threading.Event()
    held = Interrupted(last.close, came)
    vars(ears).update(_ears=held, _changing=Seen(came))
    last.enter_context(ears.listening("r", Ear(text=False)))
    with ears.listening("r", ear := Ear(text=False)):
        held.threads[0].join(30)
        ears.wake("r")

        assert await ear.wait(0)
    assert {} == held


async def test_followers_come_and_go_while_all_are_woken() -> None:
    """Threads that listen to runs, stop, and wake everybody, all at once, are in nobody's way."""
    ears, stays = Ears(), Ear(text=False)

    async def come_and_go() -> None:
        for n in range(200):
            with ears.listening(f"r{n % 3}", Ear(text=False)):
                ears.wake_all()
                ears.wake("r0")

    with ears.listening("r0", stays):
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, come_and_go()) for _ in range(4)))
        assert (stays,) == ears.of("r0")
        assert await stays.wait(0)
    assert {} == vars(ears)["_ears"]
