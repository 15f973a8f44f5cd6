"""What a run follows: a stored run names the run before it, and holds no copy of what was said.

Else each run of a conversation would store all of it again. What was said is told by the journals of the runs before,
which are folded when the run goes on; a run that follows one which its store does not have keeps a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from msgspec.structs import replace

from ..errors import Drifted, StartError, StepError
from ..kernel.begin import beginning
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..kernel.step import fold_recorded
from ..messages import Message
from ..store.base import Store
from ..store.rebound import as_followed
from ..store.values import Rebound
from .conversation import added_to, asked
from .loading import loaded
from .rebound import rebindings
from .start import compiled_for


class Begun(NamedTuple):
    """How a run begins."""

    first: Started
    """As it is stored."""
    heard: tuple[Message, ...] = ()
    """What was said before it, besides what is in that."""


class _Told(NamedTuple):
    """What a journal tells of a conversation."""

    first: Started
    said: tuple[Message, ...]
    """What was said in its run, with what it holds of before."""

    @property
    def heard_after(self) -> int:
        """How many messages were said up to its end, in the runs before it too."""
        return self.first.heard + len(self.said)


async def named(store: Store | None, compiled: CompiledMachine, first: Started) -> Begun:
    """Return how a run begins that was given a conversation: without a copy of it, if its store can tell it again.

    Raises what the store raises.
    """
    if store is None or first.after is None or not first.messages:
        return Begun(first)
    journal = await loaded(store, first.after)
    try:
        before = _told(compiled, journal)
    except StepError:  # it is not kept there, or was another machine's: nobody could fold it later
        return Begun(first)
    if before.heard_after != len(first.messages) or before.said != first.messages[before.first.heard :]:
        return Begun(first)
    return Begun(replace(first, messages=(), heard=before.heard_after), first.messages)


async def heard(
    store: Store, compiled: CompiledMachine, first: Input, *, is_needed: bool
) -> tuple[Message, ...] | None:
    """Return what was said before a stored run; None if nobody can tell any more.

    Args:
        is_needed: whether somebody is still to hear it.

    Raises as `heard_before` does.
    """
    if not isinstance(first, Started):  # the fold says so
        return ()
    try:
        return await heard_before(store, compiled, first)
    except StartError:
        if is_needed:
            raise
        return None


async def heard_before(
    store: Store, compiled: CompiledMachine, first: Started, rebound: Sequence[Rebound] | None = None
) -> tuple[Message, ...]:
    """Return what was said before a run that is stored, besides what is in its journal.

    Args:
        rebound: to what the run was rebound; None: what the store says.

    Raises StartError: if a run before it is forgotten.
    Raises Drifted: if it said something else when it was run.
    Raises StepError: if it was another machine's.
    Raises what the store raises.
    """
    parts, after, count = list[tuple[Message, ...]](), first.after, first.heard
    if count and rebound is None:
        rebound = await rebindings(store, first.run_id)
    while count and after is not None:
        journal = as_followed(await loaded(store, after), rebound or ())
        if not journal:
            raise StartError(
                f"run {first.run_id!r} goes on with what was said in run {after!r}, which this store has forgotten: "
                f"keep the runs of a conversation as long as it goes on. await runner.cancel({first.run_id!r}) lands it"
            )
        before = _told(compiled, journal)
        if before.heard_after != count:
            raise Drifted(
                f"run {first.run_id!r} goes on with {count} messages that were said up to run {after!r}, whose journal "
                f"folds to {before.heard_after}: a guard or other code has changed since. Resume it with the "
                "code that it was run with"
            )
        parts.append(before.said)
        after, count = before.first.after, before.first.heard
    return tuple(chain.from_iterable(reversed(parts)))


def _told(compiled: CompiledMachine, journal: tuple[Input, ...]) -> _Told:
    """Return what the journal of a run that has ended tells of a conversation.

    Raises StepError: if the journal is empty, not of this machine, or of a run that has not ended.
    """
    now, records = fold_recorded(compiled_for(compiled, journal[0] if journal else None), journal)
    if now.status != "finished":
        raise StepError(f"run {now.run_id} has not ended")
    definition = compiled.definition
    final, words = definition.finals[now.state], asked(definition)
    return _Told(beginning(journal), added_to(journal, now.context, now.messages, records, final, words))
