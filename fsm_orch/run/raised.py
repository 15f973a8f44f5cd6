"""What was raised, as a value: raised in a task, an interrupt or an exit would end the loop and every other run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from ..errors import StoreError, is_failure

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


def told(run_id: str, failure: BaseException) -> BaseException:
    """Return what a store raised as it is told to whoever called: a StoreError for an exit or a cancellation."""
    if isinstance(failure, Exception) or not is_failure(failure):
        return failure
    # an exit would end the program of whoever runs it, and a cancellation would be one that nobody asked for
    error = StoreError(f"run {run_id!r} could not be stored, or loaded: the store raised {type(failure).__name__}")
    error.__cause__ = failure
    return error
