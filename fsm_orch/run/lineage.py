"""The lineage of a fork: what the runs that it comes from have recorded, its parent first, as far as they are kept."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import StepError
from ..kernel.begin import compiled_as
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..kernel.step import fold
from ..proof.versions.rebinding import rebound_all
from ..store.base import Store
from ..store.values import Head, Origin
from .head import head_of
from .loading import seen
from .recorded import Recorded, recorded
from .start import compiled_for

_NOTHING = Recorded({})


async def lineage(store: Store, machines: Sequence[CompiledMachine], origin: Origin | None) -> tuple[Recorded, ...]:
    """Return what is recorded in the runs that a fork comes from.

    Args:
        machines: that of the fork first, then other versions that its runs may have been made on.
        origin: of the fork.

    Raises what the store raises.
    """
    found: list[Recorded] = []
    while origin is not None and (run := await seen(store, origin.parent)) is not None:
        found.append(_recorded(machines, run.journal, run.row.head, origin.at))
        origin = run.row.origin
    return tuple(found)


def _recorded(machines: Sequence[CompiledMachine], journal: tuple[Input, ...], head: Head, cut: int) -> Recorded:
    """Return what is recorded in one of them.

    On another version of its machine its journal says nothing once it leads elsewhere: what follows is of states in
    which that version would not have been. All before the cut is the same, or there would be no fork.
    """
    first = journal[0]
    assert isinstance(first, Started)  # it was stored
    for machine in machines:
        if first.digest == machine.definition.digest:
            return recorded(compiled_for(machine, first), journal)
    definition = machines[0].definition
    try:
        read = rebound_all(definition, journal)
        assert isinstance(read[0], Started)
        compiled = compiled_as(definition, read[0])
        return recorded(compiled, read if _comes_to(compiled, read, head) else read[:cut])
    except StepError:
        return _NOTHING


def _comes_to(compiled: CompiledMachine, journal: Sequence[Input], head: Head) -> bool:
    try:
        return head_of(compiled, fold(compiled, journal)) == head
    except StepError:
        return False
