"""The trail of a run: what the machines of its tree have written, and how far policies of the new version are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...define.changes import journaled, validated
from ...define.context import Context
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.used import use_name
from ...errors import ContextError
from ...kernel.configuration import Configuration
from ...kernel.engine import judged
from ...kernel.records import HandedOff, Record
from ...kernel.renames import NO_RENAMES, Renames
from ...kernel.requests import RunPart
from ..explore.automata import BROKEN, Automaton, automaton
from ..explore.uses import begun


class Passed(NamedTuple):
    """What has come of one machine of the tree so far."""

    written: frozenset[str] = frozenset()
    """The fields that its agents have written."""
    at: tuple[int, ...] = ()
    """The state of each policy's automaton, in their order."""


Trail = Mapping[str, Passed]
"""Of each machine that runs, by its run id."""


class Tracker:
    """Follows the old version of a run, with the policies of the new one.

    Args:
        definition: the new version.
    """

    def __init__(self, definition: Definition, renames: Renames = NO_RENAMES) -> None:
        self._new, self._renames = definition, renames
        self._automata: dict[int, tuple[Automaton, ...]] = {}

    def after(self, trail: Trail, before: Configuration | None, now: Configuration, records: Sequence[Record]) -> Trail:
        """Return the trail after a step of the old version."""
        return dict(self._levels(trail, before, now, self._new, records, self._renames))

    def broken(self, trail: Trail, now: Configuration) -> Policy | None:
        """Return a policy of the new version that a machine of the tree has broken for good; None if there is none."""
        for run_id, definition in _living(now, self._new, self._renames):
            for each, at in zip(self._of(definition), trail[run_id].at, strict=True):
                if at == BROKEN:
                    return each.policy
        return None

    def _of(self, definition: Definition) -> tuple[Automaton, ...]:
        # by identity: two of one digest may ask guards of other bodies
        if id(definition) not in self._automata:
            self._automata[id(definition)] = tuple(map(automaton, definition.policies))
        return self._automata[id(definition)]

    def _levels(
        self,
        trail: Trail,
        before: Configuration | None,
        now: Configuration,
        new: Definition,
        records: Sequence[Record],
        renames: Renames,
    ) -> Iterator[tuple[str, Passed]]:
        passed = trail.get(now.run_id)
        yield now.run_id, self._moved(passed, before, now, new, records, renames)
        for number, child, inside in _parts(now, new, renames):
            was = _before(before, now, number)
            yield from self._levels(trail, was, child, inside, records, NO_RENAMES)

    def _moved(
        self,
        passed: Passed | None,
        before: Configuration | None,
        now: Configuration,
        new: Definition,
        records: Sequence[Record],
        renames: Renames,
    ) -> Passed:
        # A machine that lives on has taken one hop at most: a second in the same step would have been its landing.
        automata, state = self._of(new), renames.state(now.state)
        context: list[Context | None] = []

        def holds(guard: Guard[Any]) -> bool:
            if not context:
                context.append(as_read_by(new, now.context))
            # what cannot be read by the new version is told before any policy of it
            return context[0] is not None and judged(guard, context[0]).holds

        if passed is None:
            passed = Passed(at=tuple([each.start(state, holds) for each in automata]))
        for tool in begun(before, now) if automata else ():
            used = use_name(state, tool)
            moved = zip(automata, passed.at, strict=True)
            passed = passed._replace(at=tuple([each.use(at, used, holds) for each, at in moved]))
        for record in records:
            if isinstance(record, HandedOff) and record.stamp.run_id == now.run_id and now.visit is not None:
                taken = renames.handoff(record.handoff)
                moved = zip(automata, passed.at, strict=True)
                at = tuple([each.hop(at, taken, state, holds) for each, at in moved])
                passed = Passed(passed.written.union(record.written), at)
        return passed


def _before(before: Configuration | None, now: Configuration, number: int) -> Configuration | None:
    """Return where a machine inside stood before a step; None if it had not begun."""
    if before is None or before.visit is None or before.hops != now.hops:
        return None
    ask = before.visit.asks.get(number)
    return None if ask is None else ask.child


def as_read_by(new: Definition, context: Context) -> Context | None:
    """Return a context as another version reads it: fields that it does not have are left out; None if it cannot be."""
    try:
        return validated(new.context, fields_for(new, context))
    except ContextError:
        return None


def fields_for(new: Definition, context: Context) -> dict[str, Any]:
    """Return the fields of a context that another version has too, as a journal holds them.

    Raises ContextError: if one cannot be written.
    """
    known = new.context.__pydantic_fields__
    return journaled(context, [name for name in type(context).__pydantic_fields__ if name in known])


def _parts(now: Configuration, new: Definition, renames: Renames) -> Iterator[tuple[int, Configuration, Definition]]:
    """Yield each machine that runs in the visit, by the number of its ask, with what it is in the new version."""
    state = new.states.get(renames.state(now.state))
    if state is None or now.visit is None or now.visit.round is None:
        return
    parts = {part.name: part.definition for part in state.spec.parts}
    for number in now.visit.round.numbers:
        ask = now.visit.asks[number]
        if ask.child is not None and isinstance(ask.request, RunPart) and ask.request.part in parts:
            yield number, ask.child, parts[ask.request.part]


def _living(now: Configuration, new: Definition, renames: Renames) -> Iterator[tuple[str, Definition]]:
    yield now.run_id, new
    for _, child, inside in _parts(now, new, renames):
        yield from _living(child, inside, NO_RENAMES)
