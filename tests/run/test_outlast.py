"""Waiting that no cancellation cuts off: what is done meanwhile is done to its end, and what it raised is a value."""

from __future__ import annotations

import asyncio

from fsm_orch.run.outlast import outlasted
from fsm_orch.run.raised import Raised


async def test_a_cancellation_cuts_nothing_off_and_is_told() -> None:
    """However often its caller is cancelled, what was begun comes to its end, and the last cancellation is returned."""
    go = asyncio.Event()

    async def doing() -> str:
        await go.wait()
        return "done"

    waiting = asyncio.ensure_future(outlasted(doing))
    for word in ("once", "twice"):
        await asyncio.sleep(0)
        waiting.cancel(word)
    await asyncio.sleep(0)
    go.set()
    came, cancelled = await waiting

    assert came == "done"
    assert cancelled is not None
    assert cancelled.args == ("twice",)


async def test_an_interrupt_is_a_value() -> None:
    """What ends a program, raised by what is done, reaches the caller and not the event loop."""
    stop = KeyboardInterrupt()

    async def doing() -> None:
        raise stop

    assert await outlasted(doing) == (Raised(stop), None)


async def test_what_never_had_its_turn_counts_as_cancelled() -> None:
    """A loop that is being closed cancels every task, even one that has not begun: that is no result."""

    async def doing() -> None:
        raise AssertionError

    waiting = asyncio.ensure_future(outlasted(doing))
    await asyncio.sleep(0)
    (task,) = asyncio.all_tasks() - {asyncio.current_task(), waiting}
    task.cancel()
    came, cancelled = await waiting

    assert isinstance(came, Raised)
    assert isinstance(came.error, asyncio.CancelledError)
    assert cancelled is None
