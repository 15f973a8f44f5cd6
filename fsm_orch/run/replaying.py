"""What a runner does with a run that is driven again: on another model, or another version of its machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, overload

from msgspec.structs import replace

from ..define.definition import Definition
from ..define.machine import AnyMachine, C, D, definition_of
from ..errors import StartError, StepError, Withheld
from ..kernel.begin import beginning, compiled_as
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.rebinding import rebound_all
from ..kernel.step import fold
from ..store.base import Store
from . import given, going_on, start
from .compared import Difference, difference, went
from .driver import Driver
from .forking import made
from .head import folded
from .loading import checked, known, loaded
from .result import RunResult
from .results import Results


@dataclass(frozen=True, kw_only=True)
class Replay(Generic[C]):
    """A run that was driven again, as a fork."""

    result: RunResult[C]
    """Of the fork."""
    difference: Difference
    """In what it differs from the run that was replayed."""
    stopped: Withheld | None = None
    """Why it was not driven to its end: it came to an effect that is not recorded; None: nothing was withheld."""


class Replaying(Generic[C, D]):
    """The part of a runner that drives stored runs again."""

    definition: Definition
    _driver: Driver
    _results: Results[C]
    _new_id: Callable[[], str]

    @overload
    async def replay_run(
        self: Replaying[C, None],
        run_id: str,
        *,
        at: int = ...,
        was: AnyMachine | None = ...,
        effects: bool = ...,
        new_id: str | None = ...,
    ) -> Replay[C]: ...

    @overload
    async def replay_run(
        self,
        run_id: str,
        *,
        at: int = ...,
        was: AnyMachine | None = ...,
        effects: bool = ...,
        new_id: str | None = ...,
        deps: D,
    ) -> Replay[C]: ...

    async def replay_run(
        self,
        run_id: str,
        *,
        at: int = 1,
        was: AnyMachine | None = None,
        effects: bool = False,
        new_id: str | None = None,
        deps: Any = None,
    ) -> Replay[C]:
        """Drive a stored run again, on this runner's models and its version of the machine, and compare the two.

        A fork is made and driven at once; the run itself stays as it is. Models are asked for real, and humans again.
        Code and tools are not begun: what the run has recorded of them is given to the fork. Where it comes to code or
        a tool that was given something else, driving stops, unless it may have `effects`. A function that asks a model
        by itself is code: where its reply is recorded, its model is not asked.

        Its calls cost what this runner's models cost, those before the cut too.

        Args:
            run_id: of a run that this runner's store knows.
            at: how many of its inputs the fork begins with, from 1: its start alone.
            was: the machine that it was run on, if this runner has another version: it goes the same way in both, up
                to the cut.
            effects: whether code and tools may begin of which nothing is recorded.
            new_id: names the fork; None: random.
            deps: live objects for agents, as for `run`.

        Raises ForkError: if it cannot be cut there.
        Raises StartError: if the store does not know it, or it was run on another version of the machine that is not
            given, or which it does not continue in; or a run of these models cannot start within its limits; or this
            runner was drained.
        Raises Drifted: if the run folds to something else than when it was stored.
        Raises StoreError: if there is a run of the new id.
        Raises as `resume` does, else.
        """
        given.check_deps(self.definition, deps)
        given.check_run_id(run_id)
        driver, name = self._driver, self._new_id() if new_id is None else new_id
        given.check_new_id("new_id", name)
        driver.driven.check_begins(name)  # else a fork would be left that nobody drives
        then, journal = await _stored(checked(driver.store), driver.compiled, run_id, was)
        await made(driver, *_begun(driver, then, journal, at), at=at, run_id=name, effects=effects)
        result, stopped = await self._driven(name, deps, then, effects=effects)
        now = start.compiled_for(driver.compiled, result.journal[0])
        compared = difference(went(then, journal), went(now, result.journal))
        return Replay(result=result, difference=compared, stopped=stopped)

    async def _driven(
        self, run_id: str, deps: Any, was: CompiledMachine, *, effects: bool
    ) -> tuple[RunResult[C], Withheld | None]:
        """Drive a fork until it ends, waits, or comes to what it must not begin."""
        try:
            run = await going_on.resume(self._driver, run_id, deps, effects=effects, was=(was,))
        except Withheld as stopped:
            journal = await loaded(checked(self._driver.store), run_id)
            return self._results.folded(start.compiled_for(self._driver.compiled, journal[0]), journal), stopped
        return self._results.of(run), None


class _Run(NamedTuple):
    """The beginning of a run, or all of it, and what folds it."""

    compiled: CompiledMachine
    journal: tuple[Input, ...]


async def _stored(store: Store, ours: CompiledMachine, run_id: str, was: AnyMachine | None) -> _Run:
    """Return a stored run, which folds to where it was stored."""
    run = await known(store, run_id)
    compiled = _then(ours, run.journal, was)
    folded(compiled, run.journal, run.row.head)
    return _Run(compiled, run.journal)


def _then(ours: CompiledMachine, journal: tuple[Input, ...], was: AnyMachine | None) -> CompiledMachine:
    """Return the machine that a run was run on, with its limits, prices and shares.

    Raises StartError: if it is neither ours nor the one that is given.
    """
    first = beginning(journal)
    known = [ours.definition, *([] if was is None else [definition_of(was, "replay_run")])]
    for definition in known:
        if definition.digest == first.digest:
            return compiled_as(definition, first)
    digests = dict.fromkeys(repr(definition.digest[:12]) for definition in known)
    raise StartError(
        f"run {first.run_id!r} was run on digest {first.digest[:12]!r}, and {ours.definition.name} is "
        f"{' or '.join(digests)}: give the version that it was run on, by "
        "was=Machine, or as MODULE with --machine for this one"
    )


def _begun(driver: Driver, then: CompiledMachine, journal: tuple[Input, ...], at: int) -> _Run:
    """Return the beginning of a run on the version and the prices of a driver.

    Raises StartError: if it does not go the same way there, or could not start.
    """
    ours, kept = driver.compiled.definition, journal[: max(at, 1)]
    run_id = beginning(journal).run_id
    if then.definition.digest != ours.digest:
        from ..proof.versions.judge import judge  # noqa: PLC0415 - loads the explorer, and is wanted by few

        judged = judge(then, driver.compiled, kept)
        if judged.verdict != "continues":
            raise StartError(
                f"run {run_id!r} does not go the same way in this version of {ours.name} up to input {at}: "
                f"{judged.why}. Cut it earlier, such as after input 1"
            )
        kept = rebound_all(ours, kept)
    first = beginning(kept)
    compiled = start.compiled(ours, first.limits, driver.cast.all_models(), None)
    terms = compiled.terms
    begun = (replace(first, prices=dict(terms.prices), shares=dict(terms.shares)), *kept[1:])
    if (elsewhere := _elsewhere(fold(then, journal[: len(kept)]), compiled, begun)) is not None:
        earlier = ". Cut it earlier, such as after input 1" if len(kept) > 1 else ""
        raise StartError(
            f"run {run_id!r} does not go the same way at the prices of these models up to input {len(kept)}: "
            f"{elsewhere}{earlier}"
        )
    return _Run(compiled, begun)


def _elsewhere(one: Configuration, compiled: CompiledMachine, journal: Sequence[Input]) -> str | None:
    """Return where a journal leads at other prices, if that is not where it led at its own."""
    try:
        other = fold(compiled, journal)
    except StepError as error:  # such as a call that comes after the run has landed
        return str(error)
    if (one.state, one.hops, one.status) == (other.state, other.hops, other.status):
        return None
    return f"it stands in {other.state!r} then, and not in {one.state!r}"
