"""Cuts: where a journal can be cut, so that another run goes on from there and pays for nothing again.

At a cut nothing is open but what humans are asked, at every level of the tree of machines: no call, no use of a tool,
and no attempt that has paid for a call and not replied. A model's response is in no journal before its agent's reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import StepError
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.course import Step
from ..kernel.due import due
from ..kernel.effects import AskHuman, UseTool
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.step import step
from ..kernel.tree import Level, levels, machine_at


class Cut(NamedTuple):
    """A place in a journal where it can be cut."""

    at: int
    """How many inputs come before it."""
    state: str
    """Where the run stands there."""
    hops: int
    """How many it has taken."""
    is_reply: bool
    """Whether the last input before it is a reply that a fork may change: an agent's, and no human's."""
    is_end: bool
    """Whether the run has ended there."""


class Walk:
    """A journal folded input by input, and what is open after each."""

    def __init__(self, compiled: CompiledMachine) -> None:
        self._compiled = compiled
        self._now: Configuration | None = None
        self._paid: set[tuple[str, int]] = set()
        """The attempts that have paid for a call, by the key of their visit and their number."""

    @property
    def now(self) -> Configuration:
        """Where the run stands.

        Raises StepError: if no input was taken.
        """
        if self._now is None:
            raise StepError("the journal is empty: it begins with 'started'")
        return self._now

    def take(self, event: Input) -> Step:
        """Take the next input.

        Raises StepError: if it does not fit.
        """
        if isinstance(event, inputs.CallSettled):
            place = machine_at(self.now, event.path)
            if place is not None and place.visit is not None:
                self._paid.add((place.key, place.visit.attempt))
        stepped = step(self._compiled, self._now, event)
        self._now = stepped.configuration
        return stepped

    def level_of(self, event: Input) -> Level | None:
        """Return the machine that an input is for, before it is taken; None if that is gone, or not begun."""
        if self._now is None:
            return None
        found = levels(self._compiled, self._now, event.path)
        return found[-1] if len(found) == len(event.path) + 1 else None

    def is_reply(self, event: Input) -> bool:
        """Return whether an input is a reply of an agent that is no human, before it is taken."""
        level = self.level_of(event) if isinstance(event, inputs.Replied) else None
        return level is not None and level.compiled.states[level.now.state].spec.kind != "human"

    def open(self) -> Iterator[str]:
        """Yield what keeps this place from being a cut, in words."""
        for effect in due(self.now):
            if isinstance(effect, AskHuman):
                continue
            place = machine_at(self.now, effect.path)
            assert place is not None  # what is due is in the tree
            assert place.visit is not None
            if isinstance(effect, UseTool):
                yield f"request {effect.ask} of {effect.state!r} is open"
            elif place.visit.open:
                yield f"a call of {effect.state!r} is open"
            elif (place.key, effect.attempt) in self._paid:
                yield f"{effect.state!r} has paid for a call, and its reply comes later"


def cuts(compiled: CompiledMachine, journal: Sequence[Input]) -> tuple[Cut, ...]:
    """Return where a journal can be cut, in its order.

    Raises StepError: if it does not fold.
    """
    return tuple([cut for _, cut in walked(compiled, journal) if cut is not None])


def walked(compiled: CompiledMachine, journal: Sequence[Input]) -> Iterator[tuple[Step, Cut | None]]:
    """Yield, for each input of a journal, its step, and the cut after it if there is one.

    Raises StepError: if it does not fold.
    """
    walk = Walk(compiled)
    for at, event in enumerate(journal, start=1):
        is_reply = walk.is_reply(event)
        stepped = walk.take(event)
        now, is_open = stepped.configuration, next(walk.open(), None) is not None
        yield stepped, None if is_open else Cut(at, now.state, now.hops, is_reply, now.status == "finished")
