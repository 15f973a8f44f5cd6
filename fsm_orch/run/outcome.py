"""The outcome of an attempt, as an input of the kernel."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ..agents.base import Agent, Reply
from ..define.agent_spec import AgentSpec
from ..define.changes import journaled_changes
from ..errors import CallDenied, ContextError, StepError, WrongType, is_failure
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.inputs import Input
from ..kernel.reasons import Refusal
from ..observe.telling import report
from .failure import described, traced
from .writer import Run

_OUTCOME_UNKNOWN = "the visit's time was over; what its agent had begun has an unknown outcome"


class TooLate(Exception):
    """The visit's time was over before its agent had finished."""


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
    try:
        run.fold(_outcome(run, agent, result))
    except BaseException as error:
        run.error = error
        if isinstance(error, StepError) or not is_failure(error):
            raise
        # what an agent returns is a user's object: any method of it may raise, and then the attempt has failed
        run.fold(_failed(run, agent, error))


def _outcome(run: Run, agent: Agent, result: object) -> Input:
    if isinstance(result, Raised):
        return _failed(run, agent, result.error)
    if isinstance(result, TooLate):
        return inputs.Failed(reason="timeout", detail=_OUTCOME_UNKNOWN, at=run.elapsed())
    if isinstance(result, Reply):
        return replied(run.now, run.compiled.states[run.now.state].spec, result, run.elapsed())
    return _failed(run, agent, WrongType(f"an agent returns a Reply, not {type(result).__name__}"))


def _failed(run: Run, agent: Agent, error: BaseException) -> inputs.Failed:
    """Return an attempt that raised as an input, and log where."""
    run.error = error  # beside the journal, since its text may hold anything: for whoever called, and for nobody else
    now, detail = run.now, described(error, agent)
    if isinstance(error, asyncio.CancelledError):
        detail += ": the agent cancelled itself"
    if isinstance(error, CallDenied):
        return inputs.Failed(reason="denied", detail=detail, at=run.elapsed())
    attempt = now.visit.attempt if now.visit else 0
    report("run %s: attempt %d in %r failed: %s\n%s", now.run_id, attempt, now.state, detail, traced(error))
    return inputs.Failed(reason="error", detail=detail, at=run.elapsed())


def replied(now: Configuration, spec: AgentSpec, reply: Reply, at: float) -> inputs.Replied:
    """Return a reply as the journal holds it. Values that the kernel would refuse are left out, with the reason.

    Args:
        spec: of the agent that replies.
        at: active seconds of the run.
    """
    changes, refusal = reply.changes_by_name, reply.refusal
    if not changes.keys() <= spec.written_names:
        changes = dict.fromkeys(changes)  # the names alone, for which the kernel refuses it
    elif changes and refusal is None:
        # as JSON already now: the live run folds the very values that a resumed one will read back
        try:
            changes = journaled_changes(now.context, changes)
        except ContextError as error:
            changes, refusal = {}, Refusal("wrong_type", str(error))
    return inputs.Replied(handoff=reply.handoff_name, changes=changes, messages=reply.messages, refusal=refusal, at=at)
