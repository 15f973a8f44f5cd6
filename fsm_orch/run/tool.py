"""One use of a tool: its result, or why it failed, is what the agent reads that asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast, runtime_checkable

from ..agents.base import Agent, Visit
from ..define.wording import without_surrogates
from ..errors import ToolFailed
from ..kernel import inputs
from ..kernel.effects import UseTool
from ..kernel.requests import UseTool as Request
from ..observe.tracing import entered
from ..reported import report
from .attempt import visit_at
from .desk import AttemptDesk
from .failure import described, is_our_text, traced
from .in_time import in_time
from .outcome import TooLate, check, late, read_back
from .raised import Raised
from .work import Doing
from .writer import Run


@runtime_checkable
class HasTools(Protocol):
    """An agent that declares tools, and uses them."""

    def use(self, visit: Visit[Any, Any], request: Request, key: str) -> Any:
        """Use a tool that was asked for, and return its result as JSON, or an awaitable of it.

        Args:
            key: the idempotency key of this use.

        What it raises is no failure of the visit: the tool has failed, and its agent is told so.
        """
        ...


def use(run: Run, effect: UseTool, agent: Agent, deps: Any) -> Doing:
    """Use a tool while its visit has time, and fold what came of it.

    Raises BaseException, where it is awaited: what is no failure of the tool, or what the store raised.
    """
    desk = AttemptDesk(run, effect)
    now, own = desk.place, desk.own
    assert now is not None  # what is due has a visit
    assert now.visit is not None
    request, key = cast("Request", now.visit.asks[effect.ask].request), now.key_of(effect.ask)
    # it has no model: a tool that asks one is an agent, in a machine of its own
    visit = visit_at(run, desk, now, None, deps)

    async def used() -> object:
        if not isinstance(agent, HasTools):
            raise TypeError(f"the agent of {own.name!r} declares tools and has no method `use`")
        result = agent.use(visit, request, key)
        return await result if isinstance(result, Awaitable) else result

    return Doing(desk, _used(run, desk, effect, agent, request.name, key, used))


async def _used(
    run: Run,
    desk: AttemptDesk,
    effect: UseTool,
    agent: Agent,
    name: str,
    key: str,
    act: Callable[[], Awaitable[object]],
) -> None:
    if desk.is_closed:  # others came first, before the task that this is had its first turn
        return
    left, own_s = desk.seconds_left(), desk.own.tools[name].timeout_s
    seconds = left if own_s is None else min(left, own_s)
    result = await in_time(run, desk, effect, agent.spec, act, seconds, entered(run.traces, effect))
    run.turn.begin()
    check(run, result)
    if desk.due is None:
        return
    if type(result) is TooLate and seconds == left:  # the visit's own time is over
        run.fold(late(run, desk, result))
        return
    if type(result) is TooLate:
        took = f"it took longer than its {seconds:g} s; what it had begun has an unknown outcome"
        result = Raised(ToolFailed(took))
    run.fold(_answered(run, desk, effect, agent, key, result))


def _answered(run: Run, desk: AttemptDesk, effect: UseTool, agent: Agent, key: str, result: object) -> inputs.Answered:
    at, path = run.elapsed(), desk.path
    if type(result) is not Raised:
        try:
            event = inputs.Answered(ask=effect.ask, id=key, value=result, at=at, path=path)
            return read_back(event, f"a tool of {effect.state!r}")
        except BaseException as error:  # what it returned is no JSON, or a user's object that raises anything
            result = Raised(error)
            check(run, result)
    # of our own raising it is what the model is told of its tool: a line of ours would say nothing
    failure = result.error
    is_ours = type(failure) is ToolFailed and is_our_text(failure)
    detail = str(failure) if is_ours else described(failure, agent)
    if issubclass(type(failure), asyncio.CancelledError):
        detail += ": the tool cancelled itself"
    report("run %s: a tool of %r failed: %s\n%s", run.now.run_id, effect.state, detail, traced(failure))
    # what it says itself is for the model, and for no log
    told = failure.told if type(failure) is ToolFailed and is_ours else ""
    value = without_surrogates(f"it failed: {told or detail}")
    return inputs.Answered(ask=effect.ask, id=key, ok=False, value=value, at=at, path=path)
