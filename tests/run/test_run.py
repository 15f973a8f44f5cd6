"""The single writer of a run: its time, its journal and what reaches the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from support.desk import Support

from fsm_orch import MemoryStore
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.run.writer import Run

MACHINE = CompiledMachine(Support.definition)


def run_of(
    clock: Callable[[], float] = lambda: 0.0, *, at: float = 0.0, store: Any = None, compiled: CompiledMachine = MACHINE
) -> Run:
    started = inputs.Started(
        run_id="r",
        context={"query": "x"},
        digest=compiled.definition.digest,
        kernel=VERSION,
        limits=compiled.limits,
        at=at,
    )
    return Run(compiled, [started], clock=clock, store=store)


def test_time_goes_on_from_where_it_started() -> None:
    """A run that was active for 5 s before is 7 s old after 2 s."""
    seconds = iter([100.0, 102.0])
    run = run_of(lambda: next(seconds), at=5.0)

    assert 7.0 == run.elapsed()


def test_a_clock_that_runs_backwards_stands_still() -> None:
    """Time before the start is the start: no input is stamped with less than nothing."""
    seconds = iter([100.0, 99.0])

    assert 0.0 == run_of(lambda: next(seconds)).elapsed()


def test_a_run_is_cancelled_once() -> None:
    """Cancelling a run that has ended changes nothing."""
    run = run_of()
    run.cancel("first")
    journal = list(run.journal)

    run.cancel("second")

    assert journal == run.journal


class Slow(MemoryStore):
    """A store that takes its time, during which something may happen."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(0)
        self.meanwhile()
        await super().append(run_id, start, inputs, **options)


async def test_two_writers_store_every_input_once() -> None:
    """Calls that are under way at once wait for one another at the store."""
    store = Slow()
    run = run_of(store=store)

    await asyncio.gather(run.flush(), run.flush())

    assert tuple(run.journal) == await store.load("r")


async def test_what_happens_while_the_store_writes_is_stored_next() -> None:
    """An input that is folded during a write is neither lost nor written twice."""
    store = Slow()
    run = run_of(store=store)
    store.meanwhile = lambda: run.cancel("meanwhile")

    await run.flush()
    await run.flush()

    assert 2 == len(run.journal)
    assert tuple(run.journal) == await store.load("r")
