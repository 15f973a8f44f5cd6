"""The lineage of a fork: what the runs that it comes from have recorded, its parent first, as far as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ..errors import StepError, Withheld
from ..kernel.begin import beginning, compiled_as
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.rebinding import rebound_all
from ..kernel.step import fold
from ..store.base import Store
from ..store.rebound import as_followed, since
from ..store.values import Head, Listed, Rebound
from .head import head_of
from .loading import Seen, seen
from .recorded import Given, Outcome, Recorded, recorded
from .start import compiled_for


class Lineage(NamedTuple):
    """What is known of the runs that a fork comes from."""

    runs: tuple[Recorded, ...]
    """What each of them has recorded, its parent first."""
    lost: str | None = None
    """The first of them that did more than is known of: it is forgotten, or cannot be read; None: none did."""

    def outcome(self, given: Given, number: int) -> Outcome | None:
        """Return what an effect came to in the nearest of the runs that knows it; None if none does.

        Args:
            number: how often the same was given before, as for `Recorded.outcome`.
        """
        found = (each.outcome(given, number) for each in self.runs)
        return next((outcome for outcome in found if outcome is not None), None)

    def withheld(self, fork: str, effects: Sequence[Given]) -> Withheld:
        """Return the error of a fork that stands at effects of which nothing is recorded; it names the first.

        Args:
            fork: its id.
            effects: what they would be given; not empty.
        """
        first, *others = effects
        return Withheld(fork, first.place, tool=first.tool, fields=first.fields, others=len(others), lost=self.lost)


async def lineage(store: Store, machines: Sequence[CompiledMachine], fork: Listed) -> Lineage:
    """Return what is recorded in the runs that a fork comes from.

    Args:
        machines: that of the fork first, then other versions that its runs may have been made on.
        fork: as the store lists it.

    Raises what the store raises.
    """
    return recorded_by(machines, fork, await ancestors(store, fork))


async def ancestors(store: Store, fork: Listed) -> tuple[Seen, ...]:
    """Return the runs that a fork comes from, its parent first, up to one that is forgotten.

    Raises what the store raises.
    """
    found, ids, child = list[Seen](), {fork.run_id}, fork
    while child.origin is not None:
        run = await seen(store, child.origin.parent)
        # a run that began after its fork is another one, which has taken the id of a run that is forgotten
        if run is None or run.row.began_at > child.began_at or child.origin.parent in ids:
            break
        found.append(run)
        ids.add(child.origin.parent)
        child = run.row
    return tuple(found)


def recorded_by(machines: Sequence[CompiledMachine], fork: Listed, runs: Sequence[Seen]) -> Lineage:
    """Return what is recorded in the runs that a fork comes from. Their journals are folded, which takes its time.

    Args:
        machines: as `lineage` takes them.
        fork: as the store lists it.
        runs: its ancestors.
    """
    found, lost = list[Recorded](), None
    child, rebound = fork, fork.rebound
    for run in runs:
        assert child.origin is not None
        known, is_all = _recorded(machines, run.journal, run.row, child.origin.at, rebound)
        found.append(known)
        lost = lost if is_all else lost or child.origin.parent
        child, rebound = run.row, (*run.row.rebound, *rebound)
    forgotten = None if child.origin is None else child.origin.parent
    return Lineage(tuple(found), lost or forgotten)


def _recorded(
    machines: Sequence[CompiledMachine], journal: tuple[Input, ...], run: Listed, cut: int, rebound: Sequence[Rebound]
) -> tuple[Recorded, bool]:
    """Return what is recorded in one of them, and whether that is all of it.

    On another version of its machine its journal says nothing once it leads elsewhere: what follows is of states in
    which that version would not have been. All before the cut is the same, or there would be no fork.

    Args:
        cut: how many of its inputs its fork began with.
        rebound: to what its fork was rebound since.
    """
    definition = machines[0].definition
    try:
        first = beginning(journal)
        for machine in machines:
            if first.digest == machine.definition.digest:
                return recorded(compiled_for(machine, first), journal), True
        read = rebound_all(definition, as_followed(journal, rebound))
        compiled = compiled_as(definition, beginning(read))
        is_all = _comes_to(compiled, read, run.head, since(first.digest, rebound))
        return recorded(compiled, read if is_all else read[:cut]), is_all
    except StepError:
        return Recorded({}), False


def _comes_to(compiled: CompiledMachine, journal: Sequence[Input], head: Head, rebound: Sequence[Rebound]) -> bool:
    for each in rebound:
        head = replace(head, state=each.renames.state(head.state))
    try:
        return head_of(compiled, fold(compiled, journal)) == head
    except StepError:
        return False
