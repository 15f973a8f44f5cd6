"""The outcome of an attempt or of the use of a tool, as an input of the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from msgspec.structs import replace

from ..agents.base import Agent, Reply, Round
from ..define.changes import journaled_changes
from ..define.context import Context, FieldRef
from ..define.states import Handoff, State
from ..errors import CallDenied, ContextError, PartFailed, StepError, WrongType, is_failure
from ..kernel import inputs
from ..kernel.codec import input_from_json, to_json
from ..kernel.configuration import Configuration
from ..kernel.effects import Path
from ..kernel.engine import CompiledState
from ..kernel.inputs import Input
from ..kernel.reasons import Refusal
from ..kernel.requests import AskHuman, UseTool
from ..kernel.tagged import NO_TIME
from ..messages import Message
from ..reported import report
from .desk import AttemptDesk
from .failure import described, is_our_text, traced
from .raised import Raised
from .writer import Run

E = TypeVar("E", inputs.Replied, inputs.Asked, inputs.Answered)


class TooLate(Exception):
    """The visit's time was over before its agent had finished, or before it had begun; says which."""


def take(
    run: Run, desk: AttemptDesk, now: Configuration, agent: Agent, result: object, wall: Callable[[], float]
) -> None:
    """Fold what an attempt came to.

    Args:
        desk: of the attempt, which is still due.
        now: where its machine stands.
        agent: made it.
        result: the agent's reply or round, or whatever else it returned; or `Raised`, or `TooLate`.
        wall: seconds of the epoch.

    Raises BaseException: what is no failure of the user's own code, from a guard, a validator or a method of the reply.
    """
    # what an agent returns is a user's object: any method of it may raise, and then the attempt has failed
    try:
        event = _outcome(run, desk, now, agent, result, wall)
    except BaseException as error:
        event = _failed(run, desk, agent, error)
    try:
        run.fold(event)
    except BaseException as error:
        run.error = error
        if issubclass(type(error), StepError):  # our mistake: nobody else's code raises one in a step
            raise
        run.fold(_failed(run, desk, agent, error))


def check(run: Run, result: object) -> None:
    """Check that what a piece of work came to is for its agent, and does not end the run.

    Raises BaseException: what the store raised, or what is no failure of the user's own code.
    """
    if run.lost is not None:  # whatever the agent made of it
        raise run.lost
    # `type`, not `isinstance`, which asks an object of the agent's for its class, and may be raised anything
    if type(result) is Raised and not is_failure(result.error):
        run.error = result.error
        raise result.error


def late(run: Run, desk: AttemptDesk, why: TooLate) -> inputs.Failed:
    """Return what took too long as an input, for the outermost machine whose visit has no time left."""
    return inputs.Failed(reason="timeout", detail=str(why), at=run.elapsed(), path=desk.overdue())


def _outcome(
    run: Run, desk: AttemptDesk, now: Configuration, agent: Agent, result: object, wall: Callable[[], float]
) -> Input:
    if isinstance(result, Reply):
        return replied(now.context, desk.own.state, result, at=run.elapsed(), path=desk.path, waited_s=desk.wait())
    if isinstance(result, Round):
        return _asked(run, desk, result, wall)
    if isinstance(result, Raised):
        return _failed(run, desk, agent, result.error)
    if isinstance(result, TooLate):
        return late(run, desk, result)
    return _failed(run, desk, agent, WrongType(f"an agent returns a Reply or a Round, not {type(result).__name__}"))


def _asked(run: Run, desk: AttemptDesk, asked: Round, wall: Callable[[], float]) -> inputs.Asked:
    """Return a round as the journal holds it.

    Raises WrongType: if it cannot be written, or is read as another.
    """
    own = desk.own
    needs_human = any(_needs_human(own, request) for request in asked.requests)
    expires_s = own.state.expires_s
    event = inputs.Asked(
        requests=asked.requests,
        need=asked.need,
        is_race=asked.is_race,
        expires_at=wall() + expires_s if needs_human and expires_s is not None else None,
        at=run.elapsed(),
        path=desk.path,
    )
    # always: its requests hold mappings that are the agent's own, and may be changed by it
    return read_back(event, f"the round of {own.name!r}, whose agent is at {own.spec.where},")


def _needs_human(own: CompiledState, request: object) -> bool:
    if isinstance(request, UseTool):
        return request.name in own.tools and own.tools[request.name].approval
    return isinstance(request, AskHuman)


def _failed(run: Run, desk: AttemptDesk, agent: Agent, error: BaseException) -> inputs.Failed:
    """Return an attempt that raised as an input, and log where.

    Raises BaseException: the error itself, if it is no failure of the user's own code.
    """
    run.error = error  # beside the journal, since its text may hold anything: for whoever called, and for nobody else
    if not is_failure(error):
        raise error
    at, path = run.elapsed(), desk.path
    # of our own raising it is no mistake of anybody's: it says which machine, and where that ended
    if type(error) is PartFailed and is_our_text(error):
        return inputs.Failed(reason="error", detail=str(error), at=at, path=path)
    detail = described(error, agent)
    if issubclass(type(error), asyncio.CancelledError):
        detail += ": the agent cancelled itself"
    if issubclass(type(error), CallDenied):
        return inputs.Failed(reason="denied", detail=detail, at=at, path=path)
    now = desk.place
    attempt = now.visit.attempt if now and now.visit else 0
    report("run %s: attempt %d in %r failed: %s\n%s", run.now.run_id, attempt, desk.own.name, detail, traced(error))
    return inputs.Failed(reason="error", detail=detail, at=at, path=path)


def replied(
    context: Context, state: State, reply: Reply, *, at: float, path: Path = (), waited_s: float = NO_TIME
) -> inputs.Replied:
    """Return a reply as the journal holds it. Values that the kernel would refuse are left out, with the reason.

    Args:
        context: that of the visit.
        state: whose agent replies.
        at: active seconds of the run.
        path: the machine in the tree.
        waited_s: how long its attempt had waited at a gate, as far as no call has said so.

    Raises WrongType: if a part of it is not what it should be, which no reply of a model can bring about.
    """
    # by identity, not by name: the journal holds the name alone, and another machine's handoff may bear the same one
    if isinstance(reply.handoff, Handoff) and reply.handoff not in state.handoffs:
        ours = ", ".join(own.name for own in state.exits)
        raise WrongType(f"{reply.handoff!r} does not leave {state.name!r}: return one of {ours}")
    changes, refusal = _by_name(context, state, reply) if reply.changes else {}, reply.refusal
    said = tuple([_signed(message, state.name) for message in reply.messages]) if reply.messages else ()
    is_declared = changes.keys() <= state.spec.written_names
    if not is_declared:
        changes = dict.fromkeys(changes)  # the names alone, for which the kernel refuses it
    elif changes:
        # as JSON already now: the live run folds the very values that a resumed one will read back
        try:
            changes = journaled_changes(context, changes, told=state.spec.proposes)
        except ContextError as error:
            changes, refusal = {}, Refusal("wrong_type", str(error)) if refusal is None else refusal
    name = reply.handoff_name
    event = inputs.Replied(
        handoff=name, changes=changes, messages=said, refusal=refusal, waited_s=waited_s, at=at, path=path
    )
    # most replies hold nothing that can fail to be journaled, and are not written to find out
    is_plain = is_declared and said == () and refusal is None and (name is None or _is_ascii(name))
    return event if is_plain else read_back(event, _whose(state))


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


def _is_ascii(name: object) -> bool:
    return type(name) is str and name.isascii()


def read_back(event: E, whose: str) -> E:
    """Return an input as it is read back from a journal.

    Args:
        whose: says in a message what it is.

    Raises WrongType: if it cannot be written, or is read as another. The kernel would take it, and no resumed run.
    """
    with suppress(Exception):  # of a text that is not Unicode, an object of the user's own, a role that there is not
        read = input_from_json(to_json(event))
        if isinstance(read, type(event)):
            return read
    # raised here, and not from what came: that may hold the text which could not be written
    raise WrongType(f"{whose} gives what a journal cannot hold: give plain names, texts and messages")


def _whose(state: State) -> str:
    return f"the reply of {state.name!r}, whose agent is at {state.spec.where},"
