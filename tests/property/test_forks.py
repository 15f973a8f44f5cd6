"""Forks of whole runs: from every cut of every journal a run goes on to an end, and nothing is paid for twice."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from support.each_kind import MACHINES
from support.lanes import in_both_lanes
from support.nests import nest, tape, world
from support.random_machines import PLANS, build

from fsm_orch import Machine, MemoryStore
from fsm_orch.errors import ForkError, StepError, Withheld
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import compiled_as, started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold, step
from fsm_orch.kernel.tree import levels as levels_of
from fsm_orch.kernel.tree import machine_at
from fsm_orch.run.cuts import Cut, cuts
from fsm_orch.run.fork import Edits, fork
from fsm_orch.store import to_json
from fsm_orch.testing import Tape, TheoremChecker, contexts, tapes, virtual_time
from fsm_orch.testing.whole_runs import RUN, World, pools
from fsm_orch.testing.witness import Point

KINDS: dict[str, type[Machine[Any, Any]] | None] = {"random": None, **MACHINES}


@in_both_lanes(few=2, many=15, most=30)
@pytest.mark.parametrize("name", KINDS)
def test_every_fork_of_a_run_comes_to_an_end(name: str, examples: int) -> None:
    """In a declared state, with exact books, by calls of its own alone; its parent is as it was, byte for byte."""
    _check_runs(name, examples, _forked_everywhere)


def _check_runs(name: str, examples: int, check: Callable[..., Coroutine[Any, Any, None]]) -> None:
    """Check runs of a kind of machine, each once it has come as far as it goes.

    Args:
        check: is given the machine, the store of the run, what is written, and a tape for what comes later.
    """

    @settings(max_examples=examples, deadline=None)
    @given(PLANS, st.data())
    def every_run(plan: Tape, data: st.DataObject) -> None:
        machine = KINDS[name] or build(plan)
        context, pool = data.draw(contexts(machine)), data.draw(pools(machine))
        before, after = data.draw(tapes()), data.draw(st.binary(min_size=9, max_size=99))
        with virtual_time() as loop:
            store = MemoryStore()
            loop.run(World(machine, before, pool, store).run(context))
            loop.run(check(machine, store, pool, after))

    every_run()


async def _forked_everywhere(
    machine: type[Machine[Any, Any]], store: MemoryStore, pool: Mapping[str, Sequence[Any]], after: bytes
) -> None:
    """Fork a stored run at each of its cuts, with and without edits, and drive the forks."""
    whole = await store.load(RUN)
    first = whole[0]
    assert isinstance(first, inputs.Started)
    compiled = compiled_as(machine.definition, first)
    written = [to_json(event) for event in whole]
    for cut in cuts(compiled, whole):
        turn = cut.at % len(after)
        choice = Tape(after[turn:] + after[:turn])
        for edits in _edits(compiled, whole, cut, choice):
            name = f"fork {cut.at} {edits.told}"
            it = World(machine, choice, pool, store, run_id=name)
            handoff: Any = edits.handoff
            try:
                await it.runner.fork(RUN, at=cut.at, handoff=handoff, new_id=name, effects=True)
            except ForkError:
                if edits.told or cut.is_end:
                    continue
                raise
            note(f"{name} of {len(whole)} inputs")
            begun = await store.load(name)
            assert cut.at == len(begun)
            end = await it.resume()
            _check(compiled, whole, begun, end.journal, has_edits=bool(edits.told))
            assert "finished" == end.status
            assert end.journal == await store.load(name)
        assert written == [to_json(event) for event in await store.load(RUN)]
    assert [] == await store.claimable([machine.definition.digest], expired_before=1e12)


class _Effects:
    """A witness that counts what was begun that has an effect."""

    def __init__(self) -> None:
        self.count = 0

    def reached(self, point: Point) -> None:
        """Go on."""

    def sent(self, visit: str, request: str) -> int:
        """Take no note."""
        return 0

    def paid(self, number: int, tokens: int) -> None:
        """Take no note."""

    def begun(self, key: str, *, is_once: bool) -> None:
        """Count an effect."""
        self.count += 1


@in_both_lanes(few=2, many=15, most=100)
@pytest.mark.parametrize("name", KINDS)
def test_a_fork_without_effects_begins_none(name: str, examples: int) -> None:
    """It ends, or stops and is free, however models and humans decide; every theorem holds of it."""
    _check_runs(name, examples, _withheld_everywhere)


async def _withheld_everywhere(
    machine: type[Machine[Any, Any]], store: MemoryStore, pool: Mapping[str, Sequence[Any]], after: bytes
) -> None:
    """Fork a stored run at each of its cuts, and drive the forks as far as they go without effects."""
    whole = await store.load(RUN)
    first = whole[0]
    assert isinstance(first, inputs.Started)
    compiled = compiled_as(machine.definition, first)
    for cut in cuts(compiled, whole):
        if cut.is_end:
            continue
        name, effects = f"fork {cut.at}", _Effects()
        it = World(machine, Tape(after[cut.at % len(after) :]), pool, store, run_id=name, witness=effects)
        await it.runner.fork(RUN, at=cut.at, new_id=name)
        is_withheld = False
        try:
            await it.resume()
        except Withheld:
            is_withheld = True
        (row,) = await store.list(run_id=name)
        journal = await store.load(name)
        note(f"{name} of {len(whole)} inputs: {row.head}")
        assert 0 == effects.count
        assert is_withheld == (row.head.status == "running")
        assert row.owner is None or row.head.status == "finished"
        TheoremChecker(compiled).follow_all(journal)


def _edits(compiled: CompiledMachine, whole: Sequence[Input], cut: Cut, choice: Tape) -> Iterator[Edits]:
    """Yield no edits, and where a reply can be changed another handoff of its state, legal or not."""
    yield Edits()
    if cut.is_reply:
        level = levels_of(compiled, fold(compiled, whole[: cut.at - 1]), whole[cut.at - 1].path)[-1]
        yield Edits(choice.pick(level.compiled.definition.states[level.now.state].exits))


def _check(
    compiled: CompiledMachine,
    parent: Sequence[Input],
    begun: Sequence[Input],
    whole: Sequence[Input],
    *,
    has_edits: bool,
) -> None:
    """Check a fork that has come to its end, or goes on in the kernel."""
    at = len(begun)
    assert tuple(begun) == tuple(whole[:at])
    mine, its = fold(compiled, begun), fold(compiled, parent[:at])
    if not has_edits:
        assert (its.state, its.status, its.hops, its.ledger, its.visits, its.context, its.messages, its.at) == (
            *(mine.state, mine.status, mine.hops, mine.ledger, mine.visits, mine.context, mine.messages, mine.at),
        )
    TheoremChecker(compiled).follow_all(whole)
    paid, sent = _calls(compiled, whole, inputs.CallSettled, 0, at), _calls(compiled, whole, inputs.CallReserved, 0, at)
    again, late = (_calls(compiled, whole, kind, at, len(whole)) for kind in (inputs.CallReserved, inputs.CallSettled))
    assert not {each[:2] for each in paid} & {each[:2] for each in again}, "an attempt that was paid for calls again"
    assert not {each[::2] for each in sent} & {each[::2] for each in late}, (
        "a call of the parent is settled in the fork"
    )


def _calls(
    compiled: CompiledMachine, journal: Sequence[Input], kind: type[Input], start: int, end: int
) -> set[tuple[str, int, int]]:
    """Return the calls of which a part of a journal tells: the key of the visit, the attempt, and its number."""
    now, found = None, set[tuple[str, int, int]]()
    for place, event in enumerate(journal[:end]):
        if start <= place and now is not None and isinstance(event, kind):
            at = machine_at(now, event.path)
            if at is not None and at.visit is not None:
                found.add((at.key, at.visit.attempt, event.call))  # type: ignore[attr-defined]
        now = step(compiled, now, event).configuration
    return found


@in_both_lanes(few=12, many=25, most=200)
def test_every_fork_of_a_random_nest_goes_on(examples: int) -> None:
    """So it is at three levels, whatever is asked in them: a fork goes on in the kernel, and every theorem holds."""

    @settings(max_examples=examples, deadline=None)
    @given(st.integers(0, 2**32), st.integers(0, 2**32))
    def every_run(seed: int, other: int) -> None:
        compiled = CompiledMachine(nest(tape(seed), is_tight=seed % 3 == 0).definition)
        whole = _played(compiled, tape(seed + 1), [started(compiled, {"count": seed % 4}, run_id="p")])
        found = cuts(compiled, whole)
        for cut in found:
            edits = [*_edits(compiled, whole, cut, tape(other))]
            for each in edits:
                try:
                    made = fork(compiled, whole, at=cut.at, edits=each, run_id="f", effects=False, now_s=9.0)
                except ForkError:
                    if each.told or cut.is_end:
                        continue
                    raise
                _check(
                    compiled,
                    whole,
                    made.journal,
                    _played(compiled, tape(other), made.journal),
                    has_edits=bool(each.told),
                )
        assert 1 == found[0].at

    every_run()


def _played(compiled: CompiledMachine, choices: Tape, begun: Sequence[Input]) -> list[Input]:
    """Return a journal that goes on to an end, as the kernel admits it."""
    journal, now = list(begun), fold(compiled, begun)
    at = now.at
    while now.status != "finished":
        at += choices.below(4) / 4
        event = world(choices, compiled, now, at)
        try:
            now = step(compiled, now, event).configuration
        except StepError:
            continue
        journal.append(event)
    return journal
