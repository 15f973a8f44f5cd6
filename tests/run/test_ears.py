"""Ears of followers: they are woken from any event loop and any thread, and forgotten when nobody listens."""

from __future__ import annotations

import asyncio
import threading
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
