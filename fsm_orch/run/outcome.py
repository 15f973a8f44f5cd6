"""The outcome of an attempt, as an input of the kernel."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path

from ..agents.base import Reply
from ..define.agent_spec import AgentSpec
from ..define.changes import changed, journaled
from ..errors import CallDenied, ContextError, FsmError
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.inputs import Input
from ..kernel.reasons import Refusal
from .writer import Run


class TooLate(Exception):
    """The visit's time was over before its agent had finished, or before it had begun; says which."""


def outcome(run: Run, result: object) -> Input:
    """Return what an attempt came to, as an input.

    Args:
        result: the agent's reply, or whatever else it returned or raised.
    """
    at = run.elapsed()
    if isinstance(result, Reply):
        return replied(run.now, run.compiled.states[run.now.state].spec, result, at)
    if isinstance(result, TooLate):
        return inputs.Failed(reason="timeout", detail=str(result), at=at)
    if isinstance(result, asyncio.CancelledError):
        return inputs.Failed(reason="error", detail="the agent cancelled itself", at=at)
    if not isinstance(result, BaseException):
        result = TypeError(f"an agent returns a Reply, not {type(result).__name__}")
    run.error = result  # beside the journal, since its text may hold anything: for whoever called, and for nobody else
    if isinstance(result, CallDenied):
        return inputs.Failed(reason="denied", detail=str(result), at=at)
    return inputs.Failed(reason="error", detail=_describe(result), at=at)


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
            changes = journaled(changed(now.context, changes), changes)
        except ContextError as error:
            changes, refusal = {}, Refusal("wrong_type", str(error))
    return inputs.Replied(handoff=reply.handoff_name, changes=changes, messages=reply.messages, refusal=refusal, at=at)


def _describe(error: BaseException) -> str:
    """Return an error's name and place, and its message only if it is our own."""
    # any other message may hold secrets, and this goes into the journal and into logs
    if isinstance(error, FsmError):
        return f"{type(error).__name__}: {error}"
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
    return f"{type(error).__name__}{place}"
