"""What an attempt came to, as an input of the kernel."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path

from ..agents.base import Reply
from ..define.changes import changed, journaled
from ..errors import CallDenied, ContextError, FsmError
from ..kernel import inputs
from ..kernel.inputs import Input
from ..kernel.reasons import Refusal
from .writer import Run

_OUTCOME_UNKNOWN = "the visit's time was over; what its agent had begun has an unknown outcome"


class TooLate(Exception):
    """The visit's time was over before its agent had done."""


def outcome(run: Run, came: object) -> Input:
    """Say what an attempt came to, as an input."""
    at = run.elapsed()
    if isinstance(came, Reply):
        return _replied(run, came, at)
    if isinstance(came, TooLate):
        return inputs.Failed(reason="timeout", detail=_OUTCOME_UNKNOWN, at=at)
    if isinstance(came, asyncio.CancelledError):
        return inputs.Failed(reason="error", detail="the agent cancelled itself", at=at)
    if not isinstance(came, BaseException):
        came = TypeError(f"an agent replies with a Reply, not with {type(came).__name__}")
    run.error = came
    if isinstance(came, CallDenied):
        return inputs.Failed(reason="denied", detail=str(came), at=at)
    return inputs.Failed(reason="error", detail=_describe(came), at=at)


def _replied(run: Run, reply: Reply, at: float) -> inputs.Replied:
    """Write a reply as the journal holds it. Values that no kernel could take are left out, with their reason."""
    changes, refusal = reply.changes_by_name, reply.refusal
    declared = run.compiled.definition.states[run.now.state].spec.written_names
    if not changes.keys() <= declared:
        changes = dict.fromkeys(changes)  # it will be refused for its names
    elif changes and refusal is None:
        try:
            changes = journaled(changed(run.now.context, changes), changes)
        except ContextError as error:
            changes, refusal = {}, Refusal("wrong_type", str(error))
    return inputs.Replied(handoff=reply.handoff_name, changes=changes, messages=reply.messages, refusal=refusal, at=at)


def _describe(error: BaseException) -> str:
    """Name an error and its place: its message is shown only if it is ours, since others may hold secrets."""
    if isinstance(error, FsmError):
        return f"{type(error).__name__}: {error}"
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
    return f"{type(error).__name__}{place}"
