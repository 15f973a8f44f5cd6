"""Resumed from anywhere: random runs of a machine, whose process ended after each of their inputs in turn.

In virtual time, in one process, in memory; what really ends processes is in `kills`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from ..amounts import FREE, Price
from ..define.machine import AnyMachine, definition_of
from ..kernel.begin import compiled_as
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Answered, Input, Started
from ..kernel.step import fold
from ..limits import Limits
from ..run.head import head_of
from ..run.result import RunResult
from ..run.waiting import questions
from ..store.memory import MemoryStore
from ..store.values import Head, PaidResponse
from .adversaries import ATTACKS, Attack
from .clock import virtual_time
from .strategies import contexts
from .tape import Tape
from .whole_runs import RUN, World, pools
from .witness import Point


def assert_resumes(
    machine: AnyMachine,
    *,
    attacks: Sequence[Attack] = ATTACKS,
    limits: Limits | None = None,
    price: Price = FREE,
    journals: int | None = None,
) -> None:
    """Assert that every run goes on from wherever its process ended: from each prefix of its journal, in a new runner.

    Runs are drawn as `runs` draws them, and so is what happens after the process ended: other replies, other failures,
    once in a while an answer or a cancellation that came while nobody drove the run. Each comes to an end, within the
    limits; its stored inputs stay as they are; what it was charged covers all that was ever sent, by a count of the
    model's own; what it folds to is what lists show; no code and no tool begins anything twice under one key, unless
    it is `repeatable`; nothing is begun after a cancellation was asked for.

    Args:
        machine: the machine.
        attacks: what the model may do.
        limits: instead of the machine's.
        price: what tokens cost.
        journals: how many runs are drawn, each of which is resumed some ten times; None: as Hypothesis is set.

    Raises AssertionError: if one does not go on so; says after which input its process ended, and what broke.
    Raises hypothesis.errors.ResolutionFailed: if no context can be drawn; names the type to register.
    """
    definition_of(machine, "assert_resumes")
    contexts(machine).validate()

    usual = settings()
    phases = [phase for phase in usual.phases if phase is not Phase.explain]  # it would take minutes

    @settings(deadline=None, max_examples=journals or usual.max_examples, phases=phases)
    @given(contexts(machine), st.binary(min_size=40, max_size=160), st.binary(min_size=9, max_size=99), pools(machine))
    def every_run(context: Any, before: bytes, after: bytes, pool: Mapping[str, Sequence[Any]]) -> None:
        options: dict[str, Any] = {"attacks": attacks, "limits": limits, "price": price}
        with virtual_time() as loop:
            store = _Recording()
            loop.run(World(machine, Tape(before), pool, store, witness=(seen := _Seen(store)), **options).run(context))
            for cut in range(1, len(store.journal) + 1):
                turn = cut % len(after)
                tape = Tape(after[turn:] + after[:turn])
                loop.run(_resumed(machine, store, seen, cut, tape, pool, options))

    every_run()


class _Append(NamedTuple):
    start: int
    inputs: Sequence[Input]
    head: Head
    responses: Sequence[PaidResponse]


class _Recording(MemoryStore):
    """A store that remembers its appends, of one run."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: list[_Append] = []
        self.journal: list[Input] = []

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], head: Head, **options: Any) -> None:
        await super().append(run_id, start, inputs, head, **options)
        new = inputs[len(self.journal) - start :]  # one that was cut off is done again, with what came meanwhile
        if new:
            self.appends.append(_Append(len(self.journal), new, head, options.get("responses", ())))
            self.journal += new


class _Seen:
    """A witness that notes how much was stored when something was sent or begun.

    Args:
        store: of the run.
    """

    def __init__(self, store: _Recording) -> None:
        self._store = store
        self.calls: list[tuple[int, int]] = []
        """How much was stored, and what it has cost."""
        self.effects: list[tuple[int, str]] = []
        """How much was stored, and its key; of those alone that may be had only once."""
        self.begun_count = 0

    def reached(self, point: Point) -> None:
        """Go on."""

    def sent(self, visit: str, request: str) -> int:  # noqa: ARG002 - as witnesses are told
        """Note a request."""
        self.calls.append((len(self._store.journal), 0))
        return len(self.calls) - 1

    def paid(self, number: int, tokens: int) -> None:
        """Note what a request has cost."""
        self.calls[number] = self.calls[number][0], tokens

    def begun(self, key: str, *, is_once: bool) -> None:
        """Note an effect."""
        self.begun_count += 1
        if is_once:
            self.effects.append((len(self._store.journal), key))

    def cost(self, cut: int | None = None) -> int:
        """Return what was paid for all that may have been sent while no more than this was stored; None: for all."""
        return sum(tokens for place, tokens in self.calls if cut is None or place <= cut)

    def keys(self, cut: int | None = None) -> list[str]:
        """Return the keys of what may have begun while no more than this was stored."""
        return [key for place, key in self.effects if cut is None or place <= cut]


async def _resumed(
    machine: AnyMachine,
    whole: _Recording,
    before: _Seen,
    cut: int,
    tape: Tape,
    pool: Mapping[str, Sequence[Any]],
    options: Mapping[str, Any],
) -> None:
    """Go on with the beginning of a journal, and assert that all is well."""
    begun, first = tuple(whole.journal[:cut]), whole.journal[0]
    assert isinstance(first, Started)
    compiled = compiled_as(machine.definition, first)
    store = await _cut(compiled, whole, cut)
    world = World(machine, tape, pool, store, witness=(after := _Seen(store)), **options)
    meanwhile, result = await _meanwhile(store, compiled, begun, world, tape), None
    try:
        result = await world.resume()
        broken = [*_broken(compiled, begun, result, before, after), *meanwhile.broken(result, after)]
        (row,), head = await store.list(), head_of(compiled, fold(compiled, result.journal))
        if row.head != head:
            broken.append(f"the store shows {row.head}, and its journal folds to {head}")
        if tuple(await store.load(RUN)) != result.journal:
            broken.append("what is stored is another journal than that of the result")
        assert not broken, "\n  ".join([_where(machine, begun, meanwhile), *broken])
    except Exception as error:
        _show(whole.journal, cut, result)
        if not isinstance(error, AssertionError):
            error.add_note(_where(machine, begun, meanwhile))
        raise


async def _cut(compiled: CompiledMachine, whole: _Recording, cut: int) -> _Recording:
    """Return a store as it was when so much of a journal was stored."""
    store = _Recording()
    for start, inputs, head, responses in whole.appends:
        kept = inputs[: max(0, cut - start)]
        if len(kept) == len(inputs):
            await store.append(RUN, start, inputs, head, epoch=1, responses=responses)
        elif kept:  # a store would keep all of it or none; what goes on from its middle goes on from everywhere
            between = head_of(compiled, fold(compiled, [*store.journal, *kept]))
            await store.append(RUN, start, kept, between, epoch=1)
    return store


class _Meanwhile(NamedTuple):
    """What came while nobody drove a run."""

    is_cancelled: bool = False
    posted: str | None = None
    """The id of an answer that fits."""

    def __str__(self) -> str:
        cancelled = ", and then a cancellation was asked for" if self.is_cancelled else ""
        return cancelled + (f", and then an answer {self.posted!r} was posted" if self.posted else "")

    def broken(self, result: RunResult[Any], after: _Seen) -> Iterator[str]:
        if self.is_cancelled and (after.calls or after.begun_count):
            yield f"{len(after.calls)} calls were sent and {after.begun_count} effects begun after the cancellation"
        ids = {event.id for event in result.journal if isinstance(event, Answered)}
        if self.posted is not None and self.posted not in ids:
            yield f"the answer {self.posted!r} that was posted is in no input"


async def _meanwhile(
    store: MemoryStore, compiled: CompiledMachine, begun: Sequence[Input], world: World[Any], tape: Tape
) -> _Meanwhile:
    now = fold(compiled, begun)
    if now.status == "finished":
        return _Meanwhile()
    if tape.chance(7):
        await store.ask_cancel(RUN)
        return _Meanwhile(is_cancelled=True)
    asked = questions(compiled, now)
    if asked and tape.chance(2):
        question = tape.pick(asked)
        counts = await store.post(RUN, question.key, "posted", world.answer_to(question))
        return _Meanwhile(posted=None if question.tool is None else counts)  # what a form is filled with may not fit
    return _Meanwhile()


def _broken(
    compiled: CompiledMachine,
    begun: Sequence[Input],
    result: RunResult[Any],
    before: _Seen,
    after: _Seen,
) -> Iterator[str]:
    """Yield what is wrong with a run that was resumed and has come to an end."""
    end, limits = fold(compiled, result.journal), compiled.limits
    if end.status != "finished":
        yield f"it has not ended: it is {end.status} in {end.state!r}"
    if end.hops > limits.hops:
        yield f"T2: it took {end.hops} hops of {limits.hops}"
    charged = end.ledger.settled.tokens
    if charged - end.ledger.overrun.tokens > limits.tokens or end.ledger.reserved.tokens:
        yield f"T3: it was charged {charged:,} tokens of {limits.tokens:,}, and holds {end.ledger.reserved.tokens:,}"
    if result.journal[: len(begun)] != tuple(begun):
        yield "what was stored has changed"
    paid, paid_after = before.cost(len(begun)), after.cost()
    if charged < paid + paid_after:
        paid_in_all = f"{paid:,} before its process ended and {paid_after:,} after"
        yield f"T3: it was charged {charged:,} tokens, and paid {paid_in_all}"
    often = Counter([*before.keys(len(begun)), *after.keys()])
    yield from (f"what must not be done twice was begun {n} times under {key!r}" for key, n in often.items() if n > 1)


def _where(machine: AnyMachine, begun: Sequence[Input], meanwhile: _Meanwhile) -> str:
    last = begun[-1]
    inside = f" for the part at {last.path}" if last.path else ""
    return (
        f"{machine.__name__} does not go on as it should: its process ended after input {len(begun)}, "
        f"{last.kind!r}{inside}{meanwhile}"
    )


def _show(journal: Sequence[Input], cut: int, result: RunResult[Any] | None) -> None:
    """Show the inputs of a run, and where its process ended."""
    for place, event in enumerate(journal[:cut], start=1):
        note(f"  {place}: {event}")
    note("  -- its process ended --")
    for place, event in enumerate(() if result is None else result.journal[cut:], start=cut + 1):
        note(f"  {place}: {event}")
