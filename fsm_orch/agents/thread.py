"""A thread for a plain function that blocks, so that the event loop goes on."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
A = TypeVar("A")


async def in_thread(function: Callable[[A], T], argument: A) -> T:
    """Call a function in a thread of its own, and return what it returns.

    Whoever stops waiting gets free of it; the function itself goes on to its end, as a thread cannot be stopped.
    """
    # Not `asyncio.to_thread`: the loop has a few threads for all, so functions that hang would keep others waiting, and
    # the end of the loop too. A daemon is left behind when the process ends.
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def finish(value: T | None, error: BaseException | None) -> None:
        if not done.done():  # nobody waits for it any more
            done.set_result((value, error))

    def work() -> None:
        value, error = None, None
        try:
            value = context.run(function, argument)
        except BaseException as raised:  # whatever it is, it is raised again where the function was called
            error = raised
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(finish, value, error)

    threading.Thread(target=work, name=getattr(function, "__name__", None), daemon=True).start()
    value, error = await done
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # None only if the function returned it
