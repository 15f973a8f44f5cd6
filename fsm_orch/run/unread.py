"""Whether a stored run can go on without what was redacted in it: nothing of that may be read any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from msgspec import UNSET

from ..define.changes import values_of
from ..define.definition import Definition
from ..define.graph import reachable
from ..define.guards import Guard
from ..define.states import State
from ..errors import StartError
from ..kernel.configuration import Ask, Configuration, VisitLog
from ..kernel.engine import CompiledMachine
from ..messages import REDACTED, Message


def check_unread(compiled: CompiledMachine, now: Configuration) -> None:
    """Check that no agent, tool, human or guard that a stored run may still come to reads what was redacted.

    Of a field it is asked which states declare to read it, and which guards may, wherever the run may go from where it
    stands: a run that was rebound has other ones than it began with. A visit in which something was said that is not
    stored cannot go on.

    Raises StartError: if something does; names it, and what can be done.
    """
    if (read := read_of_redacted(compiled, now)) is not None:
        raise StartError(
            f"run {now.run_id!r} cannot go on: it stands in {now.state!r}, and {read}, which was redacted when it was "
            f"stored. Nothing has changed. Land it, by `await store.ask_cancel({now.run_id!r})` and then resume; runs "
            "that must go on are kept under a codec: SqlStore(url, codec=...)"
        )


def read_of_redacted(compiled: CompiledMachine, now: Configuration) -> str | None:
    """Return what is still to be read of what was redacted, and by whom; None if nothing is."""
    return next(_read(compiled, now), None)


def _read(compiled: CompiledMachine, now: Configuration) -> Iterator[str]:
    """Yield what is read of what was redacted."""
    if now.visit is None:
        return
    definition = compiled.definition
    if _is_lost(now.visit):
        yield f"its agent ({definition.states[now.state].spec.where}) reads what was said in its visit"
    lost = {name for name, value in values_of(now.context).items() if value == REDACTED}
    is_silent = not any(map(_is_redacted, now.messages))
    for state in _to_come(definition, now.state):
        for name in sorted(lost & state.spec.read_names):
            yield f"{state.name!r} ({state.spec.where}) reads {definition.context.__name__}.{name}"
        for handoff in state.handoffs if lost else ():
            yield from _by_guard(definition, f"a guard of {handoff.name!r}", handoff.guard, lost)
        if not is_silent and state.spec.kind in ("llm", "code"):
            yield f"{state.name!r} ({state.spec.where}) may read the messages"
    for policy in definition.policies if lost else ():
        for guard in policy.guards:
            yield from _by_guard(definition, "a guard of a policy", guard, lost)
    for ask in now.visit.asks.values():
        if ask.child is not None:
            yield from _read(compiled.parts[now.state][ask.request.part].compiled, ask.child)  # type: ignore[union-attr]


def _by_guard(definition: Definition, whose: str, guard: Guard[Any] | None, lost: Collection[str]) -> Iterator[str]:
    """Yield which of some fields a guard may read: where fields are redacted none does, but for a version to come."""
    from ..proof.explore.domain import leaves_of  # noqa: PLC0415 - where nothing is redacted no prover is needed
    from ..proof.explore.reads import may_read  # noqa: PLC0415

    context = definition.context
    for leaf in leaves_of((guard,)):
        for name in sorted({*lost} & {*may_read(leaf, context)}):
            yield f"{whose}, {leaf!r} ({leaf.where}), may read {context.__name__}.{name}"


def _to_come(definition: Definition, state: str) -> Iterator[State]:
    """Yield the states that a run may still be in, from the one in which it stands, as they are declared."""
    reached = reachable(definition.successors, (state,))
    yield from [each for name, each in definition.states.items() if name in reached]


def _is_lost(visit: VisitLog) -> bool:
    """Return whether something was said in a visit that is not stored."""
    return any(refusal.detail == REDACTED for refusal in visit.refusals) or any(map(_has_lost, visit.asks.values()))


def _has_lost(ask: Ask) -> bool:
    arguments = getattr(ask.request, "arguments", {})
    return REDACTED in (ask.value if isinstance(ask.value, str) else None, *arguments)


def _is_redacted(said: Message) -> bool:
    return said.content == REDACTED or (said.fields is not UNSET and REDACTED in said.content)
