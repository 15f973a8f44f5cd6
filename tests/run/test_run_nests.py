"""Random nests of machines, run to their ends in virtual time: cancelled, cut off, stored slowly, and interleaved."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from support.kept import keep
from support.lanes import in_both_lanes
from support.players import Provider, answered, machine, runner
from support.random_machines import Facts

from fsm_orch import MemoryStore, Runner, RunResult
from fsm_orch.kernel.due import due
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.records import CallSettled
from fsm_orch.kernel.step import fold
from fsm_orch.kernel.tree import levels
from fsm_orch.observe import Record
from fsm_orch.testing import TheoremChecker, virtual_time

pytestmark = pytest.mark.filterwarnings("error")


def to_its_end(desk: Runner[Any, Any], seed: int, order: int = 0) -> RunResult[Any]:
    """Run in virtual time, and answer what humans are asked, in some order."""

    async def playing() -> RunResult[Any]:
        result = await answered(desk, await desk.run(Facts(count=seed % 5), run_id="r"), order)
        assert {asyncio.current_task()} == asyncio.all_tasks(), seed
        return result

    with virtual_time() as loop:
        return loop.run(playing())


@in_both_lanes(few=15, many=40, most=150)
def test_every_nest_ends_in_a_declared_state(examples: int) -> None:
    """Under any failures T1 to T6 hold after every input; nothing is reserved at the end, and no task is left."""
    ends, depths = set[str](), set[int]()
    for seed in range(examples):
        desk = runner(machine(seed), seed, pace=seed, store=MemoryStore())
        result = to_its_end(desk, seed)

        now = TheoremChecker(desk.compiled).follow_all(result.journal)
        assert ("finished", result.context, 0) == (now.status, now.context, now.ledger.reserved.tokens), seed
        assert desk.replay(result.journal).records == result.records, seed
        ends.add(result.state.name)
        depths.add(max(len(event.path) for event in result.journal))
    assert {"done", "human"} <= ends
    assert 3 in depths


@in_both_lanes(few=30, many=60, most=300)
def test_a_nest_cancelled_at_any_instant_lands(examples: int) -> None:
    """One cancellation lands the whole tree: nothing is reserved, every call is charged, and no task is left."""
    inside = 0
    for seed in range(examples):
        nest, store, told = machine(seed), MemoryStore(), list[Record]()
        seconds = first_part(runner(nest, seed, pace=seed, store=MemoryStore())).seconds
        at = random.Random(seed).random() * seconds
        desk = runner(nest, seed, pace=seed, store=store, observers=[told.append])

        async def cancelled(desk: Runner[Any, Any] = desk, at: float = at) -> None:
            task = asyncio.create_task(desk.run(Facts(), run_id="r"))
            await asyncio.sleep(at)
            task.cancel()
            await asyncio.wait({task})
            assert {asyncio.current_task()} == asyncio.all_tasks()

        with virtual_time() as loop:
            loop.run(cancelled())
            journal = loop.run(store.load("r"))
        now = fold(desk.compiled, journal)
        if now.is_waiting or now.landing != "cancelled":
            assert at in (0.0, seconds), seed  # it was quicker
            continue
        inside += any(event.path for event in journal)
        charged = sum(record.tokens for record in told if isinstance(record, CallSettled))
        assert ("finished", 0) == (now.status, now.ledger.reserved.tokens), seed
        assert charged == now.ledger.settled.tokens, seed
        assert TheoremChecker(desk.compiled).follow_all(journal) == now, seed
    assert inside > examples / 3


def first_part(desk: Runner[Any, Any]) -> RunResult[Any]:
    """Run in virtual time, until it has ended or waits."""
    with virtual_time() as loop:
        return loop.run(desk.run(Facts(), run_id="r"))


@in_both_lanes(few=5, many=12, most=20)
def test_a_journal_cut_after_any_input_goes_on(examples: int) -> None:
    """Wherever a process ended, a new runner goes on from what it had stored, to a declared end."""
    for seed in range(examples):
        nest = machine(seed, depth=2)
        whole = to_its_end(runner(nest, seed, pace=seed, store=MemoryStore()), seed)
        for count in range(1, len(whole.journal), 1 + len(whole.journal) // 40):
            told = list[Record]()
            desk = runner(nest, seed, pace=seed, store=MemoryStore(), observers=[told.append])
            result = gone_on(desk, whole.journal[:count], seed)

            assert "finished" == result.status, (seed, count)
            assert whole.journal[:count] == result.journal[:count], (seed, count)
            assert tuple(told) == result.records[len(result.records) - len(told) :], (seed, count)
            before = desk.replay(whole.journal[:count]).records
            assert len(before) + len(told) == len(result.records), (seed, count)
            now = fold(desk.compiled, result.journal)
            assert 0 == now.ledger.reserved.tokens, (seed, count)


def gone_on(desk: Runner[Any, Any], journal: Sequence[Input], seed: int) -> RunResult[Any]:
    """Store the beginning of a journal, and resume it."""

    async def going_on() -> RunResult[Any]:
        await keep(desk, "r", journal)
        return await answered(desk, await desk.resume("r"), seed)

    with virtual_time() as loop:
        return loop.run(going_on())


class Slow(MemoryStore):
    """A store that takes a random time for each write."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)

    def stored(self) -> Sequence[Input]:
        """Return what is stored at this moment."""
        return tuple(self._journals["r"])

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await asyncio.sleep(self._chance.random() * self._chance.choice([0, 0.1, 2]))
        await super().append(run_id, start, inputs, **options)


@in_both_lanes(few=30, many=40, most=150)
def test_a_slow_store_begins_nothing_that_is_due_no_longer(examples: int) -> None:
    """However long each write takes, what begins is due by what is stored; every run ends, and is stored whole."""
    for seed in range(examples):
        nest, store, early = machine(seed), Slow(seed), list[str]()
        compiled = Runner(nest, model=Provider(seed, is_kind=True)).compiled

        def begins(
            key: str, compiled: CompiledMachine = compiled, store: Slow = store, early: list[str] = early
        ) -> None:
            now = fold(compiled, store.stored())
            if key not in [levels(compiled, now, effect.path)[-1].now.key for effect in due(now)]:
                early.append(key)

        result = to_its_end(runner(nest, seed, pace=seed, store=store, begins=begins), seed)

        assert ("finished", []) == (result.status, early), seed
        assert result.journal == asyncio.run(store.load("r")), seed


@in_both_lanes(few=4, many=12, most=33)
def test_the_order_of_branches_decides_nothing(examples: int) -> None:
    """Where all are waited for and none fails, each schedule ends in the same state, context and charge."""
    schedules, orders = (10 if examples < 10 else 20), 0
    for seed in range(examples):
        nest = machine(seed, depth=1)
        ends, seen = set[Any](), set[Any]()
        for pace in range(schedules):
            result = to_its_end(runner(nest, seed, pace=pace, is_kind=True, store=MemoryStore()), seed, pace)
            ends.add((result.state, result.context))
            seen.add(tuple(event.path for event in result.journal))
        assert 1 == len(ends), (seed, ends)
        orders += len(seen) > 1
    assert orders
