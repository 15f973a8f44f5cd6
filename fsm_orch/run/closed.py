"""What stood against the exits of a state, where a run was landed because none of them was legal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ..define.states import Handoff
from ..define.watched import watched
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.legal import Objection, menu
from ..kernel.records import GuardRaised, Landed, Record, VisitStarted


def why_closed(compiled: CompiledMachine, now: Configuration, records: Sequence[Record]) -> tuple[str, ...]:
    """Return why each exit was closed as far as it is known, such as "'yes' since its guard does not hold".

    Nothing is returned of a run that was not landed for it. A landing changes no visits and no gates. It has freed what
    was reserved, so what could not be paid even then could not before; and it may have set fields, so nothing is said
    of a guard that reads them.

    Args:
        compiled: the machine, with the limits of the run.
        now: where the run stands.
        records: all of the run.
    """
    if now.landing not in ("no_handoff", "shut"):
        return ()
    own = [record for record in records if not record.stamp.path]
    landed = next(record for record in own if isinstance(record, Landed))
    return tuple(_told(compiled, now, landed, own))


def _told(compiled: CompiledMachine, now: Configuration, landed: Landed, own: Sequence[Record]) -> Iterator[str]:
    entered = next(at for at in reversed(range(len(own))) if isinstance(own[at], VisitStarted))
    raised = {each.handoff: each.detail for each in own[entered:] if isinstance(each, GuardRaised)}
    for name, error in raised.items():
        yield f"{name!r} since its guard raised {error}"
    # what code has written is gone with its reply, but a guard that reads such a field counts as open before it
    before = replace(now, state=landed.source, hops=now.hops - 1, status="running")
    for handoff, against in menu(compiled, before):
        if against is not None and handoff.name not in raised and _is_known(compiled, before, handoff, against):
            yield f"{handoff.name!r} since {'its guard does not hold' if against.reason == 'guard' else against.detail}"


def _is_known(compiled: CompiledMachine, before: Configuration, handoff: Handoff, against: Objection) -> bool:
    if against.reason != "guard":
        return True
    reads: set[str] = set()
    compiled.holds(handoff, watched(before.context, reads.add))
    return not reads & {ref.name for ref in compiled.definition.fallback.sets}
