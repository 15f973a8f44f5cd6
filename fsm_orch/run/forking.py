"""What a runner does to go back in a run: it says where the run can be cut, and makes another of its beginning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

from msgspec.structs import replace

from ..define.context import field_refs
from ..define.machine import C, D
from ..define.states import Handoff
from ..define.wording import kind_of
from ..errors import ContextError, ForkError, StoreError
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Asked, Input
from ..kernel.step import fold
from ..store.base import Store
from ..store.values import UNCLAIMED
from . import given, start
from .cuts import Cut, cuts
from .driver import Driver
from .fork import NO_EDITS, Edits, Fork, fork
from .head import folded, head_of
from .loading import asked, checked, known, seen
from .redaction import Redaction
from .unread import read_of_redacted


class Forking(Generic[C, D]):
    """The part of a runner that forks stored runs."""

    _driver: Driver
    _new_id: Callable[[], str]

    async def cuts(self, run_id: str) -> tuple[Cut, ...]:
        """Return where a stored run can be cut to be forked, in the order of its journal.

        Nothing is open at a cut but what humans are asked, in machines inside too, so that a fork from there pays for
        nothing again. The run is not claimed, and may be under way.

        Raises as `fork` does.
        """
        return cuts(*await _parent(self._driver, run_id))

    async def fork(
        self,
        run_id: str,
        *,
        at: int,
        handoff: Handoff | None = None,
        sets: Mapping[Any, Any] | None = None,
        new_id: str | None = None,
        effects: bool = False,
    ) -> str:
        """Make a run that begins as another did, and store it; return its id. It is not driven until it is resumed.

            runner.fork(run_id, at=4, handoff=Support.to_tech, sets={Ticket.notes: "..."})

        Its journal is the first `at` inputs of the other, the last of them changed if edits are given. So it stands
        where that run stood then, with what had been spent by then; nothing of that is paid again, and it takes from no
        thread. No worker drives it: `resume` does, as often as it waits or is interrupted. The run that is forked is
        not claimed, and does not change. A question that is open at the cut is asked again, with all its time.

        Args:
            run_id: of a run that this runner's store knows; it may be under way, wait, or have ended.
            at: how many of its inputs are kept; `cuts` says where it can be cut.
            handoff: what the agent whose reply is the last input proposes instead.
            sets: what it writes instead, by field. What it does not name stays, and so does what was said in messages.
            new_id: names the fork; random by default. The same fork again, until it is resumed, changes nothing.
            effects: whether the fork may do again what has an effect and no recorded reply. It does not once it is
                unknown what is recorded, since a run that it comes from is forgotten: then `resume` is asked anew.

        Raises ForkError: if it cannot be cut there, has ended there, or the edits are not legal there; says what is,
            and where it can be cut.
        Raises StartError: if the store does not know the run, there is no store, or `new_id` is no text.
        Raises StepError: if it was started on another machine or kernel.
        Raises Drifted: if its journal folds to something else than when it was stored.
        Raises TypeError: if `at` is no number, `handoff` no handoff, or a key of `sets` no field.
        Raises StoreError: if another run has the id, or the store fails.
        """
        edits, name = _edits(at, handoff, sets), self._new_id() if new_id is None else new_id
        given.check_new_id("new_id", name)
        await made(self._driver, *await _parent(self._driver, run_id), at=at, edits=edits, run_id=name, effects=effects)
        return name


async def made(
    driver: Driver,
    compiled: CompiledMachine,
    parent: Sequence[Input],
    *,
    at: int,
    run_id: str,
    effects: bool,
    edits: Edits = NO_EDITS,
) -> None:
    """Make a fork of a run, and store it; the arguments are those of `fork`.

    Raises as `fork` and `keep` do.
    """
    found = fork(compiled, parent, at=at, edits=edits, run_id=run_id, effects=effects, now_s=driver.wall_clock())
    await keep(checked(driver.store), compiled, found, redacted=driver.redacted)


async def keep(store: Store, compiled: CompiledMachine, made: Fork, *, redacted: frozenset[str] = frozenset()) -> None:
    """Store a fork.

    Args:
        redacted: the names of the fields that the store does not keep.

    Raises ForkError: if it could not go on, since it would read what was redacted.
    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    journal, now = made.journal, made.now
    if redacted:
        journal = Redaction(compiled, redacted).stored(journal, now)
        now = fold(compiled, journal)
    if (read := read_of_redacted(compiled, now)) is not None:
        raise ForkError(
            f"this fork of run {made.origin.parent!r} could not go on: it would stand in {now.state!r}, and {read}, "
            "which was redacted when it was stored. Nothing was stored"
        )
    try:
        await asked(lambda run_id: store.fork(run_id, made.origin, journal, head_of(compiled, now)), made.run_id)
    except StoreError:
        if not await _is_kept(store, made, journal):
            raise


async def _is_kept(store: Store, made: Fork, journal: Sequence[Input]) -> bool:
    """Return whether a fork is stored that is the same but for when it was made, and that nobody has resumed."""
    kept = await seen(store, made.run_id)
    if kept is None or (kept.row.origin, kept.row.epoch) != (made.origin, UNCLAIMED):
        return False
    return [_untimed(event) for event in kept.journal] == [_untimed(event) for event in journal]


def _untimed(event: Input) -> Input:
    """Return an input without what its question was given of time, which counts from when the fork was made."""
    return replace(event, expires_at=None) if isinstance(event, Asked) else event


async def _parent(driver: Driver, run_id: str) -> tuple[CompiledMachine, tuple[Input, ...]]:
    """Return what a stored run was started on, and its journal, which folds to where it was stored."""
    given.check_run_id(run_id)
    run = await known(checked(driver.store), run_id)
    compiled = start.compiled_for(driver.compiled, run.journal[0])
    folded(compiled, run.journal, run.row.head)
    return compiled, run.journal


def _edits(at: object, handoff: object, sets: Mapping[Any, Any] | None) -> Edits:
    """Return what a user wants to have changed.

    Raises TypeError: if it is of a wrong kind.
    """
    if not isinstance(at, int) or isinstance(at, bool):
        raise TypeError(f"at= takes how many inputs are kept, not {kind_of(at)}: await runner.cuts(run_id) says where")
    if handoff is not None and not isinstance(handoff, Handoff):
        raise TypeError(f"handoff= takes a handoff, not {kind_of(handoff)}: handoff=Support.to_tech")
    if sets is not None and not isinstance(sets, Mapping):
        raise TypeError(f"sets= takes values by field, not {kind_of(sets)}: sets={{Ticket.answer: '...'}}")
    try:
        field_refs(sets or ())
    except ContextError as error:
        raise TypeError(f"sets= takes values by field: {error}") from None
    return Edits(handoff, dict(sets or {}))
