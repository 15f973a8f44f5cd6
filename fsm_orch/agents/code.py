"""Code agents: plain functions of the visit, sync or async.

A sync function runs on the event loop, in the run's own task. It cannot be cancelled, and while it runs no other run
goes on; one that takes long is warned of. One that blocks is given a thread: `State(function, thread=True)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..define.agent_spec import AgentSpec
from ..define.states import Handoff
from ..errors import WrongType
from .base import PlainAgent, Reply, Visit, names
from .thread import in_thread


@dataclass(frozen=True)
class CodeAgent(PlainAgent):
    """The agent that calls a plain function. The runner makes it; users give the function itself."""

    function: Callable[[Any], Any]
    spec: AgentSpec
    thread: bool = False
    """Whether the function is called in a thread of its own."""

    def begin(self, visit: Visit[Any, Any]) -> Reply | Awaitable[Reply]:
        """Call the function, and return its reply or an awaitable of it.

        Raises WrongType: if it returns anything but None, changes by field, a `Handoff` or a `Reply`.
        """
        if self.thread:
            return _threaded(visit, self.function)
        returned = self.function(visit)
        if isinstance(returned, Awaitable):
            return _awaited(visit, returned)
        return _reply(visit, returned)


async def _threaded(visit: Visit[Any, Any], function: Callable[[Any], Any]) -> Reply:
    returned = await in_thread(function, visit)
    return _reply(visit, await returned if isinstance(returned, Awaitable) else returned)


async def _awaited(visit: Visit[Any, Any], returned: Awaitable[object]) -> Reply:
    return _reply(visit, await returned)


def _reply(visit: Visit[Any, Any], returned: object) -> Reply:
    match returned:
        case None:
            return Reply()
        case Handoff():
            return Reply(returned)
        case Reply():
            return returned
        case Mapping():
            return Reply(changes=names(returned))
        case _:
            raise WrongType(
                f"the agent of {visit.state.name!r} returned {type(returned).__name__}; "
                "it may return None, {field: value}, a handoff or Reply(handoff, {field: value})"
            )
