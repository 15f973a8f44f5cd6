"""A fork: the journal of a new run, made of the beginning of another's, with its last reply changed.

Nothing is stored here, and nobody acts. What the parent had paid up to the cut is in the fork's ledger, by its fold,
and in no account: a fork is of no thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..agents.base import Reply
from ..define.context import FieldRef
from ..define.states import Handoff
from ..define.wording import number_of, quoted
from ..errors import ForkError, WrongType
from ..kernel import inputs, records
from ..kernel.begin import beginning
from ..kernel.configuration import Configuration
from ..kernel.due import due
from ..kernel.effects import AskHuman
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.legal import menu
from ..kernel.step import fold
from ..kernel.tree import Level, levels
from ..store.values import Origin
from .cuts import Walk, cuts
from .outcome import replied

_NEAR = 5
"""How many cuts a message names."""


class Edits(NamedTuple):
    """What is changed in the last reply of a fork's journal."""

    handoff: Handoff | str | None = None
    """Instead of the one that it proposed; None: that one."""
    sets: Mapping[Any, Any] = {}
    """Values by field, or by its name; fields that are not named keep theirs."""

    @property
    def told(self) -> tuple[str, ...]:
        """What is changed, without a value."""
        handoff = self.handoff.name if isinstance(self.handoff, Handoff) else self.handoff
        fields = sorted(key.name if isinstance(key, FieldRef) else key for key in self.sets)
        return (*([] if handoff is None else [f"handoff={handoff}"]), *(f"set.{name}" for name in fields))


NO_EDITS = Edits()


class Fork(NamedTuple):
    """A run that is made of another."""

    run_id: str
    origin: Origin
    journal: tuple[Input, ...]
    now: Configuration
    """Where it stands."""


def fork(
    compiled: CompiledMachine,
    parent: Sequence[Input],
    *,
    at: int,
    edits: Edits,
    run_id: str,
    effects: bool,
    now_s: float,
) -> Fork:
    """Return the fork of a run.

    Args:
        compiled: what the parent was started on.
        parent: its journal, which folds.
        at: how many inputs of it are kept, from 1; the edits are of the last of them.
        run_id: names the fork.
        effects: whether it may do again what has an effect and no recorded reply.
        now_s: seconds of the epoch, from which its open questions have all their time.

    Raises ForkError: if it cannot be cut there, has ended there, or the edits are not what may happen there.
    """
    first = beginning(parent)
    where = _Parent(compiled, first.run_id, parent)
    if not 1 <= at <= len(parent):
        raise where.error(f"has {number_of(len(parent), 'input')}, so there is no place after input {at}", at)
    # a fork is of no conversation: it takes from no account, and no next run follows it unasked
    start = replace(first, run_id=run_id, thread_id=None, trace_id=None, trace_parent=None)
    walk, kept = Walk(compiled), list[Input]()
    for event in (start, *parent[1 : at - 1]) if at > 1 else ():
        kept.append(_renamed(event, walk, first.run_id))
        walk.take(kept[-1])
    last = start if at == 1 else _renamed(parent[at - 1], walk, first.run_id)
    if edits.told:
        kept.append(_edited(last, walk, edits, where, at))
        _take(kept[-1], walk, where, at)
    else:
        kept.append(last)
        walk.take(last)
    if why := next(walk.open(), None):
        raise where.error(f"cannot be cut after input {at}: {why}", at)
    if walk.now.status == "finished" and not edits.told:
        raise where.error(f"has ended after input {at}, in {walk.now.state!r}: nothing is left to drive", at)
    journal = _asked_anew(compiled, walk.now, kept, now_s)
    origin = Origin(first.run_id, at, edits.told, effects)
    return Fork(run_id, origin, journal, fold(compiled, journal))


class _Parent(NamedTuple):
    """What is forked."""

    compiled: CompiledMachine
    run_id: str
    journal: Sequence[Input]

    def error(self, why: str, at: int, *, of_replies: bool = False) -> ForkError:
        """Return why it cannot be forked, with the nearest places where it can be.

        Args:
            of_replies: name those where a reply is changed.
        """
        found = [cut for cut in cuts(self.compiled, self.journal) if (cut.is_reply if of_replies else not cut.is_end)]
        places = [cut.at for cut in found]
        near = sorted(sorted(places, key=lambda place: abs(place - at))[:_NEAR])
        named = ", ".join(f"{cut.at} ({cut.state})" for cut in found if cut.at in near)
        what = "a reply can be changed" if of_replies else "it can be cut"
        told = f"{what} after input {named}{' and others' * (len(places) > _NEAR)}" if named else f"nowhere {what}"
        return ForkError(f"run {self.run_id!r} {why}. Nothing was stored; {told}", places)


def _renamed(event: Input, walk: Walk, parent: str) -> Input:
    """Return an input as the fork has it: the answer of a tool bears its key, which begins with the id of the run."""
    level = walk.level_of(event) if isinstance(event, inputs.Answered) else None
    if not isinstance(event, inputs.Answered) or level is None:
        return event
    key = level.now.key_of(event.ask)
    is_tools = event.id == parent + key.removeprefix(walk.now.run_id)
    return replace(event, id=key) if is_tools else event


def _edited(last: Input, walk: Walk, edits: Edits, where: _Parent, at: int) -> inputs.Replied:
    """Return the last input with its edits.

    Raises ForkError: if it is no reply, or a human's, or the edits name what is not of its machine.
    """
    level = walk.level_of(last)
    if not isinstance(last, inputs.Replied) or level is None:
        raise where.error(f"has no reply at input {at}, but {last.kind!r}: edits change a reply", at, of_replies=True)
    state = level.compiled.definition.states[level.now.state]
    if not walk.is_reply(last):
        raise where.error(
            f"has a human's answer at input {at}, of {state.name!r}, and no edit speaks for a human: cut before the "
            "answer, and the question is asked again",
            at,
        )
    handoff = last.handoff if edits.handoff is None else edits.handoff
    if isinstance(handoff, Handoff) and handoff not in state.handoffs:
        raise where.error(f"does not take {handoff.name!r} at input {at}, {_legal(level)}", at, of_replies=True)
    context = level.compiled.definition.context
    for key in edits.sets:
        if isinstance(key, FieldRef) and not issubclass(context, key.owner):
            raise where.error(
                f"has a {context.__name__} at input {at}, of which {key!r} is no field", at, of_replies=True
            )
    named = {key.name if isinstance(key, FieldRef) else key: value for key, value in edits.sets.items()}
    reply = Reply(handoff=handoff, changes={**last.changes, **named}, messages=last.messages)
    try:
        return replied(level.now.context, state, reply, at=last.at, path=last.path)
    except WrongType as error:
        raise where.error(f"cannot take these edits: {error}", at, of_replies=True) from None


def _take(edited: Input, walk: Walk, where: _Parent, at: int) -> None:
    """Take an edited reply.

    A refusal, a failure or a landing that an edit leads to is told, and not stored: whoever asks for a handoff wants it
    taken, and a model that was refused what it never said would be asked to mend it.

    Raises ForkError: if the kernel does not take it.
    """
    level = walk.level_of(edited)
    for record in walk.take(edited).records:
        if isinstance(record, records.Refused | records.AttemptFailed | records.Landed):
            legal = "" if level is None else f", {_legal(level)}"
            raise where.error(
                f"does not take these edits at input {at}: {record.reason}, {record.detail}{legal}", at, of_replies=True
            )


def _legal(level: Level) -> str:
    """Return what is legal where a machine stands, in words."""
    drawn = menu(level.compiled, level.now)
    is_open = quoted(handoff.name for handoff, against in drawn if against is None)
    shut = [f"{handoff.name!r} is not: {against.detail}" for handoff, against in drawn if against is not None]
    return "; ".join([f"where {level.now.state!r} may take {is_open or 'nothing'}", *shut])


def _asked_anew(
    compiled: CompiledMachine, now: Configuration, journal: Sequence[Input], now_s: float
) -> tuple[Input, ...]:
    """Return a journal whose open questions have all their time from now on: they are the fork's, not the parent's."""
    asked = list(journal)
    for path in {effect.path for effect in due(now) if isinstance(effect, AskHuman)}:
        level = levels(compiled, now, path)[-1]
        expires_s = level.compiled.definition.states[level.now.state].expires_s
        place = max(n for n, event in enumerate(asked) if isinstance(event, inputs.Asked) and event.path == path)
        event = asked[place]
        if isinstance(event, inputs.Asked) and event.expires_at is not None and expires_s is not None:
            asked[place] = replace(event, expires_at=now_s + expires_s)
    return tuple(asked)
