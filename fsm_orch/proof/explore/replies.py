"""The replies of agents, as far as they make a difference: what they write, and which handoff they propose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import prod

from ...kernel import inputs
from ...kernel.engine import CompiledMachine, CompiledState
from ...kernel.inputs import Input
from .abstract import Abstraction
from .domain import combined

UNDECLARED = "no_such_handoff"
MAX_CACHED = 256
"""The most combinations of written values for which the replies of a state are kept; more are made again each time."""


class Replies:
    """The source of replies: every combination of the values that guards distinguish, with every declared handoff.

    Args:
        compiled: the machine whose runs are explored.
        abstraction: the abstraction that it was compiled from.
        is_whole: whether to reply with no handoff too, and with one that is not declared.
        is_tame: whether code proposes none, so that the first whose guard holds is taken.
    """

    def __init__(
        self, compiled: CompiledMachine, abstraction: Abstraction, *, is_whole: bool, is_tame: bool = False
    ) -> None:
        self._states = compiled.states
        self._distinguished = abstraction.distinguished
        self._placeholders = abstraction.placeholders
        self._is_whole, self._is_tame = is_whole, is_tame
        # The same inputs are handed out again, and not equal copies: the tree knows an input by its identity.
        self._listed = lru_cache(maxsize=None)(lambda name: tuple(self._made(name)))

    def of(self, name: str) -> Iterable[Input]:
        """Return the replies of a state's agent; they may be made one at a time, since there may be very many."""
        written = self._states[name].spec.written_names
        writings = prod(len(values) for field, values in self._distinguished.items() if field in written)
        return self._listed(name) if writings <= MAX_CACHED else self._made(name)

    def _made(self, name: str) -> Iterator[Input]:
        state = self._states[name]
        written = state.spec.written_names
        opaque = {field: value for field, value in self._placeholders.items() if field in written}
        distinguished = {field: values for field, values in self._distinguished.items() if field in written}
        changes: dict[str, object] = {}
        for values in combined(distinguished):
            changes = {**opaque, **values}
            for handoff in self._proposed(state):
                yield inputs.Replied(handoff=handoff, changes=changes, at=0.0)
        if self._is_whole:  # once is enough: it is refused for its handoff, whatever it writes
            yield inputs.Replied(handoff=UNDECLARED, changes=changes, at=0.0)

    def _proposed(self, state: CompiledState) -> Iterator[str | None]:
        if self._is_tame and not state.spec.proposes:
            yield None
            return
        yield from (handoff.name for handoff in state.exits)
        if self._is_whole:
            yield None
