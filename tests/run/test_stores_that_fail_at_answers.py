"""A store that fails, or is given up, while an answer is stored: it ends nothing that is not its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.asking import DONE, Claim, Refunds

from fsm_orch import MemoryStore, Runner
from fsm_orch.errors import StoreError
from fsm_orch.kernel.inputs import Input

YES = {"handoff": "yes", "note": "ok"}


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


class Faulty(MemoryStore):
    """A store whose next load or append raises, before it has kept anything, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = dict[str, BaseException]()
        self.keeps = False

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        error = self.faults.pop("append", None)
        if error is None or self.keeps:
            await super().append(run_id, start, inputs, **options)
        if error is not None:
            raise error

    async def load(self, run_id: str) -> tuple[Input, ...]:
        if error := self.faults.pop("load", None):
            raise error
        return await super().load(run_id)


async def waiting(store: MemoryStore, now: list[float]) -> Runner[Claim, None]:
    """Run until a human is waited for."""
    runner = Runner(Refunds, store=store, wall_clock=lambda: now[0])
    await runner.run(Claim(query="x"), run_id="r")
    return runner


def go_on(runner: Runner[Claim, None], now: list[float], *, is_late: bool) -> Any:
    """Answer, or let the question expire."""
    now[0] = 9_999.0 if is_late else 0.0
    return runner.expire("r") if is_late else runner.resume("r", YES)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("place", ["load", "append"])
@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError()], ids=lambda error: type(error).__name__)
async def test_its_exit_is_not_the_callers(error: BaseException, place: str, is_late: bool) -> None:
    """An exit would end the program of whoever answers, and a cancellation their task: each becomes a StoreError."""
    store, now = Faulty(), [0.0]
    runner = await waiting(store, now)
    store.faults[place] = error
    with pytest.raises(StoreError, match=type(error).__name__) as raised:
        await go_on(runner, now, is_late=is_late)
    assert raised.value.__cause__ is error

    is_in_inbox = place == "append" and not is_late
    assert "finished" == (await (runner.resume("r") if is_in_inbox else go_on(runner, now, is_late=is_late))).status


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_it_has_kept_counts(is_late: bool) -> None:
    """A store that fails after it has kept what came says so; whoever goes on then goes on with that."""
    store, now = Faulty(), [0.0]
    runner = await waiting(store, now)
    store.keeps, store.faults["append"] = True, StoreError("the connection was lost")
    with pytest.raises(StoreError, match="the connection was lost"):
        await go_on(runner, now, is_late=is_late)
    result = await runner.resume("r")

    assert result.state is (Refunds.declined if is_late else Refunds.paid)
    assert result.journal == await store.load("r")


class Slow(MemoryStore):
    """A store that says when it begins to write, takes a while, and how that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.is_cut_off = False

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.is_cut_off = True
            raise
        await super().append(run_id, start, inputs, **options)


async def test_a_caller_that_cancels_does_not_cut_it_off() -> None:
    """It has kept the answer, however often the caller cancels; who resumes the run then goes on with it."""
    store, now = Slow(), [0.0]
    store.go.set()
    runner = await waiting(store, now)
    store.begun.clear()
    store.go.clear()
    answering = asyncio.create_task(runner.resume("r", YES))
    await store.begun.wait()
    for _ in range(3):
        answering.cancel()
        await asyncio.sleep(0)
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await answering

    assert (store.is_cut_off, DONE) == (False, [])
    assert Refunds.paid is (await runner.resume("r")).state
