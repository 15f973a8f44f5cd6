"""A thread aside: whoever asks there has an answer, also while it ends, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from threading import Event, Thread

import pytest
from support.patience import PATIENCE_S

from fsm_orch.resilience.shared.aside import Aside, Ended


async def seven() -> int:
    """Return seven."""
    return 7


async def test_who_waits_when_the_thread_ends_is_told_so() -> None:
    """What it asked for will not come; and who asks later is told at once."""
    aside = Aside("test")
    assert 7 == await aside.ask(seven)
    waiting = asyncio.create_task(aside.ask(asyncio.Event().wait))
    await asyncio.sleep(0)
    aside.end()

    with pytest.raises(Ended):
        await waiting
    with pytest.raises(Ended):
        await aside.ask(seven)


async def test_who_asks_while_the_thread_ends_does_not_wait_for_ever() -> None:
    """Its loop still cleans up, and would take what it never does."""
    aside, is_ending, was_asked = Aside("test"), Event(), Event()

    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_ending.set()
            was_asked.wait(PATIENCE_S)

    cleaning = asyncio.create_task(aside.ask(cleans_up))
    await aside.ask(seven)
    end = Thread(target=aside.end)
    end.start()
    is_ending.wait(PATIENCE_S)
    asked = asyncio.create_task(aside.ask(seven))
    await asyncio.sleep(0)
    was_asked.set()

    async with asyncio.timeout(PATIENCE_S):
        for each in (asked, cleaning):
            with pytest.raises(Ended):
                await each
    end.join()


async def test_what_comes_too_late_for_who_asked_is_taken_back() -> None:
    """It was cancelled while the work was done; and if the thread has ended by then, nothing is left to take back."""
    aside, begun, goes_on, taken = Aside("test"), Event(), Event(), list[int]()

    async def works() -> int:
        begun.set()
        goes_on.wait(PATIENCE_S)
        return 7

    async def take_back(number: int) -> None:
        taken.append(number)

    task = asyncio.create_task(aside.ask(works, undo=lambda number: lambda: take_back(number)))
    await asyncio.sleep(0)
    begun.wait(PATIENCE_S)
    task.cancel()
    await asyncio.wait({task})
    goes_on.set()
    await aside.ask(seven)
    await aside.ask(seven)
    assert [7] == taken
    aside.end()
