"""The adversary: everything the world may do to a run, as far as it makes a difference.

In a visit it reserves a call at its maximum, one after another; a call uses all of that, or nothing where the ledger
may tell the difference (releasing it is the same). It replies with every declared handoff, with none and with one that
is not declared, writing every combination of finite values; it fails for every reason, pauses where the agent may,
lets the deadline pass, and cancels. Replies that cannot be read are refused as an undeclared handoff is; a reply that
is late, and a call that is still open when an attempt ends, lead to what a timeout and a settled call lead to.
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
FEW = 256
"""Writings of one state that are kept for its next visit; more are listed anew, to bound memory."""


class Adversary:
    """Lists what the world may do next.

    Args:
        machine: whose runs.
        abstraction: what it was compiled of.
    """

    def __init__(self, compiled: CompiledMachine, abstraction: Abstraction) -> None:
        self._machine = compiled
        self._told_apart = abstraction.distinguished
        self._placeholders = abstraction.placeholders
        self._moves = lru_cache(maxsize=None)(self._list)
        self._few = lru_cache(maxsize=None)(self._listed)

    def moves(self, now: Configuration, *, is_tight: bool) -> Iterable[Input]:
        """List every input that may come in a configuration that has not finished.

        Args:
            is_tight: whether it matters what calls use.

        Returns:
            the inputs, one at a time: replies grow by the power of the fields that they write.
        """
        assert now.visit is not None
        visit, spec = now.visit, self._machine.definition.states[now.state].spec
        can_call = visit.calls < spec.calls and not visit.is_denied
        stage = "waiting" if now.status == "waiting" else "open" if visit.open else "free"
        moves = self._moves(now.state, stage, visit.calls, can_call, visit.pauses < spec.pauses, is_tight)
        return chain(self._replied(now.state), moves) if stage == "free" else moves

    def _replied(self, name: str) -> Iterable[Input]:
        written = self._machine.definition.states[name].spec.written_names
        writings = prod(len(values) for field, values in self._told_apart.items() if field in written)
        return self._few(name) if writings <= FEW else self._replies(name)

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
        yield inputs.CallSettled(call=call, usage=most, at=0.0)
        if is_tight:
            yield inputs.CallSettled(call=call, usage=Usage(requests=1), at=0.0)

    def _replies(self, name: str) -> Iterator[Input]:
        written = self._machine.definition.states[name].spec.written_names
        hidden = {field: value for field, value in self._placeholders.items() if field in written}
        distinguished = {field: values for field, values in self._told_apart.items() if field in written}
        changes: dict[str, object] = {}
        for values in combined(distinguished):
            changes = {**hidden, **values}
            for handoff in self._machine.exits[name]:
                yield inputs.Replied(handoff=handoff.name, changes=changes, at=0.0)
            yield inputs.Replied(changes=changes, at=0.0)
        yield inputs.Replied(handoff=UNDECLARED, changes=changes, at=0.0)
