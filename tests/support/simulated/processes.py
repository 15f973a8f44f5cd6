"""Processes that can be killed, or stopped and woken, between any two awaits; all of them on one virtual event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from fsm_orch.testing.clock import VirtualLoop

_RUNS_IN = contextvars.ContextVar["Process | None"]("_RUNS_IN", default=None)


class Process:
    """A process: what began in it runs only while it does."""

    # Nothing is thrown into what it was at: a process that is killed cleans up nothing.

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_stopped = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._parked: list[tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]] = []

    def begin(self, work: Callable[[], Any]) -> asyncio.Task[Any]:
        """Begin a coroutine in this process."""
        context = contextvars.copy_context()
        context.run(_RUNS_IN.set, self)
        task = asyncio.get_running_loop().create_task(work(), context=context)
        self.tasks.append(task)
        return task

    def stop(self) -> None:
        """Let nothing run in it any more, until it goes on."""
        self.is_stopped = True

    def go_on(self) -> None:
        """Let all run that has come due meanwhile."""
        self.is_stopped, parked, self._parked = False, self._parked, []
        for callback, words, context in parked:
            asyncio.get_running_loop().call_soon(callback, *words, context=context)

    def run(self, callback: Callable[..., object], words: tuple[Any, ...], context: contextvars.Context) -> None:
        """Call back, or keep that until it goes on."""
        if self.is_stopped:
            self._parked.append((callback, words, context))
        else:
            callback(*words)


def here() -> Process | None:
    """Return the process that this runs in; None: the world."""
    return _RUNS_IN.get()


class SimulatedLoop(VirtualLoop):
    """An event loop of several processes."""

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        """Call back in the process of the context, as soon as that runs."""
        context = contextvars.copy_context() if context is None else context
        process = context.get(_RUNS_IN)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.run, callback, args, context, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a time in the process of the context, or when that goes on."""
        context = contextvars.copy_context() if context is None else context
        process = context.get(_RUNS_IN)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, process.run, callback, args, context, context=context)
