"""The outcome of an attempt, as an input of the kernel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..agents.base import Agent, Reply
from ..define.changes import journaled_changes
from ..define.context import Context, FieldRef
from ..define.states import Handoff, State
from ..errors import CallDenied, ContextError, StepError, WrongType, is_failure
from ..kernel import inputs
from ..kernel.codec import input_from_json, to_json
from ..kernel.inputs import Input
from ..kernel.reasons import Refusal
from ..messages import Message
from ..observe.telling import report
from .failure import described, traced
from .writer import Run


class TooLate(Exception):
    """The visit's time was over before its agent had finished, or before it had begun; says which."""


class Raised(NamedTuple):
    """What an agent raised, which is told from an exception that it returned."""

    error: BaseException


def take(run: Run, agent: Agent, result: object) -> None:
    """Fold what an attempt came to.

    Args:
        agent: made it.
        result: the agent's reply, or whatever else it returned; or `Raised`, or `TooLate`.

    Raises BaseException: what is no failure of the user's own code, from a guard, a validator or a method of the reply.
    """
    # what an agent returns is a user's object: any method of it may raise, and then the attempt has failed
    try:
        event = _outcome(run, agent, result)
    except BaseException as error:
        event = _failed(run, agent, error)
    try:
        run.fold(event)
    except BaseException as error:
        run.error = error
        if issubclass(type(error), StepError):  # our mistake: nobody else's code raises one in a step
            raise
        run.fold(_failed(run, agent, error))


def _outcome(run: Run, agent: Agent, result: object) -> Input:
    if isinstance(result, Reply):
        return replied(run.now.context, run.compiled.states[run.now.state].state, result, at=run.elapsed())
    if isinstance(result, Raised):
        return _failed(run, agent, result.error)
    if isinstance(result, TooLate):
        return inputs.Failed(reason="timeout", detail=str(result), at=run.elapsed())
    return _failed(run, agent, WrongType(f"an agent returns a Reply, not {type(result).__name__}"))


def _failed(run: Run, agent: Agent, error: BaseException) -> inputs.Failed:
    """Return an attempt that raised as an input, and log where.

    Raises BaseException: the error itself, if it is no failure of the user's own code.
    """
    run.error = error  # beside the journal, since its text may hold anything: for whoever called, and for nobody else
    if not is_failure(error):
        raise error
    now, detail = run.now, described(error, agent)
    if issubclass(type(error), asyncio.CancelledError):
        detail += ": the agent cancelled itself"
    if issubclass(type(error), CallDenied):
        return inputs.Failed(reason="denied", detail=detail, at=run.elapsed())
    attempt = now.visit.attempt if now.visit else 0
    report("run %s: attempt %d in %r failed: %s\n%s", now.run_id, attempt, now.state, detail, traced(error))
    return inputs.Failed(reason="error", detail=detail, at=run.elapsed())


def replied(context: Context, state: State, reply: Reply, *, at: float) -> inputs.Replied:
    """Return a reply as the journal holds it. Values that the kernel would refuse are left out, with the reason.

    Args:
        context: that of the visit.
        state: whose agent replies.
        at: active seconds of the run.

    Raises WrongType: if a part of it is not what it should be, which no reply of a model can bring about.
    """
    # by identity, not by name: the journal holds the name alone, and another machine's handoff may bear the same one
    if isinstance(reply.handoff, Handoff) and reply.handoff not in state.handoffs:
        ours = ", ".join(own.name for own in state.exits)
        raise WrongType(f"{reply.handoff!r} does not leave {state.name!r}: return one of {ours}")
    changes, refusal = _by_name(context, state, reply) if reply.changes else {}, reply.refusal
    said = tuple([_signed(message, state.name) for message in reply.messages]) if reply.messages else ()
    if not changes.keys() <= state.spec.written_names:
        changes = dict.fromkeys(changes)  # the names alone, for which the kernel refuses it
    elif changes and refusal is None:
        # as JSON already now: the live run folds the very values that a resumed one will read back
        try:
            changes = journaled_changes(context, changes, told=state.spec.proposes)
        except ContextError as error:
            changes, refusal = {}, Refusal("wrong_type", str(error))
    event = inputs.Replied(handoff=reply.handoff_name, changes=changes, messages=said, refusal=refusal, at=at)
    return event if _is_plain(event, state) else _read_back(event, state)


def _signed(message: Message, state: str) -> Message:
    """Return what an agent said, with its name, unless it wrote down somebody else's words."""
    if message.agent is not None or message.role in ("user", "system"):
        return message
    return replace(message, agent=state)


def _by_name(context: Context, state: State, reply: Reply) -> dict[str, Any]:
    """Return the changes of a reply by the names of their fields.

    Raises WrongType: if a key is no field of this context, or two name the same one.
    """
    named: dict[str, Any] = {}
    for key, value in reply.changes.items():
        if not isinstance(key, FieldRef | str):
            raise WrongType(f"{_whose(state)} writes a {type(key).__name__}: changes are keyed by fields")
        if isinstance(key, FieldRef) and not isinstance(context, key.owner):
            raise WrongType(f"{_whose(state)} writes {key!r}, which is no field of its {type(context).__name__}")
        name = key.name if isinstance(key, FieldRef) else str.__str__(key)  # not `str`: a class of a user may lie
        if name in named:
            raise WrongType(f"{_whose(state)} writes {name!r} twice: key each change by its field alone")
        named[name] = value
    return named


def _is_plain(event: inputs.Replied, state: State) -> bool:
    """Return whether nothing in a reply can fail to be journaled. Most are plain, and are not written to find out."""
    if event.messages != () or event.refusal is not None or not event.changes.keys() <= state.spec.written_names:
        return False
    return event.handoff is None or (type(event.handoff) is str and event.handoff.isascii())


def _read_back(event: inputs.Replied, state: State) -> inputs.Replied:
    """Return a reply as it is read back from a journal.

    Raises WrongType: if it cannot be written, or is read as another. The kernel would take it, and no resumed run.
    """
    with suppress(Exception):  # of a text that is not Unicode, an object of the user's own, a role that there is not
        read = input_from_json(to_json(event))
        if isinstance(read, inputs.Replied):
            return read
    # raised here, and not from what came: that may hold the text which could not be written
    raise WrongType(f"{_whose(state)} gives what a journal cannot hold: give plain names, texts and messages")


def _whose(state: State) -> str:
    return f"the reply of {state.name!r}, whose agent is at {state.spec.where},"
