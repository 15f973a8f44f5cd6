"""The memory of a run: what is known of its opaque fields, though their values are not looked into.

Guards are pure, so the answer of a leaf stands until a field that it may read is written. And a field that nobody has
written still holds its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import State
from .domain import Outcome, leaves_of


class Memory(NamedTuple):
    """What is known of the opaque fields of a run."""

    answers: frozenset[tuple[Guard[Any], Outcome]] = frozenset()
    """What opaque leaves have answered, since the last write of a field that they may read."""
    fresh: frozenset[str] = frozenset()
    """The fields that hold their default still, since nobody has written them."""

    def answer(self, leaf: Guard[Any]) -> Outcome | None:
        """Return what a leaf has answered; None if that is not known."""
        return next((outcome for asked, outcome in self.answers if asked is leaf), None)

    def without_answers(self) -> Memory:
        """Return the memory as if no leaf had answered anything."""
        return self._replace(answers=frozenset())


NO_MEMORY = Memory()


class Remembered(NamedTuple):
    """What is worth remembering in a visit of a state: all else would only tell configurations apart."""

    leaves: frozenset[Guard[Any]]
    """The opaque leaves that may be asked again before a field that they may read is written."""
    fields: frozenset[str]
    """The fields that such a leaf may read before they are written."""


def remembered(
    definition: Definition, may_read: Mapping[Guard[Any], frozenset[str]], always: Iterable[Guard[Any]]
) -> Mapping[str, Remembered]:
    """Return what is worth remembering in each state.

    Args:
        may_read: every opaque leaf, with the fields that it may read.
        always: guards that are asked wherever a run stands, as those of policies are.
    """
    kept = frozenset(leaf for leaf in leaves_of(always) if leaf in may_read)
    nothing = Remembered(kept, frozenset(name for leaf in kept for name in may_read[leaf]))
    found: dict[str, Remembered] = {}
    onward = dict.fromkeys(definition.states, nothing)
    # What successors need is added until nothing changes. Nothing is taken away again, so this ends.
    while onward != found:
        found = onward
        onward = {name: _in_visit(may_read, found, nothing, state) for name, state in definition.states.items()}
    return found


def _in_visit(
    may_read: Mapping[Guard[Any], frozenset[str]],
    found: Mapping[str, Remembered],
    nothing: Remembered,
    state: State,
) -> Remembered:
    """Return what is worth remembering in a visit of a state, given what is in the states after it."""
    written = state.spec.written_names
    leaves, fields = set(nothing.leaves), set(nothing.fields)
    for leaf in leaves_of(handoff.guard for handoff in state.exits):
        if leaf in may_read:
            fields |= may_read[leaf]
            if may_read[leaf].isdisjoint(written):  # or its reply is asked on new values, and the menu guesses anyway
                leaves.add(leaf)
    for handoff in state.exits:
        after = found.get(handoff.target.name, nothing)
        leaves |= {leaf for leaf in after.leaves if may_read[leaf].isdisjoint(written)}
        fields |= after.fields - written
    for handoff in state.failure_edges.values():  # which leave with the context of entry
        after = found.get(handoff.target.name, nothing)
        leaves |= after.leaves
        fields |= after.fields
    return Remembered(frozenset(leaves), frozenset(fields))
