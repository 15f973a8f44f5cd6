"""Both versions of a machine on one abstract context: the explorer plays the old one, and each input is the new one's.

The context has the fields of both. Guards of both are asked by one oracle, so that one that stands in both answers once
for both. What a guard of the new version alone answers, where it reads what is not known, is played both ways.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from ...define.context import Context
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.states import NONE_OF_THESE, Handoff
from ...define.subject import Atom
from ...errors import StepError
from ...kernel.begin import started
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine, GuardAnswer
from ...kernel.inputs import CallReserved, Input, Replied, Started
from ...kernel.rebinding import rebound, shares_kept
from ...kernel.renames import Renames
from ...kernel.step import step
from ...kernel.terms import read_shares
from ...limits import Limits
from ..explore.adversary import Adversary, FullAdversary
from ..explore.automata import guards
from ..explore.domain import leaves_of
from ..explore.oracle import LeafAnswer
from ..explore.play import Play, Position, Successor
from ..explore.reality import RUN_ID
from ..explore.summary import summaries
from ..explore.uses import Spoken
from .alike import difference
from .contexts import joined
from .owed import why_not_due
from .same_guard import aliases, under


class Both(NamedTuple):
    """What an input led to in both versions."""

    moved: Successor
    """In the old one, with the policies of the new one beside it."""
    now: Configuration | None
    """In the new one; None where it is elsewhere, or was before."""
    why: str | None
    """Why it is elsewhere; None where it is not, or was before."""
    held: str | None
    """Why it would not go on from here, though it is in the same place; None if it would."""
    is_assumed: bool
    """Whether that depends on a guard of the new version alone, which reads what is not known."""


class Joint:
    """Two versions of a machine, to be explored together.

    Args:
        limits: of runs in the old version.
        new_limits: of the same runs in the new one.
    """

    def __init__(
        self, old: CompiledMachine, new: Definition, renames: Renames, limits: Limits, new_limits: Limits
    ) -> None:
        definition = old.definition
        self._renames = renames
        self._asked: dict[Guard[Any], Guard[Any]] = {}
        asked = leaves_of(guards(new, new.policies))
        # one that is the same in both is asked once, so it answers the same in both
        known = leaves_of((*guards(definition, ()), *guards(definition, definition.policies)))
        self.alias = aliases(known, asked, (definition.context, new.context))
        context = joined(definition.context, new.context)
        # also those that the old version asks: it may have asked them for the last time where the new one still does
        homes = {self.alias.get(leaf, leaf): context if leaf in self.alias else new.context for leaf in asked}
        self._only_new = frozenset(homes).difference(self.alias.values())
        explored = dataclasses.replace(definition, context=context)
        policies = tuple(_asking(policy, self.alias) for policy in new.policies)
        self.play = _Both(explored, limits, old.prices, policies, renames, homes, _new_calls(definition, new, renames))
        self.old = self.play.compiled
        self.new = self._compiled(new, new_limits)

    def _compiled(self, new: Definition, limits: Limits) -> CompiledMachine:
        kept = self._renames.placed(self.old.prices)
        prices = {name: kept[name] for name in new.states if name in kept}
        shares = shares_kept(new, self._renames.placed(read_shares(self.old.terms.shares)), prices)
        return CompiledMachine(
            dataclasses.replace(new, context=self.play.abstraction.context_type, policies=()),
            limits=limits,
            prices=prices,
            oracle=self._answer,
            shares=shares,
            parts=summaries(new, shares),
        )

    def _answer(self, handoff: Handoff, context: Context) -> GuardAnswer:
        if handoff.guard is None:
            return GuardAnswer(holds=True)
        return self.play.oracle.answer(self._known_as(handoff.guard), handoff, context)

    def _known_as(self, guard: Guard[Any]) -> Guard[Any]:
        # the oracle remembers answers by the guard itself
        return self._asked.setdefault(guard, under(guard, self.alias))

    def take(self, position: Position | None, now: Configuration | None, event: Input) -> Iterator[Both]:
        """Take an input in both versions; yield every result that opaque guards allow.

        Args:
            position: where the run stands in the old version; None: it begins.
            now: where it stands in the new one, in the same place; None: elsewhere, or it begins.
        """
        is_followed = position is None or now is not None
        read = None if not is_followed else self._read(event)
        for (moved, new), answered in self.play.take_both(position, event, lambda: self._step(now, read)):
            after, why = new
            held, was = None, moved.position.now
            if after is not None:
                found = difference(was, after, self._renames)
                why, held = (
                    (str(found), None) if found else (None, why_not_due(self.old, was, self.new, after, self._renames))
                )
                # one object, by which the oracle knows the context that a step begins with
                after = None if found else replace(after, context=was.context)
            yield Both(moved, after, why, held, self._is_assumed(answered))

    def _read(self, event: Input) -> Input:
        if isinstance(event, Started):
            state = None if event.state is None else self._renames.state(event.state)
            return started(self.new, event.context, run_id=RUN_ID, state=state)
        return rebound(self.new.definition, event, self._renames)

    def _step(self, now: Configuration | None, read: Input | None) -> tuple[Configuration | None, str | None]:
        if read is None:
            return None, None
        try:
            return step(self.new, now, read).configuration, None
        except StepError as error:
            return None, str(error)

    def _is_assumed(self, answered: Iterable[LeafAnswer]) -> bool:
        return any(each.leaf in self._only_new for each in (*answered, *self.play.oracle.recalled))


class _Both(Play):
    """The play of the old version, which takes the new one along."""

    def __init__(
        self,
        definition: Definition,
        limits: Limits,
        prices: Mapping[str, Any],
        policies: tuple[Policy, ...],
        renames: Renames,
        homes: Mapping[Guard[Any], type[Context]],
        calls: Mapping[str, CallReserved],
    ) -> None:
        super().__init__(definition, limits, prices, policies, also=homes)
        self._spoken = {name: tuple(tool.name for tool in s.spec.tools) for name, s in definition.states.items()}
        self.adversary: Adversary = _Everything(self.compiled, self, self._spoken, calls)
        was = {new_name: name for names in (renames.states, renames.handoffs) for name, new_name in names.items()}
        self.automata = tuple(
            each._replace(subject=_under(each.subject, was), other=_under(each.other, was)) for each in self.automata
        )

    def take_both(self, position: Position | None, event: Input, other: Any) -> Iterator[Any]:
        """Take a step with something else beside it; yield every result that the opaque guards allow."""
        before, written = position and position.now.context, event.changes if isinstance(event, Replied) else ()
        return self.oracle.paths(
            before, self._memory(position), written, lambda: (self._take(position, event, is_checked=False), other())
        )


def _new_calls(old: Definition, new: Definition, renames: Renames) -> dict[str, CallReserved]:
    """Return, by state of the old version, the largest call of the new one, where that allows more, or more of them."""
    found = dict[str, CallReserved]()
    for name, state in old.states.items():
        other = new.states.get(renames.state(name))
        if other is None or not other.spec.calls:
            continue
        mine, theirs = state.spec.call_limits, other.spec.call_limits
        if other.spec.calls > state.spec.calls or (
            theirs.max_input_tokens > mine.max_input_tokens or theirs.max_output_tokens > mine.max_output_tokens
        ):
            found[name] = CallReserved(
                call=1, input_tokens=theirs.max_input_tokens, output_tokens=theirs.max_output_tokens, at=0.0
            )
    return found


def _asking(policy: Policy, alias: Mapping[Guard[Any], Guard[Any]]) -> Policy:
    """Return a policy that asks guards of the old version in the place of those that answer alike."""

    def known(atoms: tuple[Atom, ...]) -> tuple[Atom, ...]:
        return tuple([under(atom, alias) if isinstance(atom, Guard) else atom for atom in atoms])

    return dataclasses.replace(policy, subject=known(policy.subject), other=known(policy.other))


def _under(side: Any, was: Mapping[str, str]) -> Any:
    """Return one side of a policy under old names."""
    return side._replace(names=frozenset(_old_name(name, was) for name in side.names))


def _old_name(name: str, was: Mapping[str, str]) -> str:
    state, dot, use = name.partition(".")  # the use of a tool is named by its state
    return f"{was.get(state, state)}{dot}{use}"


class _Everything:
    """The full adversary, with every tool by itself, and with whoever takes none of the handoffs.

    What was spent is not told apart: see `doubts`.

    Args:
        calls: by state, a call that the old version denies and the new one may admit.
    """

    def __init__(
        self, compiled: CompiledMachine, play: Play, spoken: Spoken, calls: Mapping[str, CallReserved]
    ) -> None:
        self._full: Adversary = FullAdversary(compiled, play.abstraction, lambda _: False, spoken)
        self._calls = calls
        self._none = Replied(handoff=NONE_OF_THESE, at=0.0)

    def moves(self, now: Configuration) -> Iterable[Input]:
        """Return every input that may come in a configuration that has not finished."""
        visit = now.visit
        assert visit is not None
        yield from self._full.moves(now)
        if visit.round is None and not visit.open:
            yield self._none
            if visit.denied is None and (call := self._calls.get(now.state)) is not None:
                yield replace(call, call=visit.calls + 1)

    def stage(self, now: Configuration) -> Any:
        """Return what its next moves depend on, or what they lead to."""
        return self._full.stage(now)
