"""The adversary: everything that agents, models and callers may do to a run, as far as it makes a difference.

In a visit it reserves calls one after another, each at its maximum. A call uses all of that; where the ledger could
notice the difference, also nothing. It replies with every declared handoff, with none, and with one that is not
declared, and writes every combination of the values that guards distinguish. It fails for every reason, pauses where
the agent may, lets the deadline pass, and cancels.

Four things are left out because they lead where others lead already. A reply that cannot be read is refused as an
undeclared handoff is. A reply that is late ends as a timeout does. A call that is released, or is open when its attempt
ends, ends as a settled one does. A call that uses more than it has reserved, whether that is known in time or late,
lands the run as a cancellation does; what it is charged beyond its cap is for no proof to bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from math import prod
from typing import get_args

from ...amounts import Usage
from ...define.states import State
from ...kernel import inputs
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...kernel.reasons import FailureReason
from .abstract import Abstraction
from .domain import combined

UNDECLARED = "no_such_handoff"
MAX_CACHED_REPLIES = 256
"""The most combinations of written values for which the replies of a state are kept; more are made again each time."""


class Adversary:
    """The source of every input that may come next.

    Args:
        compiled: the machine whose runs are explored.
        abstraction: the abstraction that it was compiled from.
    """

    def __init__(self, compiled: CompiledMachine, abstraction: Abstraction) -> None:
        self._machine = compiled
        self._distinguished = abstraction.distinguished
        self._placeholders = abstraction.placeholders
        # The same inputs are handed out again, and not equal copies: the tree knows an input by its identity.
        self._cached_moves = lru_cache(maxsize=None)(self._list)
        self._cached_replies = lru_cache(maxsize=None)(self._listed)

    def moves(self, now: Configuration, *, is_tight: bool) -> Iterable[Input]:
        """Return every input that may come in a configuration that has not finished.

        Args:
            is_tight: whether what calls use makes a difference to the rest of the run.

        Returns:
            the inputs, replies first. They may be made one at a time, since there is a reply for every combination of
            the values written.
        """
        assert now.visit is not None
        visit, spec = now.visit, self._machine.definition.states[now.state].spec
        can_call = visit.calls < spec.calls and visit.denied is None
        stage = "waiting" if now.status == "waiting" else "open" if visit.open else "free"
        moves = self._cached_moves(now.state, stage, visit.calls, can_call, visit.pauses < spec.pauses, is_tight)
        return chain(self._replied(now.state), moves) if stage == "free" else moves

    def _replied(self, name: str) -> Iterable[Input]:
        written = self._machine.definition.states[name].spec.written_names
        writings = prod(len(values) for field, values in self._distinguished.items() if field in written)
        return self._cached_replies(name) if writings <= MAX_CACHED_REPLIES else self._replies(name)

    def _listed(self, name: str) -> tuple[Input, ...]:
        return tuple(self._replies(name))

    def _list(
        self, name: str, stage: str, calls: int, can_call: bool, can_pause: bool, is_tight: bool
    ) -> tuple[Input, ...]:
        state = self._machine.definition.states[name]
        found: list[Input] = []
        if stage == "waiting":
            found.append(inputs.Resumed(answer=None, at=0.0))
        elif stage == "open":
            found += self._settlements(state, calls, is_tight)
        else:
            found += [inputs.Failed(reason=reason, at=0.0) for reason in get_args(FailureReason)]
            # One input at the deadline is enough: a reply or a failure lands the run then, whatever it says.
            found.append(inputs.Failed(reason="timeout", at=self._machine.limits.deadline_s))
            if can_pause:
                found.append(inputs.Paused(question="?", at=0.0))
            if can_call:
                caps = state.spec.call_limits
                found.append(
                    inputs.CallReserved(
                        call=calls + 1,
                        input_tokens=caps.max_input_tokens,
                        output_tokens=caps.max_output_tokens,
                        at=0.0,
                    )
                )
        found.append(inputs.Cancelled(at=0.0))
        return tuple(found)

    def _settlements(self, state: State, call: int, is_tight: bool) -> Iterator[Input]:
        caps = state.spec.call_limits
        most = Usage(requests=1, input_tokens=caps.max_input_tokens, output_tokens=caps.max_output_tokens)
        # Where the ledger can deny nothing any more, what a call uses changes the totals alone, and the largest use
        # gives the largest totals. Where it can, a call that uses nothing leaves the most to later calls, so whatever
        # can be reached is reached by it. Uses in between could only matter for totals: see `Exploration.max_tokens`.
        yield inputs.CallSettled(call=call, usage=most, at=0.0)
        if is_tight:
            yield inputs.CallSettled(call=call, usage=Usage(requests=1), at=0.0)

    def _replies(self, name: str) -> Iterator[Input]:
        written = self._machine.definition.states[name].spec.written_names
        opaque = {field: value for field, value in self._placeholders.items() if field in written}
        distinguished = {field: values for field, values in self._distinguished.items() if field in written}
        changes: dict[str, object] = {}
        for values in combined(distinguished):
            changes = {**opaque, **values}
            for handoff in self._machine.states[name].exits:
                yield inputs.Replied(handoff=handoff.name, changes=changes, at=0.0)
            yield inputs.Replied(changes=changes, at=0.0)
        # Once is enough: it is refused for its handoff, whatever it writes.
        yield inputs.Replied(handoff=UNDECLARED, changes=changes, at=0.0)
