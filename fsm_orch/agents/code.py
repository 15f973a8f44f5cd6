"""Code agents: plain functions of the visit, sync or async.

A sync function runs on the event loop, in the run's own task. It cannot be cancelled, and while it runs no other run
goes on; one that takes long is warned of. One that blocks is given a thread: `State(function, thread=True)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Set
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from msgspec.structs import replace

from ..define.agent_spec import AgentSpec
from ..define.callables import short_name
from ..define.context import FieldRef
from ..define.source import where_defined
from ..define.states import Final, Handoff, State
from ..errors import WrongType
from ..kernel.reasons import Refusal
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
            return _Begun(returned, _awaited(visit, returned, self.function))
        return _reply(visit, returned, self.function)


async def _threaded(visit: Visit[Any, Any], function: Callable[[Any], Any]) -> Reply:
    returned = await in_thread(function, visit)
    return _reply(visit, await returned if isinstance(returned, Awaitable) else returned, function)


class _Begun(Coroutine[Any, Any, Reply]):
    """What an async function has begun, and will be a reply. Closed before it was awaited, it closes that too."""

    # a coroutine that is closed before its first step runs nothing, and Python would warn of the one that it holds

    __slots__ = ("_held", "_reply")

    def __init__(self, held: Awaitable[object], reply: Coroutine[Any, Any, Reply]) -> None:
        self._held, self._reply = held, reply

    def send(self, value: Any) -> Any:
        return self._reply.send(value)

    def throw(self, *error: Any) -> Any:
        return self._reply.throw(*error)

    def __await__(self) -> Generator[Any, Any, Reply]:
        return self._reply.__await__()

    def close(self) -> None:
        self._reply.close()
        if isinstance(self._held, Coroutine):
            self._held.close()


async def _awaited(visit: Visit[Any, Any], returned: Awaitable[object], function: Callable[[Any], Any]) -> Reply:
    return _reply(visit, await returned, function)


def _reply(visit: Visit[Any, Any], returned: object, function: Callable[[Any], Any]) -> Reply:
    """Return what a function returned as a reply.

    One that writes less than its state declares is refused by the kernel anyhow: only here is it known whose it is.
    """
    reply = _read(visit, returned)
    if reply.refusal is not None or len(reply.changes) >= len(declared := visit.state.spec.written_names):
        return reply
    written = {key.name if isinstance(key, FieldRef) else key for key in reply.changes}
    if not written < declared:  # what it may not write is more to the point
        return reply
    return replace(reply, refusal=Refusal("missing_field", _less(returned, function, declared - written, declared)))


def _less(returned: object, function: Callable[[Any], Any], missing: Set[str], declared: Set[str]) -> str:
    """Return what is said of a function that wrote less than its state declares."""
    did = "returned None" if returned is None else f"did not write {', '.join(sorted(missing))}"
    file, _, line = where_defined(function).rpartition(":")
    place = f"{PurePath(file).name}:{line}" if file else line  # the name of a module, where there is no source
    return f"`{short_name(function)}` at {place} {did}; its state declares that it writes {', '.join(sorted(declared))}"


def _read(visit: Visit[Any, Any], returned: object) -> Reply:
    match returned:
        case None:
            return Reply()
        case Handoff():
            return Reply(returned)
        case Reply():
            return returned
        case Mapping():
            return Reply(changes=names(returned))
        case State() | Final():
            ways = [handoff.name for handoff in visit.state.exits if handoff.target is returned]
            fix = f"return a handoff that leads there: {', '.join(ways)}" if ways else "no handoff of its leads there"
            raise WrongType(f"the agent of {visit.state.name!r} returned the state {returned.name!r}; {fix}")
        case _:
            raise WrongType(
                f"the agent of {visit.state.name!r} returned {type(returned).__name__}; "
                "it may return None, {field: value}, a handoff or Reply(handoff, {field: value})"
            )
