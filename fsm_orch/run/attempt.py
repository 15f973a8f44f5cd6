"""One attempt of an agent: a task of its own, which can be given up without giving up the run.

The desk is where it books its calls; once closed, whatever the attempt still does is refused.
"""

from __future__ import annotations

import asyncio
import contextvars
import traceback
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ..agents.base import Agent, PlainAgent, Reply, Visit
from ..amounts import Usage
from ..define.changes import changed, journaled
from ..define.states import Handoff, State
from ..define.watched import watched
from ..errors import CallDenied, ContextError, FsmError, VisitClosed
from ..kernel import effects, inputs, records
from ..kernel.inputs import Input
from ..kernel.legal import legal, next_call
from ..kernel.reasons import Refusal
from ..models.base import Model
from ..models.metered import MeteredModel
from ..resilience.retry import Retry
from .writer import Run

_OUTCOME_UNKNOWN = "the visit's time was over; what its agent had begun has an unknown outcome"
GRACE_S = 1.0
"""Seconds that a cancelled attempt has to clean up before it is abandoned."""


async def attempt(
    run: Run, effect: effects.CallAgent, agent: Agent, model: Model | None, retry: Retry | None, deps: Any
) -> None:
    """Let an agent act for as long as its visit has time, and fold what came of it."""
    with closing(AttemptDesk(run)) as desk:
        visit = _visit(run, desk, effect, _metered(run, desk, model, retry), deps)
        context = contextvars.copy_context()
        if isinstance(agent, PlainAgent):
            await asyncio.sleep(0)  # a chain of plain agents must not keep the loop to itself
            came = context.run(_on_the_spot, agent, visit)
        else:
            came = _acting(agent, visit)
        if isinstance(came, Awaitable):
            came = await _in_time(came, desk.seconds_left(), context)
    if not run.is_finished:
        run.fold(_outcome(run, came))


class _TooLate(Exception):
    """The visit's time was over before its agent had done."""


def _on_the_spot(agent: PlainAgent, visit: Visit[Any, Any]) -> object:
    """Call a plain agent; gives what it raises as a value."""
    try:
        return agent.begin(visit)
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # nothing is awaited here: all are the agent's own
        return error


async def _acting(agent: Agent, visit: Visit[Any, Any]) -> object:
    """Let an agent act, as a coroutine of ours: even one that is not async, as it should be, fails just its attempt."""
    return await agent.act(visit)


async def _in_time(acting: Awaitable[object], seconds: float, context: contextvars.Context) -> object:
    """Await an agent in a task of its own, to be given up when its time is over; gives what it raises as a value.

    Args:
        context: the one that the agent began in: what it set there, it may reset here.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    task = loop.create_task(_signalling(acting, over), context=context)
    timer = loop.call_later(seconds, _signal, over)
    try:
        await over
        is_late = not task.done()
    finally:
        timer.cancel()
        await _stop(task)
    if is_late:
        return _TooLate()
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    return task.result() if error is None else error


async def _signalling(acting: Awaitable[object], over: asyncio.Future[None]) -> object:
    """Signal as the last thing: to wait for the task itself would take one more round of the loop."""
    try:
        return await acting
    except SystemExit as error:  # it would end the event loop, and with it every other run
        return error
    finally:
        _signal(over)


def _signal(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


class AttemptDesk:
    """Where one attempt books its calls. Once closed, whatever the attempt still does is refused."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed or self._run.is_finished:
            raise VisitClosed("This visit has ended: its model takes no more calls")

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        self._check_open()
        visit = self._run.now.visit
        call = visit.calls + 1 if visit else 1
        told = self._run.fold(
            inputs.CallReserved(
                call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=self._run.elapsed()
            )
        )
        for record in told:
            if isinstance(record, records.CallRefused):
                raise CallDenied(record.reason)
        return call

    async def written(self) -> None:
        await self._run.flush()

    def settle(self, call: int, usage: Usage | None) -> None:
        self._check_open()
        self._run.fold(inputs.CallSettled(call=call, usage=usage, at=self._run.elapsed()))

    def release(self, call: int) -> None:
        self._check_open()
        self._run.fold(inputs.CallReleased(call=call, at=self._run.elapsed()))

    def legal(self) -> tuple[Handoff, ...]:
        """Draw the menu as if the next call's whole allowance were held; the first call's is held already."""
        self._check_open()
        machine, now = self._run.machine, self._run.now
        return legal(machine, now, holding=next_call(machine, now))

    def calls_left(self) -> int:
        now = self._run.now
        return self._run.machine.definition.states[now.state].spec.calls - now.visit.calls if now.visit else 0

    def seconds_left(self) -> float:
        """Tell how long until the visit's time or the run's deadline is over; 0 if one is."""
        now, limits = self._run.now, self._run.machine.limits
        if now.visit is None:
            return 0.0
        visit_s = self._run.machine.definition.states[now.state].timeout_s or limits.visit_s
        return max(0.0, min(limits.deadline_s, now.visit.since + visit_s) - self._run.elapsed())


def _metered(run: Run, desk: AttemptDesk, model: Model | None, retry: Retry | None) -> MeteredModel | None:
    if model is None:
        return None
    spec = run.machine.definition.states[run.now.state].spec
    return MeteredModel(model, desk, spec.call_limits, retry=retry)


def _visit(
    run: Run, desk: AttemptDesk, effect: effects.CallAgent, metered: MeteredModel | None, deps: Any
) -> Visit[Any, Any]:
    now, state = run.now, run.machine.definition.states[effect.state]
    return Visit(
        state=state,
        context=watched(now.context, _only(state)),
        messages=now.messages,
        deps=deps,
        key=effect.key,
        attempt=effect.attempt,
        refusals=now.visit.refusals if now.visit else (),
        seconds_left=desk.seconds_left,
        legal=desk.legal,
        metered=metered,
    )


def _only(state: State) -> Callable[[str], None]:
    """Make the reader that shows an agent the fields it declares and no others."""

    def on_read(field: str) -> None:
        if field not in state.spec.read_names:
            declared = ", ".join(sorted(state.spec.read_names)) or "none"
            raise ContextError(f"The agent of {state.name!r} read {field!r}; it declares to read: {declared}")

    return on_read


async def _stop(task: asyncio.Task[object]) -> None:
    """Cancel a task that is still at work and give it a short grace; then abandon it."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_S)
    task.add_done_callback(_retrieve)


def _retrieve(task: asyncio.Task[object]) -> None:
    """Look at an outcome that may no longer matter, so that asyncio does not report it as overlooked."""
    if not task.cancelled():
        task.exception()


def _outcome(run: Run, came: object) -> Input:
    """Say what an attempt came to, as an input."""
    at = run.elapsed()
    if isinstance(came, Reply):
        return _replied(run, came, at)
    if isinstance(came, _TooLate):
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
    declared = run.machine.definition.states[run.now.state].spec.written_names
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
