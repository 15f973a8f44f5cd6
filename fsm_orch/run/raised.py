"""What was raised, as a value: raised in a task, an interrupt or an exit would end the loop and every other run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Raised(NamedTuple):
    """What was raised, which is told from an exception that was returned."""

    error: BaseException


async def tried(doing: Callable[[], Awaitable[T]]) -> T | Raised:
    """Return what came of something, or what it raised."""
    try:
        return await doing()
    except BaseException as error:
        return Raised(error)
