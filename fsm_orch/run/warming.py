"""Warm: all that a first run would wait for is made and opened before it comes: forms, models, servers, the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, runtime_checkable

from ..define.context import Context
from ..define.states import Handoff
from ..define.wording import quoted
from ..errors import CallFailed, FsmError, NotWarm, is_failure
from ..kernel.engine import CompiledMachine
from ..models.base import warmed
from .cast import Cast
from .connecting import Connecting
from .driver import Driver
from .raised import Raised, tried
from .servers import connected


@runtime_checkable
class HasForms(Protocol):
    """An agent that makes forms, which it keeps."""

    def make_forms(self, context: type[Context], exits: tuple[Handoff, ...]) -> None: ...


@dataclass(slots=True)
class _Warmth:
    """What is done on one event loop, for all who wait for it."""

    task: asyncio.Task[AsyncExitStack]
    """Its result keeps the servers connected, until it is closed."""
    waiting: int = 0

    @property
    def is_there(self) -> bool:
        task = self.task
        return task.done() and not task.cancelled() and task.exception() is None and not task.get_loop().is_closed()


class Warming(Connecting):
    """The part of a runner that is made ready before its first run."""

    _warmths: dict[asyncio.AbstractEventLoop, _Warmth]
    """By the loop that it is done on: connections belong to one."""

    @property
    def is_warm(self) -> bool:
        """Whether `warm` has made it ready, on an event loop that is still open."""
        return any(warmth.is_there for warmth in tuple(self._warmths.values()))

    async def warm(self) -> None:
        """Make ready what the first run would wait for; nothing is charged.

        The forms of the full menus of all states are made. Models open their connections, and ask their provider for
        the model by its name where it can tell for nothing, so that a wrong key is found now; local weights are loaded,
        and infer one token. Servers of tools are connected, and stay so until the event loop ends, or the block of
        `async with runner:` that it is in. The store is asked for a run.

        It is done once on each event loop, however often and by however many it is awaited. Connections that models
        keep idle are closed after some seconds, as anywhere.

        Raises NotWarm, a StartError: naming all that failed; `error.transient` says whether that may be over by itself.
            No server stays connected, and it may be awaited again.
        """
        loop = asyncio.get_running_loop()
        warmth = self._warmths.get(loop)
        if warmth is None:
            for ended in [each for each in self._warmths if each.is_closed()]:
                del self._warmths[ended]
            warmth = self._warmths[loop] = _Warmth(loop.create_task(_warm(self._driver)))
        warmth.waiting += 1
        try:
            await asyncio.shield(warmth.task)
        finally:
            warmth.waiting -= 1
            has_failed = warmth.task.done() and not warmth.is_there
            if has_failed or not (warmth.is_there or warmth.waiting):
                warmth.task.cancel()  # if it has not failed, nobody waits for it any more
                if self._warmths.get(loop) is warmth:
                    del self._warmths[loop]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections of this event loop that nobody else uses; it is warm no more once all are left."""
        await super().__aexit__(kind, error, traceback)
        loop = asyncio.get_running_loop()
        if loop not in self._contexts and (warmth := self._warmths.get(loop)) is not None and warmth.is_there:
            del self._warmths[loop]
            await warmth.task.result().aclose()


async def _warm(driver: Driver) -> AsyncExitStack:
    """Make all ready. Return what keeps the servers connected until it is closed.

    Raises NotWarm: naming all that failed.
    """
    async with AsyncExitStack() as stack:
        doing = dict(_to_do(driver, stack))
        came = await asyncio.gather(*[tried(each) for each in doing.values()])
        failed = {what: each.error for what, each in zip(doing, came, strict=True) if isinstance(each, Raised)}
        for error in failed.values():
            if not is_failure(error):
                raise error
        if failed:
            why = "; ".join(f"{what}: {_told(error)}" for what, error in failed.items())
            is_for_now = all(isinstance(error, CallFailed) and error.transient for error in failed.values())
            raise NotWarm(f"{driver.compiled.definition.name} is not warm: {why}", transient=is_for_now)
        return stack.pop_all()


def _to_do(driver: Driver, stack: AsyncExitStack) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Yield what is to be made ready, each by its name.

    Args:
        stack: keeps the servers connected.
    """
    yield "forms", lambda: asyncio.to_thread(_make_forms, driver.compiled, driver.cast)
    models = driver.cast.all_models()
    for model in {id(model): model for model in models.values()}.values():
        places = [place for place, each in models.items() if each is model]
        yield f"model {model.name!r} of {quoted(places)}", partial(warmed, model)
    yield "servers", lambda: stack.enter_async_context(connected(driver.needs))
    if driver.store is not None:
        yield "store", partial(driver.store.list, limit=1)


def _make_forms(compiled: CompiledMachine, cast: Cast) -> None:
    """Make the forms of all states in the tree of a machine."""
    for name, agent in cast.agents.items():
        if isinstance(agent, HasForms):
            agent.make_forms(compiled.definition.context, compiled.states[name].exits)
        for part, inner in cast.parts.get(name, {}).items():
            _make_forms(compiled.parts[name][part].compiled, inner)


def _told(error: BaseException) -> str:
    # of what is not ours only the class: a message may hold anything, such as a key
    return str(error) if isinstance(error, FsmError) else type(error).__name__
