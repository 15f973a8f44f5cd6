"""A function as a tool uses it: called with what a model filled in, tried again, and held to what it says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import from_json, to_json

from ..define.signature import Signature
from ..define.wording import kind_of
from ..errors import ToolFailed
from .thread import in_thread


class UsedFunction:
    """A function as a tool uses it.

    Args:
        attempts: tries at most when it raises.
        is_threaded: whether it is called in a thread of its own.

    Raises TypeError: if a thread is wanted for an async function.
    """

    def __init__(self, function: Callable[..., Any], signature: Signature, *, attempts: int, is_threaded: bool) -> None:
        if is_threaded and inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__name__} is async, so it needs no thread: leave thread=True out")
        self._function = function
        self._signature = signature
        self._attempts = attempts
        self._is_threaded = is_threaded

    async def use(self, arguments: Mapping[str, Any], *, key: str, deps: Any) -> Any:
        """Call the function, and return its result as JSON.

        Args:
            arguments: as JSON, as the journal holds them.
            key: the idempotency key, the same for every try.

        Raises ToolFailed: if it returned something else than it says.
        Raises what it raised: if no try is left.
        """
        given = {"key": key, "deps": deps}
        ours = {name: given[name] for name in self._signature.takes}
        return self._told(await self._tried(arguments, ours))

    async def _tried(self, arguments: Mapping[str, Any], ours: dict[str, Any]) -> Any:
        for _ in range(self._attempts - 1):
            with suppress(Exception):
                return await self._called(arguments, ours)
        return await self._called(arguments, ours)

    async def _called(self, arguments: Mapping[str, Any], ours: dict[str, Any]) -> Any:
        # opened for each try: the last one may have changed what it was given
        given = self._signature.arguments.opened(arguments) | ours
        if self._is_threaded:
            return await in_thread(lambda _: self._function(**given), None)
        returned = self._function(**given)
        return await returned if inspect.isawaitable(returned) else returned

    def _told(self, returned: Any) -> Any:
        """Return a result as JSON.

        Raises ToolFailed: if it is not what the function says it returns, or if JSON cannot hold it; says what it is,
            without its value.
        """
        returns = self._signature.returns
        try:
            valid = returns.validate_python(returned, strict=True)
        except Exception:  # of a validator too, and of whatever came: its text may hold anything
            raise _failed(returned, "is not what it says that it returns") from None
        try:
            told = returns.dump_json(valid, warnings=False)
            # in which a float that is no number would be null
            plain = to_json(returns.dump_python(valid, warnings=False), inf_nan_mode="constants", fallback=kind_of)
            from_json(plain, allow_inf_nan=False)
            return from_json(told)
        except Exception:  # as above
            raise _failed(returned, "JSON cannot hold") from None


def _failed(returned: object, what: str) -> ToolFailed:
    return ToolFailed(f"it returned {kind_of(returned)}, which {what}")
